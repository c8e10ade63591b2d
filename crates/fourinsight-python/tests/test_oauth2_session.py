from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
import requests
import requests_oauthlib
from oauthlib.oauth2 import InsecureTransportError, TokenExpiredError

import fourinsight_broker
from conftest import SignedIn, SignIn, StartDaemon, sign_in_to
from fourinsight_broker import (
    AccessDenied,
    InvalidRequest,
    LoginRequired,
    OAuth2Session,
    Session,
    TokenUpdated,
    oauth2_session,
)
from guarded_api import Answer, GuardedApi, Refusals, StartGuarded
from stage import Daemon, Practice

REDIRECT_URI = "http://127.0.0.1:53000/callback"

Make = Callable[..., Any]


class Style:
    """The genuine class or ours, with what a script of either needs."""

    def __init__(self, stage: SignedIn, make: Make, token: dict[str, Any]) -> None:
        self.practice = stage.practice
        self.make = make
        self.token = token
        """What the script has saved; by its own dates it has just expired."""
        self.client_id = stage.practice.client_id
        self.refresh_url = endpoints(stage.practice)["token_endpoint"]


def endpoints(practice: Practice) -> dict[str, Any]:
    with urllib.request.urlopen(f"{practice.issuer}/.well-known/openid-configuration", timeout=30) as answer:
        metadata: dict[str, Any] = json.load(answer)
    return metadata


def genuine_token(practice: Practice) -> dict[str, Any]:
    """Sign in by the genuine class as its documentation does."""
    oauth = requests_oauthlib.OAuth2Session(
        practice.client_id, redirect_uri=REDIRECT_URI, scope=["openid", "offline_access"], pkce="S256"
    )
    known = endpoints(practice)
    link, _state = oauth.authorization_url(known["authorization_endpoint"])
    return dict(
        oauth.fetch_token(
            known["token_endpoint"], authorization_response=practice.authorize(link), include_client_id=True
        )
    )


@pytest.fixture(params=["theirs", "ours"])
def style(request: pytest.FixtureRequest, here: SignedIn, monkeypatch: pytest.MonkeyPatch) -> Style:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    saved = {**genuine_token(here.practice), "expires_in": "-30", "expires_at": time.time() - 30}
    make: Make = requests_oauthlib.OAuth2Session if request.param == "theirs" else OAuth2Session
    return Style(here, make, saved)


def test_the_first_style_catches_that_the_token_has_expired(style: Style, guarded: GuardedApi) -> None:
    saved: list[dict[str, Any]] = []
    client = style.make(style.client_id, token=style.token)
    try:
        client.get(guarded.url)
        pytest.fail("an expired token is used")
    except TokenExpiredError:
        saved.append(client.refresh_token(style.refresh_url, client_id=style.client_id))
    client = style.make(style.client_id, token=saved[0])
    assert client.get(guarded.url).ok
    assert guarded.bearers == [saved[0]["access_token"]]
    assert saved[0]["access_token"] != style.token["access_token"]


def test_the_second_style_catches_the_updated_token(style: Style, guarded: GuardedApi) -> None:
    saved: list[dict[str, Any]] = []
    client = style.make(
        style.client_id,
        token=style.token,
        auto_refresh_kwargs={"client_id": style.client_id},
        auto_refresh_url=style.refresh_url,
    )
    try:
        client.get(guarded.url)
        pytest.fail("nobody is told")
    except TokenUpdated as updated:
        saved.append(updated.token)
    assert guarded.requests == []
    assert client.get(guarded.url).ok
    assert guarded.bearers == [saved[0]["access_token"]]
    assert client.token["access_token"] == saved[0]["access_token"]


def test_the_third_style_is_told_and_goes_on(style: Style, guarded: GuardedApi) -> None:
    saved: list[dict[str, Any]] = []
    client = style.make(
        style.client_id,
        token=style.token,
        auto_refresh_url=style.refresh_url,
        auto_refresh_kwargs={"client_id": style.client_id},
        token_updater=saved.append,
    )
    assert client.get(guarded.url).ok
    assert client.get(guarded.url).ok
    assert guarded.bearers == [saved[0]["access_token"]] * 2
    assert len(saved) == 1
    assert style.practice.verdict(saved[0]["access_token"]) == "live"
    assert client.authorized
    assert client.access_token == saved[0]["access_token"]


