from __future__ import annotations

import asyncio
import os
import signal

from meshmeter.agent.signals import StopSignals


async def test_the_first_sigterm_stops_and_the_second_does_it_at_once() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(signals.stop.wait(), 60)
        assert not signals.at_once.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(signals.at_once.wait(), 60)


async def test_ctrl_c_stops_at_once() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(signals.at_once.wait(), 60)
        assert signals.stop.is_set()
