"""A person in a notebook: told by what the cell displays, heard by the kernel's own input box."""

from __future__ import annotations

import getpass
import html
import threading
import time
from _thread import interrupt_main
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from IPython.core.error import StdinNotImplementedError
from IPython.display import display

if TYPE_CHECKING:
    from .interaction import News

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Notebook:
    """A person in a notebook."""

    def __init__(self) -> None:
        self._waiting: Any = None

    def tell(self, text: str) -> None:
        """Display a text."""
        display(_plain(text), raw=True)

    def link(self, text: str, uri: str) -> None:
        """Display an address that can be clicked, if it is one of the web."""
        shown = html.escape(uri)
        if _may_be_opened(uri):
            shown = f'<a href="{shown}" target="_blank" rel="noopener noreferrer">{shown}</a>'
        whole = {"text/plain": f"{text}\n{uri}", "text/html": f"<p>{html.escape(text)}<br>{shown}</p>"}
        display(whole, raw=True)

    def ask(self, question: str) -> str:
        """Have a line typed into a box."""
        try:
            return input(question)
        except StdinNotImplementedError:
            raise EOFError from None

    def ask_hidden(self, question: str, news: News) -> str | None:
        """Have a line pasted into a box that does not show it. News interrupts the wait for it."""
        # Only the main thread can be interrupted.
        if threading.current_thread() is not threading.main_thread():
            raise EOFError
        interruption = _Interruption()
        news.wakes(interruption.begin)
        try:
            line = ""
            while not line.strip():
                line = getpass.getpass(f"{question} ")
            interruption.end()
        except KeyboardInterrupt:
            if interruption.begun:
                return None
            raise
        except StdinNotImplementedError:
            raise EOFError from None
        finally:
            news.wakes(None)
        return line

    def waits(self, text: str) -> None:
        """Display what is waited for."""
        if self._waiting is None:
            self._waiting = display(_plain(text), raw=True, display_id=True)

    def waits_no_more(self) -> None:
        """Display it no more."""
        if self._waiting is not None:
            self._waiting.update(_plain(""), raw=True)
            self._waiting = None


class _Interruption:
    """Ends the main thread's wait for an answer that is no longer needed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = False
        self.begun = False

    def begin(self) -> None:
        """Interrupt, unless the wait is over."""
        with self._lock:
            if not self._over:
                self.begun = True
                interrupt_main()

    def end(self) -> None:
        """Say that the wait is over, and let an interruption that has begun come now."""
        with self._lock:
            self._over = True
        if self.begun:
            time.sleep(0)


def _plain(text: str) -> dict[str, str]:
    shown = html.escape(text).replace("\n", "<br>")
    return {"text/plain": text, "text/html": shown and f"<p>{shown}</p>"}


def _may_be_opened(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
