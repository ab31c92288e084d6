"""Ctrl-C and SIGTERM, noticed where it is safe."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from meshmeter.cli.demo.interrupts import SIGNALS, Interrupts


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noticed_by_the_next_check(number: signal.Signals) -> None:
    with Interrupts() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), number)
        assert interrupts.is_told
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()


def test_what_signals_did_before_is_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_cancels_what_runs(number: signal.Signals) -> None:
    is_cleaned_up = False

    async def work() -> None:
        nonlocal is_cleaned_up
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(60)
        finally:
            is_cleaned_up = True

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        interrupts.run(work())
    assert is_cleaned_up


def test_what_was_told_before_keeps_work_from_beginning() -> None:
    async def work() -> None:
        raise AssertionError("it began")

    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupts.run(work())


def test_work_that_nobody_interrupts_has_a_result() -> None:
    async def work() -> int:
        return 3

    with Interrupts() as interrupts:
        assert interrupts.run(work()) == 3
