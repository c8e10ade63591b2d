"""The sessions of `fourinsight.api` and ours, at one server: whoever asks for `session` runs with each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fourinsight_broker import ClientSession, UserSession, auth_session
from seed import (
    CLIENT,
    DIALECT,
    GenuineClientSession,
    GenuineUserSession,
    Pasting,
    answers,
    config,
    keep_in,
    speak_to,
)
from stage import Daemon, Practice
from stub_api import StubApi

Make = Callable[[], Any]


@pytest.fixture(params=["client", "user"])
def kind(request: pytest.FixtureRequest) -> str:
    """Whose sessions: a program's or a person's."""
    return str(request.param)


@pytest.fixture
def server(start_practice: Callable[..., Practice]) -> Practice:
    """4insight's practice server."""
    return start_practice(*DIALECT)


@pytest.fixture
def broker(server: Practice, start_daemon: Callable[[str], Daemon]) -> Daemon:
    """A running broker that signs in at `server`."""
    return start_daemon(config(server))


@pytest.fixture
def make_ours(kind: str, broker: Daemon, server: Practice, api: StubApi, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a session of ours; its person is signed in."""
    assert broker.socket.exists()
    monkeypatch.setattr(auth_session, "API_BASE_URL", api.url)
    if kind == "client":
        return lambda: ClientSession(*CLIENT)
    Pasting(server.package).sits_down(monkeypatch)
    UserSession()
    return UserSession


@pytest.fixture
def make_theirs(kind: str, server: Practice, api: StubApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a session of theirs; its person is signed in, which is in a file then."""
    speak_to(server, monkeypatch, API_BASE_URL=api.url)
    keep_in(tmp_path / "theirs", monkeypatch)
    if kind == "client":
        return lambda: GenuineClientSession(*CLIENT)
    answers(monkeypatch, server.package)
    GenuineUserSession()
    made: Make = GenuineUserSession
    return made


@pytest.fixture(params=["theirs", "ours"])
def make(request: pytest.FixtureRequest, kind: str) -> Make:
    """Makes a session: theirs and ours."""
    assert kind
    made: Make = request.getfixturevalue(f"make_{request.param}")
    return made


@pytest.fixture
def session(make: Make) -> Iterator[Any]:
    with make() as session:
        yield session


@pytest.fixture
def theirs(make_theirs: Make) -> Iterator[Any]:
    with make_theirs() as session:
        yield session


@pytest.fixture
def ours(make_ours: Make) -> Iterator[Any]:
    with make_ours() as session:
        yield session
