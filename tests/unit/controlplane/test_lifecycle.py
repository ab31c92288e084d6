"""What ends the control plane, and what is said of it."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from meshmeter.controlplane.lifecycle import Background, until_told
from meshmeter.errors import StartupError


async def forever() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise ZeroDivisionError("nobody thought of this")


async def end() -> None:
    pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_work_wherever_it_is_and_it_cleans_up(number: signal.Signals) -> None:
    seen = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await forever()
        finally:
            await asyncio.sleep(0)
            seen.append("clean")

    asyncio.run(until_told(work()))
    assert seen == ["clean"]


def test_a_failure_is_not_a_stop() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(until_told(fail()))


@pytest.mark.parametrize(("work", "word"), [(fail, "ZeroDivisionError"), (end, "None")])
async def test_a_task_that_ends_ends_everything_with_an_error(
    work: object, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    cleaned = []
    with pytest.raises(StartupError, match=f"the tenth thing: {word}"):
        async with Background() as tasks:
            try:
                tasks.start(forever(), "another")
                tasks.start(work(), "the tenth thing")  # type: ignore[operator]
                await forever()  # a start that would wait without end
            finally:
                await asyncio.sleep(0)
                cleaned.append(True)
    assert cleaned and "the tenth thing ended" in caplog.text
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()


async def test_tasks_end_with_the_context_and_that_is_no_failure() -> None:
    ended = []

    async def work() -> None:
        try:
            await forever()
        finally:
            ended.append(True)

    async with Background() as tasks:
        tasks.start(work(), "work")
        await asyncio.sleep(0)
    assert ended == [True]
