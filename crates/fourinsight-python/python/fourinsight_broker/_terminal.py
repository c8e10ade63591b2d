"""A person at a terminal: told on standard error, heard on standard input."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .interaction import News

try:
    import select
    import termios
except ImportError:  # Windows has no such terminals
    _has_termios = False
else:
    _has_termios = True

_NOT_THERE = (AttributeError, OSError, ValueError)
"""What a standard stream raises that is missing, closed, or that something else has been put in the place of."""

_END_OF_INPUT, _ERASE, _ERASE_LINE = b"\x04", (b"\x7f", b"\x08"), b"\x15"


class Terminal:
    """A person at a terminal."""

    def __init__(self) -> None:
        self._waits = False

    def tell(self, text: str) -> None:
        """Say something on standard error."""
        print(text, file=sys.stderr, flush=True)

    def link(self, text: str, uri: str) -> None:
        """Show the address alone on a line."""
        self.tell(f"{text}\n{uri}")

    def ask(self, question: str) -> str:
        """Have a line typed."""
        while True:
            print(question, end="", file=sys.stderr, flush=True)
            try:
                line = sys.stdin.readline()
            except UnicodeDecodeError as error:
                self.tell(f"That is not {error.encoding} text, which is expected here.")
                continue
            except _NOT_THERE:
                line = ""
            if not line:
                self.tell("")
                raise EOFError
            return line.rstrip("\r\n")

    def ask_hidden(self, question: str, news: News) -> str | None:
        """Have a line typed that is not shown. News ends the wait for it, so that nobody types into the void."""
        # Where input has no descriptor nobody is asked, though some such places could show what is typed.
        terminal = _descriptor()
        if not _has_termios:
            import getpass

            # Nothing but a line can end this wait: once there is news, an empty one does.
            while True:
                try:
                    line = getpass.getpass(f"{question} (Enter alone once you have signed in) ")
                except _NOT_THERE:
                    raise EOFError from None
                if line.strip():
                    return line
                if news.come:
                    return None
        read_end, write_end = os.pipe()

        def wake() -> None:
            os.write(write_end, b"!")

        try:
            # Hidden before anybody is told to type.
            with _hidden(terminal):
                self.tell(f"{question} It is not shown." if os.isatty(terminal) else question)
                news.wakes(wake)
                return _line(terminal, read_end)
        finally:
            news.wakes(None)
            os.close(read_end)
            os.close(write_end)

    def waits(self, text: str) -> None:
        """Say what is waited for, on a line that can be taken back."""
        if is_terminal(sys.stderr) and not self._waits:
            print(f"{text} ", end="", file=sys.stderr, flush=True)
            self._waits = True

    def waits_no_more(self) -> None:
        """Take the line back."""
        if self._waits:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._waits = False


def is_terminal(stream: Any) -> bool:
    """Tell whether a stream leads to a terminal; a program may have put anything in its place, or nothing."""
    try:
        return bool(stream.isatty())
    except _NOT_THERE:
        return False


def _descriptor() -> int:
    """Give standard input's descriptor; what editors and test runners put in its place has none."""
    try:
        return sys.stdin.fileno()
    except _NOT_THERE:
        raise EOFError from None


@contextlib.contextmanager
def _hidden(terminal: int) -> Iterator[None]:
    """Have a terminal neither show what is typed nor cut off a long line, as it does with those that it edits."""
    if not os.isatty(terminal):
        yield
        return
    try:
        before = termios.tcgetattr(terminal)
        hidden = list(before)
        hidden[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(terminal, termios.TCSADRAIN, hidden)
    except termios.error:
        raise EOFError from None
    try:
        yield
    finally:
        # A terminal that is gone shows nothing.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _line(terminal: int, news: int) -> str | None:
    """Read a line, obeying the keys that correct it; ``None`` once there is news."""
    keys = os.isatty(terminal)
    line = bytearray()
    while True:
        try:
            ready, _, _ = select.select([terminal, news], [], [])
            if news in ready:
                return None
            piece = os.read(terminal, 4096)
        except BlockingIOError:  # another reader was faster
            continue
        except (OSError, ValueError):  # a terminal that is gone, or what was closed or opened for writing only
            piece = b""
        if not piece:
            raise EOFError
        for byte in (piece[at : at + 1] for at in range(len(piece))):
            if byte in b"\r\n":
                if line.strip():
                    return line.decode(errors="replace")
            elif keys and byte in _ERASE:
                # A character goes with the bytes that continue it.
                while line and line.pop() & 0b1100_0000 == 0b1000_0000:
                    pass
            elif keys and byte == _ERASE_LINE:
                line.clear()
            elif keys and byte == _END_OF_INPUT and not line:
                raise EOFError
            else:
                line += byte