def test_a_request_can_go_without_the_token(style: Style, guarded: GuardedApi) -> None:
    client = style.make(style.client_id, token=style.token)
    assert client.get(guarded.url, withhold_token=True).status_code == 401
    assert guarded.bearers == [None]


def test_hooks_see_each_request(style: Style, guarded: GuardedApi) -> None:
    client = style.make(style.client_id, token={**style.token, "expires_in": 60, "expires_at": time.time() + 60})

    def hook(url: str, headers: Any, data: Any) -> tuple[str, Any, Any]:
        return f"{url}/hooked", {**(headers or {}), "X-Hooked": "yes"}, data

    client.register_compliance_hook("protected_request", hook)
    client.post(f"{guarded.url}/a", data={"b": "c"})
    request = guarded.requests[0]
    assert (request.path, request.headers["x-hooked"], request.body) == ("/a/hooked", "yes", b"b=c")
    with pytest.raises(ValueError, match=r"[Hh]ook type"):
        client.register_compliance_hook("no_such", hook)


def test_what_is_neither_https_nor_here_is_refused(style: Style, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OAUTHLIB_INSECURE_TRANSPORT")
    with pytest.raises(InsecureTransportError):
        style.make(style.client_id, token=style.token).get("http://api.example.com/")


def test_a_token_dict_has_what_the_genuine_one_has_but_for_the_refresh_token(
    here: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    theirs = genuine_token(here.practice)
    ours = OAuth2Session().fetch_token("https://token.example.com/")
    assert ours.keys() == theirs.keys() - {"refresh_token", "id_token", "refresh_token_expires_in"}
    assert {name: type(value) for name, value in ours.items()} == {name: type(theirs[name]) for name in ours}
    assert (ours["token_type"], ours["scope"]) == (theirs["token_type"], theirs["scope"])
    assert abs(ours["expires_in"] - theirs["expires_in"]) <= 1
    assert abs(ours["expires_at"] - theirs["expires_at"]) <= 1


def test_nothing_of_a_request_goes_to_the_token_endpoint(
    here: SignedIn, guarded: GuardedApi, start_guarded: StartGuarded
) -> None:
    token_endpoint = start_guarded(lambda _request: Answer(500))
    client = OAuth2Session(
        "some-client",
        token={"access_token": "old", "expires_in": "-30", "refresh_token": "kept"},
        auto_refresh_url=token_endpoint.url,
        auto_refresh_kwargs={"client_id": "some-client", "client_secret": "s3cr3t"},
        token_updater=lambda _token: None,
    )
    arguments: dict[str, Any] = {"client_id": "a", "client_secret": "b", "allow_redirects": True}
    response = client.post(guarded.url, json={"payload": 1}, params={"q": 2}, **arguments)
    assert response.ok
    assert token_endpoint.requests == []
    assert [(request.path, request.body) for request in guarded.requests] == [("/?q=2", b'{"payload": 1}')]
    assert here.practice.ledger()["refresh_requests"] == 0


def test_a_script_that_brings_no_token_is_never_interrupted(signed_in: SignIn, start_guarded: StartGuarded) -> None:
    stage = signed_in("20s")
    guarded = start_guarded(Refusals(stage.practice))
    told: list[dict[str, Any]] = []
    quiet, notified = OAuth2Session(auto_refresh_url="https://t.example.com/"), OAuth2Session(token_updater=told.append)
    for _ in range(2):
        first = stage.session.token()
        assert quiet.get(guarded.url).ok
        assert notified.get(guarded.url).ok
        assert notified.get(guarded.url).ok
        assert told[-1]["access_token"] == first.secret
        # The next round is of another token, which the broker fetches before the present one has ended.
        stage.session.token(min_validity=1e6)
    assert [len(told), len(set(guarded.bearers))] == [2, 2]


def test_a_token_that_still_lives_gives_way_to_the_brokers_in_silence(here: SignedIn, guarded: GuardedApi) -> None:
    brought = {"access_token": "of another life", "expires_at": time.time() + 3000}
    client = OAuth2Session(token=brought, auto_refresh_url="https://t.example.com/")
    assert client.get(guarded.url).ok
    assert guarded.bearers == [here.session.token().secret]
    assert client.token["access_token"] == here.session.token().secret
    assert brought["access_token"] == "of another life"


def test_a_refused_token_is_reported_the_request_repeated_and_the_script_told(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals
) -> None:
    told: list[dict[str, Any]] = []
    client = OAuth2Session(token_updater=told.append)
    first = here.session.token().secret
    refusals.refused.add(first)
    assert client.post(guarded.url, json={}).ok
    second = here.session.token().secret
    assert guarded.bearers == [first, second]
    assert [token["access_token"] for token in told] == [first, second]
    assert all("refresh_token" not in token for token in told)


def test_an_updater_can_use_the_session_itself(here: SignedIn, guarded: GuardedApi) -> None:
    client = OAuth2Session(session_key=here.session, token_updater=lambda _token: client.put(f"{guarded.url}/saved"))
    assert client.get(f"{guarded.url}/asked").ok
    assert [request.path for request in guarded.requests] == ["/saved", "/asked"]


def test_the_token_goes_to_no_other_origin(here: SignedIn, guarded: GuardedApi, start_guarded: StartGuarded) -> None:
    elsewhere = start_guarded(lambda _request: Answer(401))
    client = OAuth2Session(session_key=here.session)
    assert client.get(guarded.url).ok
    assert client.get(elsewhere.url).status_code == 401
    guarded.answer = lambda _request: Answer(302, {"Location": elsewhere.url})
    assert client.get(guarded.url).status_code == 401
    assert elsewhere.bearers == [None, None]


def test_the_scripts_own_way_to_sign_is_kept(here: SignedIn, guarded: GuardedApi) -> None:
    def stamp(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Stamp"] = "yes"
        return request

    assert OAuth2Session(session_key=here.session).get(guarded.url, auth=stamp).ok
    assert guarded.requests[0].headers["x-stamp"] == "yes"
    assert OAuth2Session(session_key=here.session).get(guarded.url, auth=("a", "b")).status_code == 401
    assert guarded.requests[1].headers["authorization"] == "Basic YTpi"


def test_scopes_are_those_of_the_token_unless_they_only_steer_a_login(
    signed_in: SignIn, start_guarded: StartGuarded
) -> None:
    stage = signed_in("1h", "--dialect", "entra")
    guarded = start_guarded(Refusals(stage.practice))
    for scope in (None, "openid offline_access", ["openid"], ["https://other.example/.default", "openid"]):
        assert OAuth2Session(scope=scope).get(guarded.url).ok
    own = stage.session.token().secret
    assert guarded.bearers[:3] == [own] * 3
    assert guarded.bearers[3] not in (own, None)


def test_scopes_that_the_login_has_ask_for_no_token_of_their_own(
    practice: Practice, start_daemon: StartDaemon, start_guarded: StartGuarded
) -> None:
    start_daemon(practice.config.replace('"offline_access"', '"offline_access", "api", "read"'))
    sign_in_to(Session(), practice)
    guarded = start_guarded(Refusals(practice))
    for scope in ("api", ["read", "openid"], "openid offline_access api read"):
        assert OAuth2Session(scope=scope).get(guarded.url).ok
    assert guarded.bearers == [Session().token().secret] * 3
    assert practice.ledger()["refresh_requests"] == 0


def test_an_old_script_signs_in_by_link_and_pasted_address(
    daemon: Daemon, practice: Practice, start_guarded: StartGuarded
) -> None:
    assert daemon.socket.exists()
    guarded = start_guarded(Refusals(practice))
    oauth = OAuth2Session("my-client", redirect_uri="https://my.example.com/", scope=["openid", "offline_access"])
    assert not oauth.authorized
    link, state = oauth.authorization_url(endpoints(practice)["authorization_endpoint"], prompt="login")
    assert f"state={state}" in link
    assert "prompt=login" in link
    with pytest.raises(InvalidRequest, match="goes on waiting"):
        oauth.fetch_token("https://token.example.com/", authorization_response="https://my.example.com/?code=x")
    token = oauth.fetch_token(
        "https://token.example.com/", authorization_response=practice.authorize(link), client_secret="unused"
    )
    assert practice.verdict(token["access_token"]) == "live"
    assert oauth.authorized
    assert oauth.get(guarded.url).ok
    assert guarded.bearers == [token["access_token"]]
    assert Session().status()["state"] == "signed_in"


def test_a_bare_code_does_as_well(daemon: Daemon, practice: Practice) -> None:
    assert daemon.socket.exists()
    oauth = OAuth2Session()
    link, _state = oauth.authorization_url(endpoints(practice)["authorization_endpoint"])
    code = practice.authorize(link).partition("code=")[2].partition("&")[0]
    assert oauth.fetch_token(code=code)["access_token"] == Session().token().secret


def test_a_login_at_another_server_is_not_begun(daemon: Daemon, practice: Practice) -> None:
    assert daemon.socket.exists()
    oauth = OAuth2Session()
    with pytest.raises(ValueError, match="another server"):
        oauth.authorization_url("https://elsewhere.example.com/authorize")
    with pytest.raises(ValueError, match="no login was begun"):
        oauth.fetch_token(authorization_response=f"{REDIRECT_URI}?code=x")
    with pytest.warns(UserWarning, match="not sent: access_type; put it into authorize_params"):
        oauth.authorization_url(endpoints(practice)["authorization_endpoint"], access_type="offline")


def test_a_login_that_the_server_refuses_says_so(daemon: Daemon, practice: Practice) -> None:
    assert daemon.socket.exists()
    oauth = OAuth2Session()
    link, state = oauth.authorization_url(endpoints(practice)["authorization_endpoint"])
    redirect = practice.authorize(link).partition("?")[0]
    with pytest.raises(AccessDenied):
        oauth.fetch_token(authorization_response=f"{redirect}?error=access_denied&state={state}&iss={practice.issuer}")


def test_nobody_signed_in_names_the_command_and_sends_nothing(daemon: Daemon, start_guarded: StartGuarded) -> None:
    assert daemon.socket.exists()
    guarded = start_guarded(lambda _request: Answer())
    oauth = OAuth2Session(session_key="work")
    for call in (
        lambda: oauth.get(guarded.url),
        oauth.fetch_token,
        lambda: oauth.refresh_token("https://t.example.com/"),
    ):
        with pytest.raises(LoginRequired, match="fourinsightctl login work"):
            call()
    assert (guarded.requests, oauth.authorized, oauth.token) == ([], False, {})


def test_the_exceptions_are_those_that_scripts_catch() -> None:
    errors: Any = oauth2_session
    for module in (fourinsight_broker, errors):
        assert module.TokenUpdated is requests_oauthlib.TokenUpdated
        assert module.TokenExpiredError is TokenExpiredError
    assert errors.InsecureTransportError is InsecureTransportError


def test_an_import_is_changed_by_its_module_alone_whatever_is_installed() -> None:
    script = """
import sys
if {hidden!r}:
    sys.modules["oauthlib"] = sys.modules["requests_oauthlib"] = None
from fourinsight_broker import OAuth2Session, TokenExpiredError, TokenUpdated
try:
    raise TokenUpdated({{"access_token": "a"}})
except TokenUpdated as updated:
    print(updated.token, issubclass(TokenUpdated, Warning), TokenUpdated.__module__)
try:
    raise TokenExpiredError
except TokenExpiredError:
    assert OAuth2Session
"""
    for hidden, module in ((False, "requests_oauthlib.oauth2_session"), (True, "fourinsight_broker.oauth2_errors")):
        code = script.format(hidden=hidden)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout == f"{{'access_token': 'a'}} True {module}\n"


def test_a_wrong_word_for_pkce_is_refused_as_ever() -> None:
    with pytest.raises(AttributeError, match="S256"):
        OAuth2Session(pkce="s256")
