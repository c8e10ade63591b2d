from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from conftest import SignedIn, StartApi
from fourinsight_broker import LoginRequired, RequestsAuth, Session
from stage import Daemon
from stub_api import Answer, Refusals, Request, StubApi


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.auth = RequestsAuth()
        yield session


def test_each_request_has_the_present_token(here: SignedIn, api: StubApi, client: requests.Session) -> None:
    first = here.session.token()
    assert client.get(f"{api.url}/a").ok
    here.session.reject(first)
    assert client.get(f"{api.url}/b").ok
    assert api.bearers == [first.secret, here.session.token().secret]
    assert api.bearers[0] != api.bearers[1]


def test_a_refused_token_is_reported_and_the_request_repeated_once(
    here: SignedIn, api: StubApi, refusals: Refusals, client: requests.Session
) -> None:
    first = here.session.token().secret
    refusals.refused.add(first)
    response = client.post(f"{api.url}/things?n=1", json={"thing": 7})
    assert response.status_code == 200
    second = here.session.token().secret
    assert api.bearers == [first, second]
    assert second != first
    assert [(request.method, request.path, request.body) for request in api.requests] == [
        ("POST", "/things?n=1", b'{"thing": 7}')
    ] * 2
    assert [earlier.status_code for earlier in response.history] == [401]
    assert response.request.headers["Authorization"] == f"Bearer {second}"
    assert response.history[0].request.headers["Authorization"] == f"Bearer {first}"


def test_what_is_refused_again_is_answered_so(here: SignedIn, api: StubApi, client: requests.Session) -> None:
    api.answer = lambda _request: Answer(401, body=b"no")
    response = client.get(api.url)
    assert (response.status_code, response.text, len(api.requests)) == (401, "no", 2)
    assert here.practice.ledger()["refresh_requests"] == 1


def test_a_missing_scope_is_no_reason_for_another_token(
    here: SignedIn, api: StubApi, refusals: Refusals, client: requests.Session
) -> None:
    token = here.session.token()
    refusals.refused.add(token.secret)
    refusals.challenge = 'Bearer error="insufficient_scope", scope="files.write"'
    assert client.get(api.url).status_code == 401
    assert len(api.requests) == 1
    assert here.session.token().id == token.id


def test_other_statuses_can_mean_that_the_token_has_expired(here: SignedIn, api: StubApi) -> None:
    first = here.session.token().secret
    api.answer = lambda request: Answer(403 if request.bearer == first else 200)
    assert requests.get(api.url, auth=RequestsAuth(), timeout=30).status_code == 403
    assert requests.get(api.url, auth=RequestsAuth(expired_statuses=(401, 403)), timeout=30).ok
    assert len(api.requests) == 3


