from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from conftest import SignedIn
from fourinsight_broker import LoginRequired, RequestsAuth, Session
from guarded_api import Answer, GuardedApi, Refusals, Request, StartGuarded
from stage import Daemon


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.auth = RequestsAuth()
        yield session


def test_each_request_has_the_present_token(here: SignedIn, guarded: GuardedApi, client: requests.Session) -> None:
    first = here.session.token()
    assert client.get(f"{guarded.url}/a").ok
    here.session.reject(first)
    assert client.get(f"{guarded.url}/b").ok
    assert guarded.bearers == [first.secret, here.session.token().secret]
    assert guarded.bearers[0] != guarded.bearers[1]


def test_a_refused_token_is_reported_and_the_request_repeated_once(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, client: requests.Session
) -> None:
    first = here.session.token().secret
    refusals.refused.add(first)
    response = client.post(f"{guarded.url}/things?n=1", json={"thing": 7})
    assert response.status_code == 200
    second = here.session.token().secret
    assert guarded.bearers == [first, second]
    assert second != first
    assert [(request.method, request.path, request.body) for request in guarded.requests] == [
        ("POST", "/things?n=1", b'{"thing": 7}')
    ] * 2
    assert [earlier.status_code for earlier in response.history] == [401]
    assert response.request.headers["Authorization"] == f"Bearer {second}"
    assert response.history[0].request.headers["Authorization"] == f"Bearer {first}"


def test_what_is_refused_again_is_answered_so(here: SignedIn, guarded: GuardedApi, client: requests.Session) -> None:
    guarded.answer = lambda _request: Answer(401, body=b"no")
    response = client.get(guarded.url)
    assert (response.status_code, response.text, len(guarded.requests)) == (401, "no", 2)
    assert here.practice.ledger()["refresh_requests"] == 1


def test_a_missing_scope_is_no_reason_for_another_token(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, client: requests.Session
) -> None:
    token = here.session.token()
    refusals.refused.add(token.secret)
    refusals.challenge = 'Bearer error="insufficient_scope", scope="files.write"'
    assert client.get(guarded.url).status_code == 401
    assert len(guarded.requests) == 1
    assert here.session.token().id == token.id


def test_other_statuses_can_mean_that_the_token_has_expired(here: SignedIn, guarded: GuardedApi) -> None:
    first = here.session.token().secret
    guarded.answer = lambda request: Answer(403 if request.bearer == first else 200)
    assert requests.get(guarded.url, auth=RequestsAuth(), timeout=30).status_code == 403
    assert requests.get(guarded.url, auth=RequestsAuth(expired_statuses=(401, 403)), timeout=30).ok
    assert len(guarded.requests) == 3


def test_a_file_is_sent_again_from_where_it_stood(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, client: requests.Session, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"all of it")
    refusals.refused.add(here.session.token().secret)
    with kept.open("rb") as file:
        assert file.read(4) == b"all "
        assert client.put(guarded.url, data=file).ok
    assert [request.body for request in guarded.requests] == [b"of it"] * 2


def test_a_form_with_a_file_is_sent_again(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, client: requests.Session
) -> None:
    refusals.refused.add(here.session.token().secret)
    assert client.put(guarded.url, files={"f": io.BytesIO(b"formed")}).ok
    first, second = guarded.requests
    assert b"formed" in first.body
    assert first.body == second.body


def test_a_stream_is_not_sent_again_and_the_refusal_reported_all_the_same(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, client: requests.Session
) -> None:
    refusals.refused.add(here.session.token().secret)
    assert client.put(guarded.url, data=iter([b"gone"])).status_code == 401
    assert [request.body for request in guarded.requests] == [b"gone"]
    assert client.put(guarded.url, data=iter([b"gone"])).ok


