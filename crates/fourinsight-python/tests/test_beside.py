"""The threads that coroutines wait for the broker on."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from conftest import SignIn
from fourinsight_broker import AsyncAzureCredential, AsyncSession
from fourinsight_broker._beside import Threads, beside


def tokens_of_the_session() -> Callable[[], Any]:
    return AsyncSession().token


def tokens_for_azure() -> Callable[[], Any]:
    return AsyncAzureCredential().get_token


@pytest.mark.parametrize("asking", [tokens_of_the_session, tokens_for_azure])
def test_nobody_waits_for_those_who_wait_for_the_broker(
    signed_in: SignIn, asking: Callable[[], Callable[[], Any]]
) -> None:
    stage = signed_in()
    stage.practice.script({"point": "after_reading", "kind": {"delay": 3}})

    async def ask() -> None:
        # Where one thread is all that the others have, one wait of ours on it would be seen.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        stage.session.reject(stage.session.token())
        waiting = [asyncio.create_task(asking()()) for _ in range(40)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(lambda: "done") == "done"
        assert (await AsyncSession().status())["state"] == "signed_in"
        assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)

    asyncio.run(ask())


def test_a_call_is_as_one_of_to_thread() -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    def fail(word: str, *, number: int) -> None:
        raise ValueError(f"{word} {number} {variable.get()}")

    async def ask() -> None:
        variable.set("set")
        with pytest.raises(ValueError, match="one 2 set"):
            await beside(fail, "one", number=2)
        assert await beside(threading.current_thread) is not threading.current_thread()

    asyncio.run(ask())


def test_no_more_run_than_may_and_each_has_its_turn() -> None:
    threads, free = Threads(2), threading.Event()
    ran: list[int] = []

    def run(number: int) -> int:
        assert free.wait(30)
        ran.append(number)
        return number

    futures = [threads.submit(run, number) for number in range(20)]
    assert sum(future.running() for future in futures) <= 2
    assert futures[10].cancel()
    free.set()
    expected = [number for number in range(20) if number != 10]
    assert [future.result(30) for future in futures if not future.cancelled()] == expected
    assert sorted(ran) == expected
    # A thread ends when there is nothing left for it to do, and the next call has a new one.
    assert threads.submit(run, 20).result(30) == 20


def test_the_end_of_a_program_waits_for_none() -> None:
    script = """
import threading
from fourinsight_broker._beside import Threads
began = threading.Event()
Threads().submit(lambda: (began.set(), threading.Event().wait()))
assert began.wait(30)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)


def in_the_child(threads: Threads) -> int:
    return threads.submit(os.getpid).result(30)


_inherited: list[Threads] = []


def of_the_inherited(_: int) -> bool:
    return in_the_child(_inherited[0]) == os.getpid()


def test_a_forked_child_has_threads_of_its_own() -> None:
    threads, free = Threads(1), threading.Event()
    _inherited[:] = [threads]
    busy = threads.submit(free.wait, 30)
    try:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.map_async(of_the_inherited, [0]).get(30) == [True]
    finally:
        free.set()
    assert busy.result(30)


def test_a_wait_that_is_cancelled_ends_at_once() -> None:
    free = threading.Event()

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(beside(free.wait, 30), 0.1)

    asked = time.monotonic()
    asyncio.run(give_up())
    assert time.monotonic() - asked < 10
    free.set()