def test_a_file_is_sent_again_from_where_it_stood(
    here: SignedIn, api: StubApi, refusals: Refusals, client: requests.Session, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_bytes(b"all of it")
    refusals.refused.add(here.session.token().secret)
    with kept.open("rb") as file:
        assert file.read(4) == b"all "
        assert client.put(api.url, data=file).ok
    assert [request.body for request in api.requests] == [b"of it"] * 2


def test_a_form_with_a_file_is_sent_again(
    here: SignedIn, api: StubApi, refusals: Refusals, client: requests.Session
) -> None:
    refusals.refused.add(here.session.token().secret)
    assert client.put(api.url, files={"f": io.BytesIO(b"formed")}).ok
    first, second = api.requests
    assert b"formed" in first.body
    assert first.body == second.body


def test_a_stream_is_not_sent_again_and_the_refusal_reported_all_the_same(
    here: SignedIn, api: StubApi, refusals: Refusals, client: requests.Session
) -> None:
    refusals.refused.add(here.session.token().secret)
    assert client.put(api.url, data=iter([b"gone"])).status_code == 401
    assert [request.body for request in api.requests] == [b"gone"]
    assert client.put(api.url, data=iter([b"gone"])).ok


def test_the_token_goes_to_no_other_origin(
    here: SignedIn, api: StubApi, start_api: StartApi, client: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = start_api(lambda _request: Answer(401, {"WWW-Authenticate": "Bearer"}))
    assert client.get(api.url).ok
    with caplog.at_level(logging.WARNING, "fourinsight_broker"):
        assert client.get(elsewhere.url).status_code == 401
    assert "goes without a token" in caplog.text
    api.answer = lambda _request: Answer(307, {"Location": f"{elsewhere.url}/next"})
    token = here.session.token()
    assert client.post(f"{api.url}/again", data="x").status_code == 401
    assert elsewhere.bearers == [None, None]
    assert here.session.token().id == token.id


def test_a_chain_of_redirects_that_comes_back_has_no_token_any_more(
    here: SignedIn, api: StubApi, start_api: StartApi, client: requests.Session
) -> None:
    elsewhere = start_api(lambda _request: Answer(302, {"Location": f"{api.url}/back"}))

    def answer(request: Request) -> Answer:
        paths = {"/start": Answer(302, {"Location": "/near"}), "/near": Answer(302, {"Location": elsewhere.url})}
        return paths.get(request.path, Answer())

    api.answer = answer
    assert client.get(f"{api.url}/start").ok
    token = here.session.token().secret
    assert [request.path for request in api.requests] == ["/start", "/near", "/back"]
    assert api.bearers == [token, token, None]
    assert elsewhere.bearers == [None]


@pytest.mark.parametrize("leads_away", [False, True])
def test_a_redirect_after_a_refusal_has_the_new_token_where_it_may(
    here: SignedIn,
    api: StubApi,
    refusals: Refusals,
    start_api: StartApi,
    client: requests.Session,
    leads_away: bool,
) -> None:
    elsewhere = start_api(lambda _request: Answer())
    first = here.session.token().secret
    refusals.refused.add(first)
    to = elsewhere.url if leads_away else "/next"

    def answer(request: Request) -> Answer:
        verdict = refusals(request)
        redirects = verdict.status == 200 and request.path == "/"
        return Answer(302, {"Location": to}) if redirects else verdict

    api.answer = answer
    assert client.get(api.url).ok
    second = here.session.token().secret
    assert second != first
    assert api.bearers == ([first, second] if leads_away else [first, second, second])
    assert elsewhere.bearers == ([None] if leads_away else [])


def test_no_token_goes_over_plain_http(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    for url in ("http://api.example.com/", "http://127.0.0.1.example.com/", "ftp://127.0.0.1/"):
        request = requests.Request("GET", url, auth=RequestsAuth()).prepare()
        assert "Authorization" not in request.headers, url


def test_nobody_signed_in_sends_nothing(daemon: Daemon, start_api: StartApi) -> None:
    assert daemon.socket.exists()
    api = start_api(lambda _request: Answer())
    with pytest.raises(LoginRequired, match="fourinsightctl login work"):
        requests.get(api.url, auth=RequestsAuth("work"), timeout=30)
    assert api.requests == []


def test_a_login_that_ends_with_the_refusal_names_the_command(
    here: SignedIn, api: StubApi, client: requests.Session
) -> None:
    assert client.get(api.url).ok

    def refuse(_request: Request) -> Answer:
        Session().revoke()
        return Answer(401)

    api.answer = refuse
    with pytest.raises(LoginRequired, match="fourinsightctl login"):
        client.get(api.url)
    assert here.practice.ledger()["refresh_requests"] == 0


def test_a_broker_that_is_gone_leaves_the_answer_of_the_api(here: SignedIn, api: StubApi) -> None:
    auth = RequestsAuth(Session(socket=here.daemon.socket))
    client_side = requests.Request("GET", api.url, auth=auth).prepare()
    here.daemon.stop()
    api.answer = lambda _request: Answer(401, body=b"the API's own")
    with requests.Session() as session:
        assert session.send(client_side).text == "the API's own"


def test_its_session_is_named_and_its_token_is_not(here: SignedIn) -> None:
    assert repr(RequestsAuth(here.session, scopes="a")) == "RequestsAuth('default', scopes='a')"
