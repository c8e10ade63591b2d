"""Credentials for the clients of Azure's SDK: ``pip install fourinsight-broker[azure]``."""

from __future__ import annotations

import base64
import binascii
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

try:
    from azure.core.credentials import AccessToken, AccessTokenInfo
    from azure.core.exceptions import ClientAuthenticationError
except ImportError as missing:
    raise ImportError("AzureCredential needs azure-core; pip install fourinsight-broker[azure]") from missing

from ._beside import beside
from .errors import BrokerError
from .session import Session

if TYPE_CHECKING:
    from types import TracebackType

    from azure.core.credentials import TokenRequestOptions
    from typing_extensions import Self

__all__ = ["AsyncAzureCredential", "AzureCredential"]

_ANY_TENANT = frozenset({"common", "organizations", "consumers"})
"""What stands for a tenant where any will do."""

_UNKNOWN_LIFE = 60
"""How long a token is said to live when nobody knows, in seconds: so little that the SDK asks for the next request."""


class AzureCredential:
    """A `TokenCredential` of azure-core whose tokens come from a session of the broker.

    One login serves many audiences: each client of the SDK names the scopes of its service, and the broker fetches a
    token for each from the same login. A claims challenge of a service (Continuous Access Evaluation) is answered
    with a token that meets it.

    Parameters
    ----------
    session_key : str or Session, optional
        The session, or its key. Defaults to ``"default"``.
    tenant_id : str, optional
        The tenant that the session is signed in at, by the name that calls use for it, such as its domain. Its
        identifier is read from the tokens in any case, where they are such that it can be.

    Examples
    --------
    >>> from fourinsight_broker import AzureCredential
    >>> credential = AzureCredential("azure")
    >>> token = credential.get_token("https://vault.azure.net/.default")  # doctest: +SKIP
    """

    def __init__(self, session_key: str | Session | None = None, *, tenant_id: str | None = None) -> None:
        self._session = session_key if isinstance(session_key, Session) else Session(session_key)
        self._tenant_id = tenant_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._session.key!r})"

    def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_others: Any,
    ) -> AccessToken:
        """Give an access token for these scopes.

        Parameters
        ----------
        *scopes : str
            The scopes, such as ``https://vault.azure.net/.default``; the session's own when there are none.
        claims : str, optional
            What a service demands of the token: it is fetched anew with it.
        tenant_id : str, optional
            The tenant that the token is to be of. A session is signed in at one tenant, and any other is an error: an
            identifier that is not the token's, and a domain other than the one that this object was made with, which
            no token names. Where the token cannot be read, only two different identifiers are sure to be two tenants,
            and all else is taken. So are ``common``, ``organizations`` and ``consumers`` always.
        enable_cae : bool, optional
            The caller can answer a claims challenge (Continuous Access Evaluation).

        Returns
        -------
        azure.core.credentials.AccessToken
            The token, and when it expires.

        Raises
        ------
        azure.core.exceptions.ClientAuthenticationError
            There is no such token. Its text is the broker's, and its ``__cause__`` the `BrokerError`.
        """
        info = self._info(scopes, claims=claims, tenant_id=tenant_id, enable_cae=enable_cae)
        return AccessToken(info.token, info.expires_on)

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Give an access token for these scopes, and when to ask again.

        Parameters
        ----------
        *scopes : str
            The scopes, such as ``https://vault.azure.net/.default``; the session's own when there are none.
        options : azure.core.credentials.TokenRequestOptions, optional
            ``claims``, ``tenant_id`` and ``enable_cae``: see `get_token`.

        Returns
        -------
        azure.core.credentials.AccessTokenInfo
            The token. It says that it may be replaced at once: asking the broker again costs next to nothing, and
            only the broker knows when a token was renewed or rejected.

        Raises
        ------
        azure.core.exceptions.ClientAuthenticationError
            There is no such token. Its text is the broker's, and its ``__cause__`` the `BrokerError`.
        """
        asked = options or {}
        return self._info(
            scopes,
            claims=asked.get("claims"),
            tenant_id=asked.get("tenant_id"),
            enable_cae=asked.get("enable_cae", False),
        )

    def close(self) -> None:
        """Do nothing: the broker's connections are shared, and end with the process."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    def _info(
        self, scopes: tuple[str, ...], *, claims: str | None, tenant_id: str | None, enable_cae: bool
    ) -> AccessTokenInfo:
        now = int(time.time())
        try:
            token = self._session.token(scopes=scopes or None, claims=claims or None, enable_cae=bool(enable_cae))
        except BrokerError as error:
            raise ClientAuthenticationError(message=str(error)) from error
        if tenant_id:
            self._refuse_another_tenant(tenant_id, token.secret)
        expires_on = now + _UNKNOWN_LIFE if token.expires_at is None else token.expires_at
        return AccessTokenInfo(token.secret, expires_on, refresh_on=min(now, expires_on))

    def _refuse_another_tenant(self, asked: str, secret: str) -> None:
        of_token = _tenant_of(secret)
        if _may_be_meant(asked.lower(), (self._tenant_id or "").lower(), (of_token or "").lower()):
            return
        hint = "" if _is_identifier(asked) else f", or, should both be the same, AzureCredential(tenant_id={asked!r})"
        raise ClientAuthenticationError(
            message=(
                f"the session {self._session.key!r} is signed in at the tenant {of_token or self._tenant_id}, and a "
                f"token of the tenant {asked} was asked for; sign in there under another session key "
                f"(`fourinsightctl login KEY`), and use that session for it{hint}"
            )
        )


