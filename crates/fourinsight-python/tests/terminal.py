"""A Python program at a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

from stage import TIME_LIMIT


class Terminal:
    """Runs Python code as a person does who sits before it."""

    def __init__(self, code: str) -> None:
        self._end, theirs = pty.openpty()
        # A session of its own, so that the terminal is its controlling one and Ctrl-C reaches it.
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_as_a_shell_starts_it,
            env={**os.environ, "TERM": "xterm", "PYTHON_COLORS": "0"},
        )
        os.close(theirs)
        self.shown = ""

    def reads(self, pattern: str) -> re.Match[str]:
        """Read what is shown until it matches."""
        deadline = time.monotonic() + TIME_LIMIT
        while True:
            if match := re.search(pattern, self.shown):
                return match
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._end], [], [], max(left, 0))
            assert ready, f"{pattern} is not shown within the time limit, but\n{self.shown}"
            try:
                piece = os.read(self._end, 4096)
            except OSError:  # how Linux says that the other end is closed
                piece = b""
            assert piece, f"{pattern} is never shown, but\n{self.shown}"
            self.shown += piece.decode(errors="replace").replace("\r\n", "\n")

    def types(self, text: str | bytes) -> None:
        os.write(self._end, text if isinstance(text, bytes) else text.encode())

    def interrupts(self) -> None:
        """Press Ctrl-C."""
        self.types("\x03")

    def hangs_up(self) -> None:
        """Go, as when its window is closed."""
        os.close(self._end)
        self._end = -1

    def signals(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def ends(self) -> int:
        """Wait for the end of the program, and give its exit code."""
        code = self._process.wait(TIME_LIMIT)
        if self._end >= 0:
            os.close(self._end)
        return code


def _as_a_shell_starts_it() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # Whoever runs these tests in the background has had it ignored, and that is passed on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
