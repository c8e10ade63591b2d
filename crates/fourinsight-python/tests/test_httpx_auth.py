from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest

from conftest import SignedIn
from fourinsight_broker import HttpxAuth, LoginRequired, Session
from guarded_api import Answer, GuardedApi, Refusals, Request, StartGuarded
from stage import Daemon


class Sync:
    """Asks by `httpx.Client`."""

    def __init__(self, auth: HttpxAuth) -> None:
        self._client = httpx.Client(auth=auth, follow_redirects=True)

    def __call__(self, method: str, url: str, **more: Any) -> httpx.Response:
        return self._client.request(method, url, **more)

    def close(self) -> None:
        self._client.close()


class Async:
    """Asks by `httpx.AsyncClient`."""

    def __init__(self, auth: HttpxAuth) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = httpx.AsyncClient(auth=auth, follow_redirects=True)

    def __call__(self, method: str, url: str, **more: Any) -> httpx.Response:
        return self._loop.run_until_complete(self._client.request(method, url, **more))

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


Ask = Sync | Async


@pytest.fixture(params=[Sync, Async])
def ask(request: pytest.FixtureRequest, guarded: GuardedApi) -> Iterator[Ask]:
    assert guarded.url
    made: Ask = request.param(HttpxAuth())
    yield made
    made.close()


def test_each_request_has_the_present_token(here: SignedIn, guarded: GuardedApi, ask: Ask) -> None:
    first = here.session.token()
    assert ask("GET", f"{guarded.url}/a").is_success
    here.session.reject(first)
    assert ask("GET", f"{guarded.url}/b").is_success
    assert guarded.bearers == [first.secret, here.session.token().secret]
    assert guarded.bearers[0] != guarded.bearers[1]


@pytest.mark.parametrize("body", [{"json": {"thing": 7}}, {"content": b"bytes"}, {"data": {"a": "b"}}, {}])
def test_a_refused_token_is_reported_and_the_request_repeated_once(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, ask: Ask, body: dict[str, Any]
) -> None:
    first = here.session.token().secret
    refusals.refused.add(first)
    response = ask("POST", f"{guarded.url}/things?n=1", **body)
    assert response.status_code == 200
    second = here.session.token().secret
    assert guarded.bearers == [first, second]
    assert second != first
    once, again = guarded.requests
    assert (once.method, once.path, once.body) == (again.method, again.path, again.body)
    assert [earlier.status_code for earlier in response.history] == [401]


def test_what_is_refused_again_is_answered_so(here: SignedIn, guarded: GuardedApi, ask: Ask) -> None:
    guarded.answer = lambda _request: Answer(401, body=b"no")
    response = ask("GET", guarded.url)
    assert (response.status_code, response.text, len(guarded.requests)) == (401, "no", 2)
    assert here.practice.ledger()["refresh_requests"] == 1


def test_a_missing_scope_is_no_reason_for_another_token(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, ask: Ask
) -> None:
    token = here.session.token()
    refusals.refused.add(token.secret)
    refusals.challenge = 'Bearer error="insufficient_scope", scope="files.write"'
    assert ask("GET", guarded.url).status_code == 401
    assert len(guarded.requests) == 1
    assert here.session.token().id == token.id


def test_a_stream_is_not_sent_again_and_the_refusal_reported_all_the_same(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, ask: Ask
) -> None:
    async def later() -> AsyncIterator[bytes]:
        yield b"gone"

    def stream() -> Any:
        return later() if isinstance(ask, Async) else iter([b"gone"])

    refusals.refused.add(here.session.token().secret)
    assert ask("PUT", guarded.url, content=stream()).status_code == 401
    assert [request.body for request in guarded.requests] == [b"gone"]
    assert ask("PUT", guarded.url, content=stream()).is_success


