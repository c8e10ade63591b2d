"""Threads, forked workers, processes and event loops that share a session."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import SignIn
from fourinsight_broker import AsyncSession, LoginRequired, Session

_inherited: Session | None = None


def _of_the_inherited_session(_: int) -> tuple[int, str]:
    assert _inherited
    return os.getpid(), _inherited.token().secret


def _of_a_session_handed_over(session: Session) -> str:
    return session.token().secret


def test_threads_share_a_session(signed_in: SignIn) -> None:
    stage = signed_in()
    with ThreadPoolExecutor(8) as threads:
        tokens = list(threads.map(lambda _: stage.session.token().id, range(400)))
    assert len(set(tokens)) == 1


def test_other_threads_run_while_one_waits(signed_in: SignIn) -> None:
    stage = signed_in()
    stage.practice.script({"point": "after_reading", "kind": {"delay": 2}})
    stage.session.reject(stage.session.token())
    began = threading.Event()

    def wait() -> str:
        began.set()
        return stage.session.token().secret

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(wait)
        assert began.wait(10)
        # Each step here needs what the waiting thread has let go of.
        steps = 0
        while not waiting.done():
            steps += 1
        assert steps > 1000
        assert stage.practice.verdict(waiting.result()) == "live"


def test_a_signal_reaches_a_waiting_call(signed_in: SignIn) -> None:
    stage = signed_in()
    stage.practice.script({"point": "after_reading", "kind": {"delay": 4}})
    stage.session.reject(stage.session.token())

    class Rung(Exception):
        pass

    def ring(*_: object) -> None:
        raise Rung

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        asked = time.monotonic()
        with pytest.raises(Rung):
            stage.session.token()
        assert time.monotonic() - asked < 3
        # One that raises nothing does not end the wait.
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
        assert stage.practice.verdict(stage.session.token().secret) == "live"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_forked_child_asks_for_itself(signed_in: SignIn) -> None:
    stage = signed_in()
    ours = stage.session.token()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever happens here, the rest of the tests is the parent's.
        try:
            os.write(write_end, stage.session.token().secret.encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as answer:
        assert answer.read() == ours.secret
    os.waitpid(child, 0)
    assert stage.session.token().id == ours.id


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_eight_workers(signed_in: SignIn, method: str) -> None:
    global _inherited
    stage = signed_in()
    secret = stage.session.token().secret
    _inherited = stage.session
    with multiprocessing.get_context(method).Pool(8) as pool:
        if method == "fork":
            answers = pool.map(_of_the_inherited_session, range(800), chunksize=20)
            assert {token for _, token in answers} == {secret}
            assert os.getpid() not in {worker for worker, _ in answers}
        assert set(pool.map(_of_a_session_handed_over, [stage.session] * 16)) == {secret}
    assert stage.session.token().secret == secret


def test_an_event_loop_goes_on_while_coroutines_wait(signed_in: SignIn) -> None:
    stage = signed_in()
    stage.practice.script({"point": "after_reading", "kind": {"delay": 1}})
    session = AsyncSession(socket=stage.daemon.socket)

    async def ask() -> None:
        token = await session.token()
        assert (await session.reject(token))["outcome"] == "renewing"
        waiting = [asyncio.create_task(session.token()) for _ in range(3)]
        # It turns although three wait.
        while not any(task.done() for task in waiting):
            assert (await session.status())["state"] == "signed_in"
        tokens = await asyncio.gather(*waiting)
        assert {one.id for one in tokens} != {token.id}
        assert (await session.login())["state"] == "signed_in"
        assert (await session.revoke())["revocation"] == "revoked"
        with pytest.raises(LoginRequired):
            await session.token()

    asyncio.run(ask())
    assert repr(session) == "AsyncSession('default')"


def test_a_cancelled_coroutine_leaves_nobody_waiting(signed_in: SignIn) -> None:
    stage = signed_in()
    stage.practice.script({"point": "after_reading", "kind": {"delay": 6}})

    async def give_up() -> None:
        session = AsyncSession()
        await session.reject(await session.token())
        with pytest.raises(asyncio.TimeoutError):  # another class than TimeoutError before Python 3.11
            await asyncio.wait_for(session.token(), 0.5)
        login = asyncio.create_task(AsyncSession("other", interactive=True).login())
        while not await asyncio.to_thread(practice_is_visited):
            assert not login.done()
        login.cancel()
        with pytest.raises(asyncio.CancelledError):
            await login

    def practice_is_visited() -> bool:
        return any(one["state"] == "signing_in" for one in stage.session.client.sessions())

    asked = time.monotonic()
    asyncio.run(give_up())
    for thread in threading.enumerate():
        if thread.name == "fourinsight_broker":
            thread.join(5)
    assert time.monotonic() - asked < 5
