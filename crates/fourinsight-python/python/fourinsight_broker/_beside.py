"""Threads of the package's own for the calls that coroutines wait for: nobody else's work ever waits for ours."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections import deque
from concurrent.futures import Executor, Future
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    T = TypeVar("T")

__all__ = ["Threads", "beside"]

_MOST = 256


class Threads(Executor):
    """Runs each call on a thread that lives as long as there are calls for it, and that no exit waits for.

    Parameters
    ----------
    most : int, optional
        How many run at the same time, at most. Further calls wait for their turn.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._start_anew()
        if hasattr(os, "register_at_fork"):
            # The threads stay with the parent, and what waited for them is the parent's as well.
            os.register_at_fork(after_in_child=self._start_anew)

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a call run."""
        future: Future[T] = Future()
        job = partial(_run, future, partial(call, *args, **kwargs))
        with self._lock:
            if self._running >= self._most:
                self._waiting.append(job)
                return future
            self._running += 1
        try:
            threading.Thread(target=self._work, args=(job,), name="fourinsight_broker", daemon=True).start()
        except BaseException:
            with self._lock:
                self._running -= 1
            raise
        return future

    def _work(self, job: Callable[[], None] | None) -> None:
        while job:
            job()
            with self._lock:
                job = self._waiting.popleft() if self._waiting else None
                if job is None:
                    self._running -= 1

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = 0


async def beside(call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Wait for a call on a thread of ours, as `asyncio.to_thread` does on one of the event loop's."""
    in_context: Any = partial(contextvars.copy_context().run, call, *args, **kwargs)
    result: T = await asyncio.get_running_loop().run_in_executor(_threads, in_context)
    return result


def _run(future: Future[T], call: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is for whoever waits
        future.set_exception(error)
        # The error knows this frame, and would so be kept by what keeps it.
        del future
    else:
        future.set_result(result)


_threads = Threads()
