from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fourinsight_broker.replay import Replay


@pytest.mark.parametrize(
    "parts",
    [
        (None, b"bytes", "text", bytearray(b"x")),
        ({"a": ["b", 1, None]}, [("a", "b"), ("a", ("name", b"content", "text/plain"))]),
        (range(3),),
    ],
)
def test_what_is_not_consumed_can_be_sent_again(parts: tuple[object, ...]) -> None:
    assert Replay(*parts).rewind()


def test_a_file_is_taken_back_to_where_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(4)
        buffer = io.StringIO("text")
        replay = Replay({"upload": ("name", file, "text/plain")}, buffer)
        assert (file.read(), buffer.read()) == (b"456789", "text")
        assert replay.rewind()
        assert (file.read(), buffer.read()) == (b"456789", "text")
    assert not replay.rewind(), "it is closed"


def test_what_is_consumed_by_being_read_cannot_be_sent_again() -> None:
    def generator() -> Iterator[bytes]:
        yield b"once"

    for once in (generator(), iter([b"once"]), map(str, [1]), {"a": generator()}):
        assert not Replay(None, once).rewind()
    read, write = os.pipe()
    with os.fdopen(read, "rb") as pipe, os.fdopen(write, "wb"):
        assert not Replay(pipe).rewind()
