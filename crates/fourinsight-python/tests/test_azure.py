from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from azure.core import AsyncPipelineClient, PipelineClient
from azure.core.credentials import AccessToken, AccessTokenInfo, SupportsTokenInfo, TokenCredential
from azure.core.credentials_async import AsyncSupportsTokenInfo, AsyncTokenCredential
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy, BearerTokenCredentialPolicy
from azure.core.pipeline.transport import AsyncioRequestsTransport
from azure.core.rest import HttpRequest

from conftest import SignedIn, SignIn
from fourinsight_broker import AsyncAzureCredential, AzureCredential, LoginRequired, Session
from guarded_api import Answer, GuardedApi, Refusals, StartGuarded
from stage import Daemon

API = "https://api.example/.default"
OTHER = "https://other.example/.default"
TENANT = "11d7e0ad-7c3e-4b6f-9f60-2a5a5c0c0de1"
ELSEWHERE = "22d7e0ad-7c3e-4b6f-9f60-2a5a5c0c0de2"
CLAIMS = '{"access_token": {"nbf": {"essential": true, "value": "1604106651"}}}'
CHALLENGE = f'Bearer error="insufficient_claims", claims="{base64.b64encode(CLAIMS.encode()).decode()}"'

Ask = Callable[[GuardedApi, int], list[int]]


@pytest.fixture
def entra(signed_in: SignIn) -> SignedIn:
    """Somebody is signed in where one login serves the audiences `API` and `OTHER`."""
    return signed_in("1h", "--dialect", "entra")


def ask(guarded: GuardedApi, times: int, **more: Any) -> list[int]:
    """Send requests through the genuine policy."""
    policy = BearerTokenCredentialPolicy(AzureCredential(), API, **more)
    with PipelineClient[HttpRequest, Any](guarded.url, policies=[policy]) as client:
        return [
            client.send_request(HttpRequest("GET", guarded.url), enforce_https=False).status_code for _ in range(times)
        ]


def ask_under_asyncio(guarded: GuardedApi, times: int, **more: Any) -> list[int]:
    """Send requests through the genuine policy for asyncio."""

    async def send() -> list[int]:
        async with AsyncAzureCredential() as credential:
            policy = AsyncBearerTokenCredentialPolicy(credential, API, **more)
            transport = AsyncioRequestsTransport()
            async with AsyncPipelineClient[HttpRequest, Any](
                guarded.url, policies=[policy], transport=transport
            ) as client:
                statuses = []
                for _ in range(times):
                    response = await client.send_request(HttpRequest("GET", guarded.url), enforce_https=False)
                    statuses.append(response.status_code)
                return statuses

    return asyncio.run(send())


both = pytest.mark.parametrize("send", [ask, ask_under_asyncio])


@both
def test_the_policys_requests_have_a_token(entra: SignedIn, start_guarded: StartGuarded, send: Ask) -> None:
    guarded = start_guarded(Refusals(entra.practice))
    assert send(guarded, 2) == [200, 200]
    assert set(guarded.bearers) == {entra.session.token().secret}


@both
def test_a_claims_challenge_is_answered_with_a_token_that_meets_it(
    entra: SignedIn, start_guarded: StartGuarded, send: Callable[..., list[int]]
) -> None:
    first = entra.session.token(enable_cae=True).secret
    refusals = Refusals(entra.practice, CHALLENGE)
    refusals.refused.add(first)
    refusals.refused.add(entra.session.token().secret)
    guarded = start_guarded(refusals)
    assert send(guarded, 2, enable_cae=True) == [200, 200]
    second = entra.session.token().secret
    assert guarded.bearers == [first, second, second]
    assert second != first


def test_one_login_serves_many_audiences(entra: SignedIn) -> None:
    with AzureCredential() as credential:
        own, other = credential.get_token(API), credential.get_token(OTHER)
        assert own.token == entra.session.token().secret
        assert other.token != own.token
        assert credential.get_token(OTHER).token == other.token
        assert credential.get_token().token == own.token
    assert entra.practice.verdict(other.token) == "live"
    assert entra.practice.ledger()["code_exchanges"] == 1


def test_what_is_given_is_what_the_sdk_takes(entra: SignedIn) -> None:
    credential = AzureCredential(entra.session)
    assert isinstance(credential, TokenCredential)
    assert isinstance(credential, SupportsTokenInfo)
    assert isinstance(AsyncAzureCredential(), AsyncTokenCredential)
    assert isinstance(AsyncAzureCredential(), AsyncSupportsTokenInfo)
    plain, info = credential.get_token(API), credential.get_token_info(API, options={"enable_cae": True})
    assert isinstance(plain, AccessToken)
    assert isinstance(info, AccessTokenInfo)
    assert 3500 < plain.expires_on - time.time() <= 3600
    assert info.token_type == "Bearer"
    assert info.refresh_on is not None
    assert info.refresh_on <= time.time()
    # What later versions of the SDK ask for beside that is no reason to fail.
    assert credential.get_token(API, colour="red").token == credential.get_token(API).token
    assert info.token not in repr(credential)
    assert repr(AsyncAzureCredential("work")) == "AsyncAzureCredential('work')"


