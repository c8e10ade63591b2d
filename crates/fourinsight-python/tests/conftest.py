from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from fourinsight_broker import Session
from guarded_api import guarded, here, refusals, start_guarded  # noqa: F401 - fixtures
from stage import Daemon, Practice
from stub_api import Answer, Seen, StubApi

# The fixtures whose names are words that are needed here otherwise.
pytest_plugins = ["both"]

StartPractice = Callable[..., Practice]
StartDaemon = Callable[[str], Daemon]


class SignedIn:
    """A session that somebody is signed in to, its server and its broker."""

    def __init__(self, session: Session, practice: Practice, daemon: Daemon) -> None:
        self.session = session
        self.practice = practice
        self.daemon = daemon


class SignIn(Protocol):
    def __call__(
        self, life: str = "1h", *arguments: str, key: str | None = None, user: str = "ada", config: str = ""
    ) -> SignedIn: ...


@pytest.fixture
def start_practice() -> Iterator[StartPractice]:
    """Starts a practice server with these arguments."""
    servers: list[Practice] = []

    def start(*arguments: str) -> Practice:
        servers.append(Practice(*arguments))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def api() -> Iterator[StubApi]:
    """An API."""
    stub = StubApi()
    yield stub
    stub.stop()


@pytest.fixture
def elsewhere() -> Iterator[StubApi]:
    """Another API, at another origin."""
    stub = StubApi()
    yield stub
    stub.stop()


@pytest.fixture
def practice(start_practice: StartPractice) -> Practice:
    """A practice server whose access tokens live for an hour."""
    return start_practice()


@pytest.fixture
def make_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartDaemon]:
    """Makes a home for a broker with this configuration, which everything in this process then finds."""
    homes: list[Daemon] = []

    def make(config: str) -> Daemon:
        homes.append(Daemon(config))
        for name, value in homes[-1].environment.items():
            monkeypatch.setenv(name, value)
        return homes[-1]

    yield make
    for home in homes:
        home.remove()


@pytest.fixture
def start_daemon(make_home: StartDaemon) -> StartDaemon:
    """Starts a broker with this configuration, which everything in this process then finds."""

    def start(config: str) -> Daemon:
        daemon = make_home(config)
        daemon.start()
        return daemon

    return start


@pytest.fixture
def home(practice: Practice, make_home: StartDaemon) -> Daemon:
    """A broker's home that signs in at `practice`; the broker is not running yet."""
    return make_home(practice.config)


@pytest.fixture
def daemon(practice: Practice, start_daemon: StartDaemon) -> Daemon:
    """A running broker that signs in at `practice`."""
    return start_daemon(practice.config)


@pytest.fixture
def signed_in(start_practice: StartPractice, start_daemon: StartDaemon) -> SignIn:
    """Signs somebody in to a session whose access tokens live so long, as in `signed_in("20s", key="work")`."""

    def sign_in(
        life: str = "1h", *arguments: str, key: str | None = None, user: str = "ada", config: str = ""
    ) -> SignedIn:
        practice = start_practice(*arguments, "--access-token-life", life)
        daemon = start_daemon(practice.config + config)
        session = Session(key)
        sign_in_to(session, practice, user)
        return SignedIn(session, practice, daemon)

    return sign_in


def sign_in_to(session: Session, practice: Practice, user: str = "ada") -> None:
    """Sign this user in to the session."""
    attempt = session.client.start_login({"session": session.key})
    practice.sign_in(attempt["authorization_uri"], user)
    ended = session.client.login(attempt["id"], 30)
    assert ended["state"] == "succeeded", ended


@pytest.fixture
def wanted(practice: Practice, start_daemon: StartDaemon, api: StubApi) -> Session:
    """A session whose token has been refused, and whose server does not renew it without asking its person."""
    issued = itertools.count(1)

    def token(seen: Seen) -> Answer:
        if b"grant_type=authorization_code" not in seen.body:
            return Answer(400, {"error": "interaction_required", "error_description": "new terms of use"})
        life = {"token_type": "Bearer", "expires_in": 3600, "scope": "api read"}
        return Answer(200, {"access_token": f"token {next(issued)}", "refresh_token": "r", **life})

    authorization_endpoint = practice.endpoints()["authorization_endpoint"]
    start_daemon(
        f'''default_profile = "practice"
[profiles.practice]
client_id = "{practice.client_id}"
authorization_endpoint = "{authorization_endpoint}"
token_endpoint = "{api.on("/token", token)}"
scopes = ["api", "read"]
'''
    )
    session = Session("work")
    sign_in_to(session, practice)
    session.reject(session.token())
    return session
