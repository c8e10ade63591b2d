"""Addresses that are after the token: it stays at the origin that was asked first."""

from __future__ import annotations

import io
import json
import logging
import pickle
from typing import Any

import pytest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import InvalidURL
from urllib3 import HTTPResponse

from conftest import StartDaemon
from fourinsight_broker import ClientSession
from fourinsight_broker.fourinsight import InsecureTransportError
from service import CLIENT, CONFIG
from stage import Daemon, Practice
from stub_api import Answer, StubApi, redirect

HOME = "https://api.example"


class Wire(HTTPAdapter):
    """Answers for the whole internet, and remembers who was sent what."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        super().__init__()
        self.answers = answers
        self.sent: list[tuple[str, str | None]] = []

    def send(self, request: PreparedRequest, **_: Any) -> Response:  # type: ignore[override]
        assert request.url
        self.sent.append((request.url, request.headers.get("Authorization")))
        answer = self.answers.get(request.url, Answer(200, {}))
        body = io.BytesIO(json.dumps(answer.body).encode())
        raw = HTTPResponse(body, answer.headers, answer.status, preload_content=False)
        return self.build_response(request, raw)

    def authorized(self) -> list[str]:
        return [url for url, authorization in self.sent if authorization]


@pytest.fixture
def daemon(practice: Practice, start_daemon: StartDaemon) -> Daemon:
    return start_daemon(practice.config + CONFIG.format(issuer=practice.issuer))


@pytest.fixture
def session(daemon: Daemon) -> ClientSession:
    assert daemon.socket.exists()
    return ClientSession(*CLIENT)


def wire(session: ClientSession, answers: dict[str, Answer]) -> Wire:
    wire = Wire(answers)
    session.mount("https://", wire)
    session.mount("http://", wire)
    return wire


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/",
        "//evil.example/",
        "http://api.example/",
        "https://api.example:8443/",
        "https://api.example.evil.example/",
        "https://api.example@evil.example/",
        "https://user:password@api.example/",
        "https://api.example:443@evil.example/",
        "https://api.example\\@evil.example/",
        "https://api.example%40evil.example/",
        "https://api.example./",
        "https://xn--pi-7kc.example/",
        "http://127.0.0.1:1/",
    ],
)
def test_a_redirect_to_another_origin_goes_without_the_token(session: ClientSession, location: str) -> None:
    there = wire(session, {f"{HOME}/first": redirect(location)})
    session.get(f"{HOME}/first")
    assert len(there.sent) == 2
    assert there.authorized() == [f"{HOME}/first"]


@pytest.mark.parametrize(
    "location", ["/second", "second", "?second", "https://API.example:443/second", "//api.example/x"]
)
def test_a_redirect_within_the_origin_goes_with_it(session: ClientSession, location: str) -> None:
    there = wire(session, {f"{HOME}/first": redirect(location)})
    session.get(f"{HOME}/first")
    assert len(there.authorized()) == len(there.sent) == 2


def test_a_chain_that_comes_back_has_lost_the_token_and_is_not_reported(
    session: ClientSession, practice: Practice
) -> None:
    there = wire(
        session,
        {
            f"{HOME}/first": redirect("https://evil.example/"),
            "https://evil.example/": redirect(f"{HOME}/chosen-by-evil"),
            f"{HOME}/chosen-by-evil": Answer(401),
        },
    )
    token = session.token["access_token"]
    assert session.get(f"{HOME}/first").status_code == 401
    assert there.authorized() == [f"{HOME}/first"]
    assert len(there.sent) == 3
    assert session.token["access_token"] == token
    assert practice.ledger()["token_requests"] == 1


def test_another_origin_has_no_say_over_the_token(session: ClientSession) -> None:
    there = wire(session, {f"{HOME}/first": redirect("https://evil.example/"), "https://evil.example/": Answer(401)})
    token = session.token["access_token"]
    assert session.get(f"{HOME}/first").status_code == 401
    assert session.get(f"{HOME}/other", withhold_token=True).status_code == 200
    assert session.get(f"{HOME}/other", auth=("user", "password")).status_code == 200
    assert session.token["access_token"] == token
    assert len(there.sent) == 4


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/",
        "https://api.example:8443/",
        "https://api.example@evil.example/",
        "https://user:password@api.example/",
        "https://\u0430pi.example/",
    ],
)
def test_a_next_page_elsewhere_is_fetched_without_the_token_and_so_is_all_that_follows(
    session: ClientSession, link: str
) -> None:
    there = wire(session, {f"{HOME}/pages": Answer(200, {"@odata.nextLink": link})})
    pages = session.get_pages(f"{HOME}/pages")
    next(pages)
    assert next(pages).status_code == 200
    assert len(there.sent) == 2
    assert there.authorized() == [f"{HOME}/pages"]


def test_pages_that_come_back_stay_without_it(session: ClientSession) -> None:
    def to(link: str) -> Answer:
        return Answer(200, {"@odata.nextLink": link})

    there = wire(
        session,
        {
            f"{HOME}/pages": to(f"{HOME}/more"),
            f"{HOME}/more": to("https://evil.example/"),
            "https://evil.example/": to(f"{HOME}/chosen-by-evil"),
            f"{HOME}/chosen-by-evil": to(f"{HOME}/chosen-too"),
        },
    )
    assert len(list(session.get_pages(f"{HOME}/pages"))) == 5
    assert there.authorized() == [f"{HOME}/pages", f"{HOME}/more"]


def test_a_page_that_a_redirect_has_led_to_elsewhere_says_nothing_about_the_next(session: ClientSession) -> None:
    there = wire(
        session,
        {
            f"{HOME}/pages": redirect("https://evil.example/"),
            "https://evil.example/": Answer(200, {"@odata.nextLink": f"{HOME}/chosen-by-evil"}),
        },
    )
    assert len(list(session.get_pages(f"{HOME}/pages"))) == 2
    assert there.authorized() == [f"{HOME}/pages"]


@pytest.mark.parametrize("link", ["http://api.example/", "/pages/2", "ftp://api.example/"])
def test_a_next_page_that_is_not_https_is_refused(session: ClientSession, link: str) -> None:
    there = wire(session, {f"{HOME}/pages": Answer(200, {"@odata.nextLink": link})})
    pages = session.get_pages(f"{HOME}/pages")
    next(pages)
    with pytest.raises(InsecureTransportError) as raised:
        next(pages)
    assert len(there.sent) == 1
    again = pickle.loads(pickle.dumps(raised.value))  # noqa: S301
    assert isinstance(again, InsecureTransportError)
    assert str(again) == str(raised.value)


@pytest.mark.parametrize("url", ["https://user:password@api.example/", "https://api.example@evil.example/"])
def test_an_address_with_somebody_in_it_is_not_asked_at_all(session: ClientSession, url: str) -> None:
    there = wire(session, {})
    with pytest.raises(InvalidURL):
        session.get(url)
    assert not there.sent


def test_an_address_that_others_read_otherwise_is_the_one_that_is_asked(session: ClientSession) -> None:
    there = wire(session, {})
    session.get("https://api.example\\@evil.example/")
    assert there.authorized() == [f"{HOME}/%5C@evil.example/"]


def test_a_name_in_another_script_is_an_origin_like_any_other(session: ClientSession) -> None:
    there = wire(session, {})
    session.get("https://münchen.example/first")
    assert there.authorized() == ["https://xn--mnchen-3ya.example/first"]


@pytest.mark.parametrize("url", ["https://evil.example/", "https://api.example:8443/", "http://127.0.0.1:1/"])
def test_the_session_has_a_token_for_the_origin_that_it_asked_first_and_no_other(
    session: ClientSession, practice: Practice, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    there = wire(session, {url: Answer(401), f"{url}to": redirect(f"{HOME}/chosen")})
    session.get(f"{HOME}/first")
    token = session.token["access_token"]
    caplog.set_level(logging.WARNING, "fourinsight_broker")
    assert session.get(url).status_code == 401
    [record] = caplog.records
    assert "without a token" in record.message
    assert token not in caplog.text
    assert len(list(session.get_pages(f"{url}pages"))) == 1
    assert session.get(f"{url}to").status_code == 200
    # What is refused there says nothing about the token.
    assert session.token["access_token"] == token
    assert practice.ledger()["token_requests"] == 1
    session.get(f"{HOME}/second")
    assert there.authorized() == [f"{HOME}/first", f"{HOME}/second"]
    assert len(there.sent) == 6


def test_a_request_that_had_no_token_does_not_say_where_it_goes(session: ClientSession) -> None:
    there = wire(session, {})
    session.get("https://first.example/", withhold_token=True)
    session.get("https://second.example/", auth=("user", "password"))
    session.get(f"{HOME}/first")
    assert [url for url, authorization in there.sent if (authorization or "").startswith("Bearer")] == [f"{HOME}/first"]


def test_no_proxy_reads_a_token_on_its_way_to_this_machine(
    session: ClientSession, api: StubApi, elsewhere: StubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    api.on("/near", redirect("/things"))
    api.on("/things", Answer(200))
    assert session.get(f"{api.url}near").status_code == 200
    assert not elsewhere.seen


def test_nobody_is_shown_the_secret_or_given_the_session(session: ClientSession) -> None:
    assert CLIENT[1] not in repr(session) + str(vars(session))
    assert session.token["access_token"] not in repr(session) + str(vars(session))
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(session)