class AsyncAzureCredential:
    """An `AsyncTokenCredential` of azure-core whose tokens come from a session of the broker: see `AzureCredential`.

    It runs under asyncio; the broker is asked on a thread, so that nothing else waits for it.

    Parameters
    ----------
    session_key : str or Session, optional
        The session, or its key. Defaults to ``"default"``.
    tenant_id : str, optional
        The tenant that the session is signed in at, by the name that calls use for it: see `AzureCredential`.

    Examples
    --------
    >>> from fourinsight_broker import AsyncAzureCredential
    >>> async def key_vault_token() -> str:
    ...     async with AsyncAzureCredential("azure") as credential:
    ...         return (await credential.get_token("https://vault.azure.net/.default")).token
    """

    def __init__(self, session_key: str | Session | None = None, *, tenant_id: str | None = None) -> None:
        self._blocking = AzureCredential(session_key, tenant_id=tenant_id)

    def __repr__(self) -> str:
        return f"Async{self._blocking!r}"

    async def get_token(
        self,
        *scopes: str,
        claims: str | None = None,
        tenant_id: str | None = None,
        enable_cae: bool = False,
        **_others: Any,
    ) -> AccessToken:
        """Give an access token for these scopes: see `AzureCredential.get_token`."""
        return await beside(
            self._blocking.get_token, *scopes, claims=claims, tenant_id=tenant_id, enable_cae=enable_cae
        )

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Give an access token for these scopes, and when to ask again: see `AzureCredential.get_token_info`."""
        return await beside(self._blocking.get_token_info, *scopes, options=options)

    async def close(self) -> None:
        """Do nothing: the broker's connections are shared, and end with the process."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


def _may_be_meant(asked: str, named: str, of_token: str) -> bool:
    """Tell whether a tenant may be the one that the credential was made with, and that the token is of."""
    if asked in _ANY_TENANT or asked == of_token:
        return True
    if not of_token:
        return asked == named or not (_is_identifier(asked) and _is_identifier(named))
    # Only who made the credential knows which domain is the tenant's. Of its identifier the token says the truth.
    return asked == named and not _is_identifier(asked)


def _is_identifier(tenant: str) -> bool:
    try:
        uuid.UUID(tenant)
    except ValueError:
        return False
    return True


def _tenant_of(secret: str) -> str | None:
    """Read the tenant that a token says it is of. It is compared with, and trusted for nothing."""
    parts = secret.split(".")
    if len(parts) != 3:
        return None
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    tenant = payload.get("tid") if isinstance(payload, dict) else None
    return tenant if isinstance(tenant, str) else None
