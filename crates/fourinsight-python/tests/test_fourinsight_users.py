"""A person's session: where the genuine `UserSession` and ours differ by intent, and what is the same all the same."""

from __future__ import annotations

import json
import logging
import re
import time
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from requests.adapters import HTTPAdapter

from both import Make
from conftest import StartDaemon, StartPractice
from fourinsight_broker import LoginRequired, Session, TemporarilyUnavailable, UserSession
from seed import (
    CLIENT_SECRET,
    DIALECT,
    GenuineUserSession,
    Pasting,
    answers,
    authenticate,
    config,
    keep_in,
    speak_to,
)
from stage import TIME_LIMIT, Daemon, Practice
from stub_api import Answer, StubApi

OK = Answer(200, {"value": [1]})


@pytest.fixture
def kind() -> str:
    """A person's."""
    return "user"


@pytest.fixture
def nobody(server: Practice, broker: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody is signed in with either; where theirs would keep its login."""
    assert broker.socket.exists()
    speak_to(server, monkeypatch)
    folder = tmp_path / "theirs"
    keep_in(folder, monkeypatch)
    return folder


@pytest.fixture
def posts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[requests.PreparedRequest, Any]]:
    """What this process itself sends by POST, and with which time-out."""
    posts: list[tuple[requests.PreparedRequest, Any]] = []
    send = HTTPAdapter.send

    def noting(self: HTTPAdapter, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        if request.method == "POST":
            posts.append((request, kwargs["timeout"]))
        return send(self, request, **kwargs)

    monkeypatch.setattr(HTTPAdapter, "send", noting)
    return posts


def package_for(endpoint: str, server: Practice) -> str:
    """Give what a page that is not 4insight's shows: a living code, and an endpoint of its own."""
    return json.dumps({**json.loads(server.package()), "endpoint": endpoint})


# 1: who is asked, and how.


def test_whoever_is_not_signed_in_is_shown_the_page_and_pastes_what_it_ends_with(
    nobody: Path, server: Practice, api: StubApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = api.on("/things", OK)
    prompts = answers(monkeypatch, server.package)
    theirs = GenuineUserSession()
    assert prompts == ["Paste code here: "]
    assert capsys.readouterr().out == f"Please go here and authorize, {server.issuer}/auth\n"
    ada = Pasting(server.package).sits_down(monkeypatch)
    ours = UserSession()
    assert ada.shown == [f"{server.issuer}/auth"]
    assert ada.pasted == 1
    # Standard output is the script's own.
    assert capsys.readouterr().out == ""
    for session in (theirs, ours):
        assert session.get(url).status_code == 200
        assert server.verdict(api.seen[-1].bearer or "") == "live"
    assert server.ledger()["code_exchanges"] == 2
    assert nobody.joinpath("token").exists()


def test_where_nobody_can_type_theirs_fails_at_its_prompt_and_ours_names_the_command(
    nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not nobody.exists()

    def nothing(prompt: str) -> str:
        raise EOFError(prompt)

    monkeypatch.setattr("builtins.input", nothing)
    with pytest.raises(EOFError, match="Paste code here"):
        GenuineUserSession()
    with pytest.raises(LoginRequired, match="run `fourinsightctl login default --profile 4insight`"):
        UserSession(interactive=False)


# 2: what is pasted.


@pytest.mark.parametrize(
    ("pasted", "theirs_raises"),
    [("n0t-json", json.JSONDecodeError), ('{"code": "c4nary"}', KeyError), ('{"endpoint": "https://x"}', KeyError)],
)
def test_theirs_fails_over_a_wrong_paste_and_ours_asks_again(
    nobody: Path, server: Practice, monkeypatch: pytest.MonkeyPatch, pasted: str, theirs_raises: type[Exception]
) -> None:
    assert not nobody.exists()
    answers(monkeypatch, pasted, server.package)
    with pytest.raises(theirs_raises):
        GenuineUserSession()
    ada = Pasting(pasted, server.package).sits_down(monkeypatch)
    session = UserSession()
    assert ada.pasted == 2
    assert server.verdict(session.token["access_token"]) == "live"
    assert "c4nary" not in "".join(ada.told)


# 3: whom the package may send the code and the client secret to.


def test_theirs_sends_code_and_secret_wherever_the_package_says_and_ours_only_where_the_profile_does(
    nobody: Path, server: Practice, elsewhere: StubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = elsewhere.on(
        "/token", Answer(200, {"access_token": "a", "refresh_token": "r", "token_type": "Bearer", "expires_in": 3600})
    )
    phished = package_for(endpoint, server)
    answers(monkeypatch, phished)
    GenuineUserSession()
    [seen] = elsewhere.seen
    client_id = authenticate._CONSTANTS["USER_CLIENT_ID"]
    assert seen.headers["Authorization"] == f"Basic {b64encode(f'{client_id}:{CLIENT_SECRET}'.encode()).decode()}"
    assert parse_qs(seen.body.decode())["code"] == [json.loads(phished)["code"]]
    assert json.loads(nobody.joinpath("token").read_text())["token_url"] == endpoint, "and each refresh goes there"

    ada = Pasting(phished, server.package).sits_down(monkeypatch)
    session = UserSession()
    assert len(elsewhere.seen) == 1
    assert ada.pasted == 2
    assert server.verdict(session.token["access_token"]) == "live"


# 6 and 7: what a start costs, and what an outage does.


def test_theirs_refreshes_at_each_start_and_ours_does_not(make_theirs: Make, make_ours: Make, server: Practice) -> None:
    for make, refreshes in ((make_theirs, 3), (make_ours, 0)):
        before = server.ledger()
        tokens = {make().token["access_token"] for _ in range(3)}
        after = server.ledger()
        assert after["refresh_requests"] - before["refresh_requests"] == refreshes
        assert after["code_exchanges"] == before["code_exchanges"]
        assert len(tokens) == max(refreshes, 1)


@pytest.mark.usefixtures("make_theirs", "make_ours")
def test_both_sign_in_anew_where_that_is_insisted_on(server: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = answers(monkeypatch, server.package)
    ada = Pasting(server.package).sits_down(monkeypatch)
    before = server.ledger()["code_exchanges"]
    sessions = [GenuineUserSession(auth_force=True), UserSession(auth_force=True)]
    assert server.ledger()["code_exchanges"] == before + 2
    assert len(prompts) == ada.pasted == 1
    assert {server.verdict(session.token["access_token"]) for session in sessions} == {"live"}


def test_keys_are_logins_of_their_own_in_both(nobody: Path, server: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = answers(monkeypatch, lambda: server.package("grace"), server.package)
    ada = Pasting(lambda: server.package("grace"), server.package).sits_down(monkeypatch)
    for make in (GenuineUserSession, UserSession):
        grace, first = make(session_key="grace"), make()
        assert make(False, "grace").token["access_token"] != first.token["access_token"]
        assert server.verdict(grace.token["access_token"]) == "live"
    assert len(prompts) == ada.pasted == 2
    assert sorted(path.name for path in nobody.iterdir()) == ["token", "token.grace"]
    known = {status["session"]: status["identity"]["name"].split()[0] for status in Session().client.sessions()}
    assert known == {"default": "Ada", "grace": "Grace"}


@pytest.mark.parametrize("page", [{"status": 503}, "html"])
def test_an_outage_has_theirs_ask_for_a_login_and_ours_go_on(
    make_theirs: Make, make_ours: Make, server: Practice, monkeypatch: pytest.MonkeyPatch, page: object
) -> None:
    class Asked(Exception):
        pass

    def asked(prompt: str) -> str:
        raise Asked(prompt)

    fault = {"point": "after_reading", "kind": page}
    monkeypatch.setattr("builtins.input", asked)
    server.script(fault)
    with pytest.raises(Asked):
        make_theirs()
    ada = Pasting(server.package).sits_down(monkeypatch)
    session = make_ours()
    held = session.token["access_token"]
    assert (ada.shown, server.verdict(held)) == ([], "live")
    # Nor does one who wants a new token hear of a login.
    server.script(*[fault] * 20)
    assert session.refresh_token()["access_token"] == held
    assert make_ours().token["access_token"] == held
    assert ada.shown == []


def test_where_the_server_is_gone_theirs_cannot_be_made_and_ours_can(
    make_theirs: Make, make_ours: Make, server: Practice, api: StubApi
) -> None:
    server.stop()
    with pytest.raises(requests.ConnectionError):
        make_theirs()
    assert make_ours().get(api.on("/things", OK)).status_code == 200


def test_a_login_that_is_not_refused_but_unanswered_is_no_login_prompt_either(
    start_practice: StartPractice, start_daemon: StartDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_practice(*DIALECT, "--access-token-life", "2s")
    start_daemon(config(server))
    ada = Pasting(server.package).sits_down(monkeypatch)
    session = UserSession()
    server.stop()
    ada.shown.clear()
    with pytest.raises(TemporarilyUnavailable):
        until(lambda: not session.token)
    with pytest.raises(TemporarilyUnavailable):
        UserSession()
    assert ada.shown == []


def test_both_ask_for_a_login_where_the_last_one_is_over(
    make_theirs: Make,
    make_ours: Make,
    server: Practice,
    start_practice: StartPractice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = make_ours()
    # Another one in its place knows of no login.
    server.stop()
    again = start_practice(*DIALECT, "--port", server.issuer.rpartition(":")[2])
    prompts = answers(monkeypatch, again.package)
    ada = Pasting(again.package).sits_down(monkeypatch)
    theirs = make_theirs()
    assert len(prompts) == 1
    ours.refresh_token()
    assert ada.shown == [f"{again.issuer}/auth"]
    for session in (theirs, ours):
        assert again.verdict(session.token["access_token"]) == "live"


# 9 and 10: the requests to the token endpoint.


def test_theirs_waits_for_the_server_without_end_and_under_another_name_and_ours_sends_nothing_itself(
    make_theirs: Make, make_ours: Make, posts: list[tuple[requests.PreparedRequest, Any]]
) -> None:
    make_theirs()
    [(request, timeout)] = posts
    assert timeout is None
    assert request.headers["User-Agent"].startswith("python-requests/")
    assert CLIENT_SECRET in str(request.body)
    make_ours().refresh_token()
    assert len(posts) == 1


# 11: a token that expires in the middle of the work, and one that the API does not take.


def test_when_the_token_has_expired_the_next_request_has_another_one(
    start_practice: StartPractice,
    start_daemon: StartDaemon,
    api: StubApi,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = start_practice(*DIALECT, "--access-token-life", "3s")
    start_daemon(config(server))
    speak_to(server, monkeypatch)
    keep_in(tmp_path / "theirs", monkeypatch)
    answers(monkeypatch, server.package)
    ada = Pasting(server.package).sits_down(monkeypatch)
    url = api.on("/things", OK)
    for make in (GenuineUserSession, UserSession):
        session = make()
        first = session.token["access_token"]

        def moved_on(session: Any = session, first: str = first) -> bool:
            session.get(url)
            return api.seen[-1].bearer != first

        until(moved_on)
        assert server.verdict(api.seen[-1].bearer or "") == "live"
    assert len(ada.shown) == 1
    assert server.ledger()["code_exchanges"] == 2
    assert server.ledger()["reuse_events"] == 0


def test_a_refused_token_is_the_end_of_the_matter_in_theirs_and_renewed_in_ours(
    theirs: Any, ours: Any, api: StubApi, server: Practice
) -> None:
    def refusing(token: str) -> Any:
        refusal = Answer(401, None, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return lambda seen: refusal if seen.bearer == token else OK

    before = server.ledger()["refresh_requests"]
    for path, session, statuses in (("/theirs", theirs, [401, 401]), ("/ours", ours, [200, 200])):
        url = api.on(path, refusing(session.token["access_token"]))
        assert [session.get(url).status_code for _ in range(2)] == statuses
    assert server.ledger()["refresh_requests"] == before + 1


# 13: what a log says.


def test_theirs_logs_secrets_and_ours_none(
    nobody: Path,
    server: Practice,
    api: StubApi,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    packages: list[str] = []

    def package() -> str:
        packages.append(server.package())
        return packages[-1]

    url = api.on("/things", Answer(200, {"value": "c4nary of the API"}))

    def logged(make: Any) -> tuple[str, str]:
        caplog.clear()
        session = make()
        session.refresh_token()
        assert session.get(url).status_code == 200
        return caplog.text, session.token["access_token"]

    answers(monkeypatch, package)
    text, token = logged(GenuineUserSession)
    refresh_token = json.loads(nobody.joinpath("token").read_text())["refresh_token"]
    for secret in (json.loads(packages[-1])["code"], CLIENT_SECRET, refresh_token, token, "c4nary"):
        assert secret in text

    Pasting(package).sits_down(monkeypatch)
    text, token = logged(UserSession)
    assert re.search("GET /things", text), "requests does log"
    for secret in (json.loads(packages[-1])["code"], CLIENT_SECRET, token, "c4nary"):
        assert secret not in text


def test_theirs_leaves_its_login_open_to_see_and_ours_none(
    nobody: Path, server: Practice, broker: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, server.package)
    token = GenuineUserSession().token
    assert token["refresh_token"] in nobody.joinpath("token").read_text()
    Pasting(server.package).sits_down(monkeypatch)
    held = UserSession().token["access_token"].encode()
    for path in broker.home.rglob("*"):
        if path.is_file():
            assert held not in path.read_bytes(), path


def until(done: Any) -> None:
    """Do it again and again until it says that it is done."""
    deadline = time.monotonic() + TIME_LIMIT
    while not done():
        assert time.monotonic() < deadline, "it does not come about within the time limit"
