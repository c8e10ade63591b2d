"""An API that does not take the token any more: it is reported, and asked once more with the next one."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conftest import StartDaemon
from fourinsight_broker import ClientSession
from service import CLIENT, CONFIG
from stage import Daemon, Practice
from stub_api import Answer, Seen, StubApi, redirect

OK = Answer(200, {"value": [1]})


@pytest.fixture
def daemon(practice: Practice, start_daemon: StartDaemon) -> Daemon:
    return start_daemon(practice.config + CONFIG.format(issuer=practice.issuer))


@pytest.fixture
def session(daemon: Daemon) -> ClientSession:
    assert daemon.socket.exists()
    return ClientSession(*CLIENT)


def refusing(token: str, status: int = 401, challenge: str = "Bearer") -> Callable[[Seen], Answer]:
    """Refuses this token, and takes any other."""
    refusal = Answer(status, None, {"WWW-Authenticate": challenge})
    return lambda seen: refusal if seen.bearer == token else OK


def upload() -> io.BytesIO:
    """Opens a file, part of which has been read."""
    file = io.BytesIO(b"....content")
    file.seek(4)
    return file


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: {"json": {"a": 1}, "params": {"b": "c"}, "headers": {"X-Mine": "yes"}},
        lambda: {"data": {"a": ["b", "c"]}},
        lambda: {"data": b"bytes"},
        lambda: {"data": bytearray(b"array")},
        lambda: {"data": upload()},
        lambda: {"files": {"upload": ("name", upload())}},
    ],
    ids=["json", "form", "bytes", "array", "file", "multipart"],
)
def test_all_that_was_sent_is_sent_again(
    session: ClientSession, api: StubApi, request_of: Callable[[], dict[str, Any]]
) -> None:
    url = api.on("/things", refusing(session.token["access_token"]))
    assert session.post(url, **request_of()).status_code == 200
    first, second = api.seen
    assert first.bearer != second.bearer
    # What tells the parts of a form from each other is drawn anew.
    bodies = [seen.body.replace(boundary(seen), b"") for seen in (first, second)]
    assert bodies[0]
    assert bodies[0] == bodies[1]
    assert (second.query, second.headers["X-Mine"]) == (first.query, first.headers["X-Mine"])


def boundary(seen: Seen) -> bytes:
    return str(seen.headers.get_param("boundary") or "-").encode()


def test_what_cannot_be_sent_again_is_not_and_the_next_request_has_the_next_token(
    session: ClientSession, api: StubApi
) -> None:
    def body() -> Iterator[bytes]:
        yield b"once"

    url = api.on("/things", refusing(session.token["access_token"]))
    assert session.post(url, data=body()).status_code == 401
    assert [seen.body for seen in api.seen] == [b"once"]
    assert session.post(url, data=body()).status_code == 200


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_after_a_redirect_only_what_was_refused_is_sent_again(
    session: ClientSession, api: StubApi, status: int, method: str
) -> None:
    token = session.token["access_token"]
    api.on("/result", refusing(token))
    response = session.post(api.on("/things", redirect("/result", status)), data=upload())
    assert response.status_code == 200
    assert [(seen.method, seen.path) for seen in api.seen] == [
        ("POST", "/things"),
        (method, "/result"),
        (method, "/result"),
    ]
    assert [seen.body for seen in api.seen] == [b"content", *[b"content" if method == "POST" else b""] * 2]
    assert api.bearers("/result") == [token, session.token["access_token"]]
    assert response.request.url == f"{api.url}result"


def test_a_redirect_that_follows_what_was_sent_again_has_the_next_token_and_no_further_one(
    session: ClientSession, api: StubApi, practice: Practice
) -> None:
    token = session.token["access_token"]
    url = api.on("/things", lambda seen: Answer(401) if seen.bearer == token else redirect("/closed", 307))
    api.on("/closed", Answer(401))
    assert session.post(url, data=upload()).status_code == 401
    following = session.token["access_token"]
    assert [(seen.path, seen.bearer) for seen in api.seen] == [
        ("/things", token),
        ("/things", following),
        ("/closed", following),
    ]
    assert practice.ledger()["token_requests"] == 2


def test_an_api_that_takes_no_token_is_asked_twice_and_no_more(
    session: ClientSession, api: StubApi, practice: Practice
) -> None:
    url = api.on("/closed", Answer(401))
    assert session.get(url).status_code == 401
    assert len(set(api.bearers("/closed"))) == len(api.seen) == 2
    assert practice.ledger()["token_requests"] == 2


def test_a_token_that_lacks_a_scope_is_not_the_matter(session: ClientSession, api: StubApi, practice: Practice) -> None:
    url = api.on("/things", Answer(401, None, {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="write"'}))
    assert session.get(url).status_code == 401
    assert len(api.seen) == 1
    assert practice.ledger()["token_requests"] == 1


def test_which_statuses_mean_it_can_be_said(daemon: Daemon, api: StubApi) -> None:
    assert daemon.socket.exists()

    class Mine(ClientSession):
        expired_statuses = (419,)

    for session, status in ((ClientSession(*CLIENT, expired_statuses={403, 440}), 440), (Mine(*CLIENT), 419)):
        url = api.on("/things", refusing(session.token["access_token"], status))
        assert session.get(url).status_code == 200
        url = api.on("/things", refusing(session.token["access_token"], 401))
        assert session.get(url).status_code == 401


def test_where_no_next_token_can_be_had_the_answer_stands(
    session: ClientSession, api: StubApi, practice: Practice
) -> None:
    token = session.token["access_token"]
    url = api.on("/things", refusing(token))
    practice.stop()
    assert session.get(url, timeout=5).status_code == 401
    assert api.bearers("/things") == [token]


def test_of_many_threads_none_is_turned_away_and_one_token_is_fetched(
    session: ClientSession, api: StubApi, practice: Practice
) -> None:
    url = api.on("/things", refusing(session.token["access_token"]))
    start = threading.Barrier(8)
    statuses: list[int] = []

    def work() -> None:
        start.wait()
        statuses.extend(session.get(url).status_code for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 40
    assert practice.ledger()["token_requests"] == 2