def test_the_token_goes_to_no_other_origin(
    here: SignedIn,
    guarded: GuardedApi,
    start_guarded: StartGuarded,
    client: requests.Session,
    caplog: pytest.LogCaptureFixture,
) -> None:
    elsewhere = start_guarded(lambda _request: Answer(401, {"WWW-Authenticate": "Bearer"}))
    assert client.get(guarded.url).ok
    with caplog.at_level(logging.WARNING, "fourinsight_broker"):
        assert client.get(elsewhere.url).status_code == 401
    assert "goes without a token" in caplog.text
    guarded.answer = lambda _request: Answer(307, {"Location": f"{elsewhere.url}/next"})
    token = here.session.token()
    assert client.post(f"{guarded.url}/again", data="x").status_code == 401
    assert elsewhere.bearers == [None, None]
    assert here.session.token().id == token.id


def test_a_chain_of_redirects_that_comes_back_has_no_token_any_more(
    here: SignedIn, guarded: GuardedApi, start_guarded: StartGuarded, client: requests.Session
) -> None:
    elsewhere = start_guarded(lambda _request: Answer(302, {"Location": f"{guarded.url}/back"}))

    def answer(request: Request) -> Answer:
        paths = {"/start": Answer(302, {"Location": "/near"}), "/near": Answer(302, {"Location": elsewhere.url})}
        return paths.get(request.path, Answer())

    guarded.answer = answer
    assert client.get(f"{guarded.url}/start").ok
    token = here.session.token().secret
    assert [request.path for request in guarded.requests] == ["/start", "/near", "/back"]
    assert guarded.bearers == [token, token, None]
    assert elsewhere.bearers == [None]


@pytest.mark.parametrize("leads_away", [False, True])
def test_a_redirect_after_a_refusal_has_the_new_token_where_it_may(
    here: SignedIn,
    guarded: GuardedApi,
    refusals: Refusals,
    start_guarded: StartGuarded,
    client: requests.Session,
    leads_away: bool,
) -> None:
    elsewhere = start_guarded(lambda _request: Answer())
    first = here.session.token().secret
    refusals.refused.add(first)
    to = elsewhere.url if leads_away else "/next"

    def answer(request: Request) -> Answer:
        verdict = refusals(request)
        redirects = verdict.status == 200 and request.path == "/"
        return Answer(302, {"Location": to}) if redirects else verdict

    guarded.answer = answer
    assert client.get(guarded.url).ok
    second = here.session.token().secret
    assert second != first
    assert guarded.bearers == ([first, second] if leads_away else [first, second, second])
    assert elsewhere.bearers == ([None] if leads_away else [])


def test_no_token_goes_over_plain_http(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    for url in ("http://api.example.com/", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/"):
        request = requests.Request("GET", url, auth=RequestsAuth()).prepare()
        assert "Authorization" not in request.headers, url


def test_nobody_signed_in_sends_nothing(daemon: Daemon, start_guarded: StartGuarded) -> None:
    assert daemon.socket.exists()
    guarded = start_guarded(lambda _request: Answer())
    with pytest.raises(LoginRequired, match="fourinsightctl login work"):
        requests.get(guarded.url, auth=RequestsAuth("work"), timeout=30)
    assert guarded.requests == []


def test_a_login_that_ends_with_the_refusal_names_the_command(
    here: SignedIn, guarded: GuardedApi, client: requests.Session
) -> None:
    assert client.get(guarded.url).ok

    def refuse(_request: Request) -> Answer:
        Session().revoke()
        return Answer(401)

    guarded.answer = refuse
    with pytest.raises(LoginRequired, match="fourinsightctl login"):
        client.get(guarded.url)
    assert here.practice.ledger()["refresh_requests"] == 0


def test_a_broker_that_is_gone_leaves_the_answer_of_the_api(here: SignedIn, guarded: GuardedApi) -> None:
    auth = RequestsAuth(Session(socket=here.daemon.socket))
    client_side = requests.Request("GET", guarded.url, auth=auth).prepare()
    here.daemon.stop()
    guarded.answer = lambda _request: Answer(401, body=b"the API's own")
    with requests.Session() as session:
        assert session.send(client_side).text == "the API's own"


def test_its_session_is_named_and_its_token_is_not(here: SignedIn) -> None:
    assert repr(RequestsAuth(here.session, scopes="a")) == "RequestsAuth('default', scopes='a')"
