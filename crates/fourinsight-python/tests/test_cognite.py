from __future__ import annotations

import json
from typing import Any

import pytest
from cognite.client import ClientConfig, CogniteClient
from cognite.client.config import global_config
from cognite.client.credentials import CredentialProvider, Token

from conftest import SignedIn, SignIn
from fourinsight_broker import CogniteCredentials, LoginRequired, Session, token_provider
from guarded_api import Answer, GuardedApi, Refusals, StartGuarded
from stage import Daemon


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the SDK from asking a package index for its newest version."""
    monkeypatch.setattr(global_config, "disable_pypi_version_check", True)
    monkeypatch.setattr(global_config, "max_retries", 0)


def client_of(guarded: GuardedApi, credentials: CredentialProvider) -> CogniteClient:
    return CogniteClient(ClientConfig("tests", "my-project", credentials, base_url=guarded.url))


@pytest.mark.parametrize("kind", ["callable", "provider"])
def test_each_request_of_the_genuine_client_has_the_present_token(
    here: SignedIn, guarded: GuardedApi, refusals: Refusals, kind: str
) -> None:
    refusals.granted = Answer(body=b'{"items": []}')
    credentials = Token(token_provider(here.session)) if kind == "callable" else CogniteCredentials(here.session)
    client = client_of(guarded, credentials)
    assert list(client.assets.list()) == []
    first = here.session.token()
    here.session.reject(first)
    assert list(client.assets.list()) == []
    assert [request.path for request in guarded.requests] == ["/api/v1/projects/my-project/assets/list"] * 2
    assert guarded.bearers == [first.secret, here.session.token().secret]
    assert guarded.bearers[0] != guarded.bearers[1]


def test_tokens_that_live_shorter_than_the_sdks_leeway_are_used_and_renewed(
    signed_in: SignIn, start_guarded: StartGuarded
) -> None:
    stage = signed_in("20s")
    refusals = Refusals(stage.practice)
    guarded = start_guarded(refusals)
    refusals.granted = Answer(body=b'{"items": []}')
    client = client_of(guarded, CogniteCredentials(stage.session))
    for _ in range(20):
        assert list(client.assets.list()) == []
    assert set(guarded.bearers) == {stage.session.token().secret}


def test_nobody_signed_in_names_the_command_and_sends_nothing(daemon: Daemon, start_guarded: StartGuarded) -> None:
    assert daemon.socket.exists()
    guarded = start_guarded(lambda _request: Answer())
    for credentials in (CogniteCredentials("work"), Token(token_provider("work"))):
        with pytest.raises(LoginRequired, match="fourinsightctl login work"):
            client_of(guarded, credentials).assets.list()
    assert guarded.requests == []


def test_another_cluster_is_another_audience_of_the_same_login(signed_in: SignIn) -> None:
    stage = signed_in("1h", "--dialect", "entra")
    name, own = CogniteCredentials().authorization_header()
    other = CogniteCredentials(scopes="https://other.example/.default").authorization_header()
    assert (name, own) == ("Authorization", f"Bearer {stage.session.token().secret}")
    assert other[1] != own
    assert stage.practice.verdict(other[1].removeprefix("Bearer ")) == "live"


def test_it_is_a_credential_provider_and_loads_as_one(here: SignedIn) -> None:
    credentials = CogniteCredentials.load({"session_key": "default", "scopes": ["a", "b"]})
    assert isinstance(credentials, CredentialProvider)
    assert repr(credentials) == "CogniteCredentials('default', scopes='a b')"
    as_text = CogniteCredentials.load(json.dumps({"session_key": "default"}))
    assert as_text.authorization_header()[1] == f"Bearer {here.session.token().secret}"
    config = {"client_name": "t", "project": "p", "base_url": "https://x", "credentials": as_text}
    assert ClientConfig.load(config).credentials is as_text


@pytest.mark.parametrize(
    ("config", "error", "words"),
    [
        (
            {"session": "s3cr3t", "scope": "s3cr3t"},
            ValueError,
            "unknown in the configuration: scope, session; it takes",
        ),
        ("[1]", TypeError, "a mapping"),
    ],
)
def test_what_it_cannot_load_is_named(config: dict[str, Any] | str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        CogniteCredentials.load(config)
    assert "s3cr3t" not in str(raised.value)


def test_a_key_of_old_is_warned_of(monkeypatch: pytest.MonkeyPatch, daemon: Daemon) -> None:
    assert daemon.socket.exists()
    monkeypatch.setenv("COGNITE_API_KEY", "s3cr3t")
    with pytest.warns(UserWarning, match="COGNITE_API_KEY is set") as warned:
        CogniteCredentials(Session())
    assert warned[0].filename == __file__
