"""Whether what was sent can be sent once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Replay"]


class Replay:
    """What a request is made of, as it was before the request was sent.

    A file can be sent again if it can be taken back to where it stood; what is consumed by being read cannot.

    Parameters
    ----------
    *parts : object
        Bodies, parameters and files as ``requests`` takes them.
    """

    def __init__(self, *parts: object) -> None:
        self._places: list[tuple[Callable[[int], object], int]] = []
        self._lost = not all(self._note(part) for part in parts)

    def rewind(self) -> bool:
        """Take everything back to where it stood; tell whether all of it can be sent again."""
        if self._lost:
            return False
        try:
            for seek, place in self._places:
                seek(place)
        except (OSError, ValueError):
            return False
        return True

    def _note(self, part: object) -> bool:
        """Note where a part stands; tell whether it can be sent again."""
        if part is None or isinstance(part, (str, bytes, bytearray, int, float, bool)):
            return True
        if isinstance(part, dict):
            return all(self._note(value) for value in part.values())
        if isinstance(part, (list, tuple)):
            return all(self._note(value) for value in part)
        if hasattr(part, "read"):
            return self._note_file(part)
        # What is its own iterator is consumed by being read.
        return not isinstance(part, Iterator)

    def _note_file(self, file: Any) -> bool:
        try:
            self._places.append((file.seek, file.tell()))
        except (AttributeError, OSError, ValueError):
            return False
        return True
