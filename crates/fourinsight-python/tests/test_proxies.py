"""A proxy is handed no token on its way to this machine, where it could read it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import httpx
import pytest
import requests

from conftest import SignedIn
from fourinsight_broker import HttpxAuth, OAuth2Session, RequestsAuth
from fourinsight_broker.proxy import is_on_the_way
from stub_api import Answer, StubApi, redirect

Get = Callable[[str], int]


def by_requests(url: str) -> int:
    return requests.get(url, auth=RequestsAuth(), timeout=30).status_code


def by_httpx(url: str) -> int:
    return httpx.get(url, auth=HttpxAuth()).status_code


def by_httpx_under_asyncio(url: str) -> int:
    async def get() -> int:
        async with httpx.AsyncClient(auth=HttpxAuth()) as client:
            return (await client.get(url)).status_code

    return asyncio.run(get())


blind = pytest.mark.parametrize("get", [by_requests, by_httpx, by_httpx_under_asyncio])


@pytest.fixture
def proxy(elsewhere: StubApi, monkeypatch: pytest.MonkeyPatch) -> StubApi:
    """A proxy that the environment names for everything."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return elsewhere


@blind
def test_what_a_proxy_would_read_goes_without_a_token(
    here: SignedIn, api: StubApi, proxy: StubApi, get: Get, caplog: pytest.LogCaptureFixture
) -> None:
    assert here.session.token()
    with caplog.at_level(logging.WARNING, "fourinsight_broker"):
        get(api.on("/things", Answer(200)))
    assert [seen.bearer for seen in proxy.seen] == [None]
    assert "NO_PROXY" in caplog.text


@blind
@pytest.mark.parametrize("excepted", ["127.0.0.1", "localhost, 127.0.0.1", "*"])
def test_what_goes_past_the_proxy_has_its_token(
    here: SignedIn, api: StubApi, proxy: StubApi, get: Get, excepted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", excepted)
    assert get(api.on("/things", Answer(200))) == 200
    assert api.bearers("/things") == [here.session.token().secret]
    assert not proxy.seen


@pytest.mark.parametrize("is_given", [False, True])
def test_a_session_of_ours_asks_no_proxy(here: SignedIn, api: StubApi, proxy: StubApi, is_given: bool) -> None:
    first = here.session.token().secret
    api.on("/near", redirect("/things"))
    api.on("/things", lambda seen: Answer(401) if seen.bearer == first else Answer(200))
    with OAuth2Session("abc") as session:
        given = {"http": proxy.url} if is_given else None
        assert session.get(f"{api.url}near", proxies=given).status_code == 200
    assert api.bearers("/things") == [first, here.session.token().secret]
    assert not proxy.seen


def test_what_a_session_of_ours_sends_without_a_token_goes_as_it_is_told(
    here: SignedIn, api: StubApi, proxy: StubApi
) -> None:
    assert here.session.token()
    with OAuth2Session("abc") as session:
        session.request("GET", f"{api.url}things", withhold_token=True)
    assert [seen.bearer for seen in proxy.seen] == [None]


@pytest.mark.parametrize(
    ("url", "excepted", "is_read"),
    [
        ("http://localhost:8080/", "", True),
        ("http://localhost:8080/", "LOCALHOST", False),
        ("http://localhost:8080/", "example.com, localhost", False),
        ("http://localhost:8080/", "localhost:8080", True),
        ("http://localhost:8080/", "*", False),
        ("http://localhost:8080/", "example.com, *", True),
        ("http://127.0.0.1/", "localhost", True),
        ("http://127.0.0.1/", "127.0.0.0/8", True),
        ("http://[::1]/", "::1", False),
        ("https://localhost/", "", False),
        ("https://api.example.com/", "", False),
    ],
)
@pytest.mark.usefixtures("proxy")
def test_an_exception_is_what_every_library_takes_for_one(
    url: str, excepted: str, is_read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", excepted)
    assert is_on_the_way(url) == is_read


def test_without_a_proxy_none_is_on_the_way(proxy: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_on_the_way(proxy.url)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name)
    assert not is_on_the_way(proxy.url)
    monkeypatch.setenv("https_proxy", proxy.url)
    assert not is_on_the_way(proxy.url)