def test_a_form_with_a_file_is_not_sent_again(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, ask: Ask
) -> None:
    refusals.refused.add(here.session.token().secret)
    files = {"f": io.BytesIO(b"formed")}
    assert ask("PUT", guarded.url, files=files).status_code == 401
    assert len(guarded.requests) == 1
    assert ask("PUT", guarded.url, files=files).is_success


def test_the_token_goes_to_no_other_origin(
    here: SignedIn, guarded: GuardedApi, start_guarded: StartGuarded, ask: Ask
) -> None:
    elsewhere = start_guarded(lambda _request: Answer(401, {"WWW-Authenticate": "Bearer"}))
    assert ask("GET", guarded.url).is_success
    assert ask("GET", elsewhere.url).status_code == 401
    guarded.answer = lambda _request: Answer(307, {"Location": f"{elsewhere.url}/next"})
    token = here.session.token()
    assert ask("POST", f"{guarded.url}/again", content=b"x").status_code == 401
    assert elsewhere.bearers == [None, None]
    assert here.session.token().id == token.id


def test_what_is_repeated_is_what_the_last_redirect_asked_for(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, ask: Ask
) -> None:
    first = here.session.token().secret

    def answer(request: Request) -> Answer:
        return Answer(303, {"Location": "/made"}) if request.method == "POST" else refusals(request)

    refusals.refused.add(first)
    guarded.answer = answer
    assert ask("POST", f"{guarded.url}/make", json={}).is_success
    second = here.session.token().secret
    assert [(request.method, request.path) for request in guarded.requests] == [
        ("POST", "/make"),
        ("GET", "/made"),
        ("GET", "/made"),
    ]
    assert guarded.bearers == [first, first, second]


@pytest.mark.parametrize("url", ["http://api.example.com/", "http://127.0.0.1.example.com/"])
def test_no_token_goes_over_plain_http(daemon: Daemon, url: str) -> None:
    assert daemon.socket.exists()
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization"))
        return httpx.Response(401)

    with httpx.Client(transport=httpx.MockTransport(answer), auth=HttpxAuth()) as client:
        assert client.get(url).status_code == 401
    assert seen == [None]


def test_nobody_signed_in_sends_nothing(daemon: Daemon, start_guarded: StartGuarded) -> None:
    assert daemon.socket.exists()
    guarded = start_guarded(lambda _request: Answer())
    for made in (Sync, Async):
        ask: Ask = made(HttpxAuth("work"))
        with pytest.raises(LoginRequired, match="fourinsightctl login work"):
            ask("GET", guarded.url)
        ask.close()
    assert guarded.requests == []


def test_a_login_that_ends_with_the_refusal_names_the_command(guarded: GuardedApi, ask: Ask) -> None:
    def refuse(_request: Request) -> Answer:
        Session().revoke()
        return Answer(401)

    assert ask("GET", guarded.url).is_success
    guarded.answer = refuse
    with pytest.raises(LoginRequired, match="fourinsightctl login"):
        ask("GET", guarded.url)


def test_its_session_is_named_and_its_token_is_not(here: SignedIn) -> None:
    assert repr(HttpxAuth(here.session, resource="r")) == "HttpxAuth('default', resource='r')"


def test_nobody_waits_for_those_who_wait_for_the_broker(here: SignedIn, guarded: GuardedApi) -> None:
    async def ask() -> None:
        # Where one thread is all that the others have, one wait of ours on it would be seen.
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        here.practice.script({"point": "after_reading", "kind": {"delay": 3}})
        here.session.reject(here.session.token())
        async with httpx.AsyncClient(auth=HttpxAuth(), timeout=30) as client:
            waiting = [asyncio.create_task(client.get(guarded.url)) for _ in range(20)]
            await asyncio.sleep(0)
            assert await anyio.to_thread.run_sync(lambda: "done") == "done"
            assert not any(task.done() for task in waiting)
            assert {response.status_code for response in await asyncio.gather(*waiting)} == {200}

    asyncio.run(ask())
