from __future__ import annotations

import copy
import datetime
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import google.auth.credentials
import google.auth.exceptions
import pytest
from google.auth.transport.requests import AuthorizedSession

from conftest import SignedIn, SignIn
from fourinsight_broker import GoogleCredentials, LoginRequired
from guarded_api import Answer, GuardedApi, Refusals, StartGuarded
from stage import Daemon


@pytest.fixture
def google_session(here: SignedIn) -> Iterator[AuthorizedSession]:
    session = AuthorizedSession(GoogleCredentials(here.session))
    yield session
    session.close()


def test_each_request_has_the_present_token(
    here: SignedIn, guarded: GuardedApi, google_session: AuthorizedSession
) -> None:
    first = here.session.token()
    assert google_session.get(f"{guarded.url}/a").ok
    here.session.reject(first)
    assert google_session.get(f"{guarded.url}/b").ok
    assert guarded.bearers == [first.secret, here.session.token().secret]
    assert guarded.bearers[0] != guarded.bearers[1]


def test_a_refused_token_is_reported_before_the_request_is_repeated(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, google_session: AuthorizedSession
) -> None:
    first = here.session.token().secret
    refusals.refused.add(first)
    assert google_session.post(guarded.url, json={"thing": 7}).ok
    assert guarded.bearers == [first, here.session.token().secret]
    assert first not in guarded.bearers[1:]


def test_threads_that_were_refused_the_same_token_cost_one_renewal(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals
) -> None:
    first = here.session.token().secret
    refusals.refused.add(first)
    credentials = GoogleCredentials(here.session)

    def ask(_number: int) -> bool:
        with AuthorizedSession(credentials) as session:
            return bool(session.get(guarded.url).ok)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(16)))
    assert set(guarded.bearers) == {first, here.session.token().secret}
    assert here.practice.ledger()["refresh_requests"] == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://storage.googleapis.com/",
        "http://127.0.0.1.example.com/",
        "ftp://127.0.0.1/",
        "https://storage.googleapis.com@api.example.com/",
        "",
    ],
)
def test_a_token_goes_over_https_or_to_this_machine_only(
    here: SignedIn, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    credentials = GoogleCredentials(here.session, quota_project_id="payer")
    headers: dict[str, str] = {}
    with caplog.at_level(logging.WARNING, "fourinsight_broker"):
        credentials.before_request(None, "GET", url, headers)
    assert not headers
    assert "goes without a token" in caplog.text
    credentials.before_request(None, "GET", "http://localhost:8080/", headers)
    assert headers["authorization"] == f"Bearer {here.session.token().secret}"


def test_one_object_serves_all_services(here: SignedIn) -> None:
    credentials = GoogleCredentials(here.session)
    for url in ("https://storage.googleapis.com/storage/v1/b", "https://www.googleapis.com/drive/v3/files"):
        headers: dict[str, str] = {}
        credentials.before_request(None, "GET", url, headers)
        assert headers["authorization"] == f"Bearer {here.session.token().secret}"


def test_what_a_proxy_would_read_goes_without_a_token(
    here: SignedIn,
    start_guarded: StartGuarded,
    google_session: AuthorizedSession,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    api, proxy = (start_guarded(lambda _request: Answer()) for _ in range(2))
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with caplog.at_level(logging.WARNING, "fourinsight_broker"):
        assert google_session.get(api.url).ok
    assert "NO_PROXY" in caplog.text
    assert (proxy.bearers, api.bearers) == ([None], [])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert google_session.get(api.url).ok
    assert (proxy.bearers, api.bearers) == ([None], [here.session.token().secret])


def test_what_is_refused_without_a_token_reports_none(here: SignedIn) -> None:
    credentials = GoogleCredentials(here.session)
    first = here.session.token().secret
    credentials.before_request(None, "GET", "https://storage.googleapis.com/", {})
    credentials.before_request(None, "GET", "http://storage.googleapis.com/", {})
    credentials.refresh(None)
    assert here.session.token().secret == first
    assert here.practice.ledger()["refresh_requests"] == 0
    # As it is reported where the refused request had one.
    credentials.before_request(None, "GET", "https://storage.googleapis.com/", {})
    credentials.refresh(None)
    assert here.session.token().secret != first


def test_a_refresh_without_a_refusal_takes_what_there_is(here: SignedIn) -> None:
    credentials = GoogleCredentials(here.session)
    assert credentials.token is None
    assert not credentials.valid
    credentials.refresh(None)
    token = here.session.token()
    assert credentials.token == token.secret
    credentials.refresh(None)
    assert credentials.token == token.secret
    assert here.practice.ledger()["refresh_requests"] == 0


def test_the_expiry_is_in_utc_without_saying_so(here: SignedIn) -> None:
    credentials = GoogleCredentials(here.session)
    credentials.refresh(None)
    assert isinstance(credentials.expiry, datetime.datetime)
    assert credentials.expiry.tzinfo is None
    left = credentials.expiry.replace(tzinfo=datetime.timezone.utc).timestamp() - time.time()
    assert 3500 < left <= 3601
    assert credentials.valid
    assert not credentials.expired


def test_a_token_that_lives_shorter_than_googles_leeway_is_used_all_the_same(signed_in: SignIn) -> None:
    stage = signed_in("20s")
    credentials = GoogleCredentials(stage.session)
    headers: dict[str, str] = {}
    credentials.before_request(None, "GET", "https://storage.googleapis.com/", headers)
    assert headers["authorization"] == f"Bearer {stage.session.token().secret}"


def test_scopes_and_the_project_that_pays(signed_in: SignIn) -> None:
    stage = signed_in("1h", "--dialect", "entra")
    credentials = GoogleCredentials(stage.session, quota_project_id="payer")
    scoped = google.auth.credentials.with_scopes_if_required(credentials, ["unused"])
    assert scoped is credentials
    other = credentials.with_scopes(["https://other.example/.default"])
    assert isinstance(other, GoogleCredentials)
    assert (other.scopes, other.quota_project_id) == (["https://other.example/.default"], "payer")
    other.refresh(None)
    credentials.refresh(None)
    assert credentials.token == stage.session.token().secret
    assert other.token not in (credentials.token, None)
    headers: dict[str, str] = {}
    other.with_quota_project("another").before_request(None, "GET", "https://x/", headers)
    assert headers["x-goog-user-project"] == "another"
    assert headers["authorization"] == f"Bearer {other.token}"


def test_there_is_no_refresh_token_and_no_token_in_a_copy(here: SignedIn) -> None:
    credentials = GoogleCredentials(here.session)
    credentials.refresh(None)
    assert not hasattr(credentials, "refresh_token")
    twin = copy.copy(credentials)
    assert twin.token is None
    twin.refresh(None)
    assert twin.token == credentials.token
    assert repr(credentials) == "GoogleCredentials('default')"


def test_failures_are_googles_with_the_brokers_words(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    with pytest.raises(google.auth.exceptions.RefreshError, match="fourinsightctl login work") as raised:
        GoogleCredentials("work").refresh(None)
    assert isinstance(raised.value.__cause__, LoginRequired)
    assert not raised.value.retryable