def test_the_policy_takes_up_a_renewed_token_long_before_the_old_one_ends(
    entra: SignedIn, start_guarded: StartGuarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = start_guarded(Refusals(entra.practice))
    monkeypatch.setattr("azure.core.pipeline.policies._authentication.MAX_REFRESH_JITTER_SECONDS", 0)
    with PipelineClient[HttpRequest, Any](
        guarded.url, policies=[BearerTokenCredentialPolicy(AzureCredential(), API)]
    ) as client:
        client.send_request(HttpRequest("GET", guarded.url), enforce_https=False)
        entra.session.reject(entra.session.token())
        client.send_request(HttpRequest("GET", guarded.url), enforce_https=False)
    assert guarded.bearers[1] == entra.session.token().secret != guarded.bearers[0]


class Fixed(Session):
    """A session with one token, which says whose it is."""

    def token(self, **_demands: Any) -> Any:
        payload = base64.urlsafe_b64encode(json.dumps({"tid": TENANT}).encode()).decode().rstrip("=")
        return cast(Any, type("Token", (), {"secret": f"e30.{payload}.c2ln", "expires_at": None}))


@pytest.mark.parametrize(
    ("tenant", "named"),
    [
        *((tenant, None) for tenant in (TENANT, TENANT.upper(), "common", "organizations", "consumers", "", None)),
        *((tenant, "contoso.example") for tenant in (TENANT, "contoso.example", "CONTOSO.example", "common")),
    ],
)
def test_a_tenant_that_can_be_the_sessions_is_taken(daemon: Daemon, tenant: str | None, named: str | None) -> None:
    assert daemon.socket.exists()
    credential = AzureCredential(Fixed(), tenant_id=named)
    assert credential.get_token(API, tenant_id=tenant).token
    assert credential.get_token_info(API, options={"tenant_id": tenant or ""}).token


def test_another_tenant_is_refused_in_clear_words(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    credential = AzureCredential(Fixed("work"))
    with pytest.raises(ClientAuthenticationError, match=r"'work' is signed in at the tenant 11d7.* 22d7.* was asked"):
        credential.get_token(API, tenant_id=ELSEWHERE)
    with pytest.raises(ClientAuthenticationError, match="another session key"):
        asyncio.run(AsyncAzureCredential(Fixed()).get_token_info(API, options={"tenant_id": ELSEWHERE}))


@pytest.mark.parametrize(
    ("tenant", "named"),
    [
        ("elsewhere.example", None),
        ("elsewhere.example", TENANT),
        ("elsewhere.example", "contoso.example"),
        ("elsewhere.example", "common"),
        ("organizations.example", "organizations"),
        (ELSEWHERE, "contoso.example"),
        # What the token says of its tenant outweighs what the caller says of it.
        (ELSEWHERE, ELSEWHERE),
    ],
)
def test_a_tenant_that_nobody_knows_to_be_the_sessions_is_refused(
    daemon: Daemon, tenant: str, named: str | None
) -> None:
    assert daemon.socket.exists()
    credential = AzureCredential(Fixed("work"), tenant_id=named)
    with pytest.raises(ClientAuthenticationError, match=f"'work' is signed in at the tenant 11d7.* {tenant} was asked"):
        credential.get_token(API, tenant_id=tenant)
    with pytest.raises(ClientAuthenticationError, match=tenant):
        credential.get_token_info(API, options={"tenant_id": tenant})


def test_a_tenant_named_by_the_caller_is_known_where_the_token_does_not_say(entra: SignedIn) -> None:
    credential = AzureCredential(entra.session, tenant_id=TENANT)
    assert credential.get_token(API, tenant_id=TENANT).token
    # By a domain and an identifier, one tenant may be meant.
    assert credential.get_token(API, tenant_id="contoso.example").token
    with pytest.raises(ClientAuthenticationError, match=ELSEWHERE):
        credential.get_token(API, tenant_id=ELSEWHERE)


def test_a_token_of_unknown_life_is_asked_for_again_soon(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    assert 0 < AzureCredential(Fixed()).get_token(API).expires_on - time.time() <= 60


def test_failures_are_azures_with_the_brokers_words(daemon: Daemon, start_guarded: StartGuarded) -> None:
    assert daemon.socket.exists()
    with pytest.raises(ClientAuthenticationError, match="fourinsightctl login work") as raised:
        AzureCredential("work").get_token(API)
    assert isinstance(raised.value.__cause__, LoginRequired)
    guarded = start_guarded(lambda _request: Answer())
    for send in (ask, ask_under_asyncio):
        with pytest.raises(ClientAuthenticationError, match="fourinsightctl login"):
            send(guarded, 1)
    assert guarded.requests == []
