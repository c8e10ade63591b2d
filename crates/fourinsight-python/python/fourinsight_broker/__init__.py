"""Fresh OAuth 2.0 access tokens from the local broker `fourinsightd`.

A person signs in once. Every process of theirs on this machine then asks the broker for an access token by session
key, whenever it needs one, and never sees a refresh token, a client secret or an expired token.

>>> from fourinsight_broker import Session
>>> session = Session("work")
>>> token = session.token()  # doctest: +SKIP
>>> headers = {"Authorization": f"Bearer {token.secret}"}  # doctest: +SKIP
"""

from __future__ import annotations

from ._native import AccessToken, __version__, session_key_of_seed
from .errors import (
    AccessDenied,
    BrokerError,
    ConnectionFailed,
    InteractionRequired,
    InvalidRequest,
    LoginRequired,
    NotFound,
    NotRunning,
    NotTrusted,
    ProtocolError,
    ServerError,
    StartFailed,
    TemporarilyUnavailable,
)
from .session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .aio import AsyncSession as AsyncSession
    from .azure import AsyncAzureCredential as AsyncAzureCredential
    from .azure import AzureCredential as AzureCredential
    from .cognite import CogniteCredentials as CogniteCredentials
    from .fourinsight import ClientSession as ClientSession
    from .fourinsight import UserSession as UserSession
    from .google import GoogleCredentials as GoogleCredentials
    from .httpx_auth import HttpxAuth as HttpxAuth
    from .oauth2_errors import TokenExpiredError as TokenExpiredError
    from .oauth2_errors import TokenUpdated as TokenUpdated
    from .oauth2_session import OAuth2Session as OAuth2Session
    from .provider import token_provider as token_provider
    from .requests_auth import RequestsAuth as RequestsAuth

__all__ = [
    "AccessDenied",
    "AccessToken",
    "AsyncSession",
    "BrokerError",
    "ConnectionFailed",
    "InteractionRequired",
    "InvalidRequest",
    "LoginRequired",
    "NotFound",
    "NotRunning",
    "NotTrusted",
    "ProtocolError",
    "ServerError",
    "Session",
    "StartFailed",
    "TemporarilyUnavailable",
    "__version__",
    "session_key_of_seed",
    "token_provider",
]

# What is imported only when it is asked for, and from where. `__all__` leaves out what needs another package, or
# looks for one, so that `import *` needs none.
_LATER = {
    "AsyncAzureCredential": "azure",
    "AsyncSession": "aio",
    "AzureCredential": "azure",
    "CogniteCredentials": "cognite",
    "GoogleCredentials": "google",
    "HttpxAuth": "httpx_auth",
    "OAuth2Session": "oauth2_session",
    "RequestsAuth": "requests_auth",
    "TokenExpiredError": "oauth2_errors",
    "TokenUpdated": "oauth2_errors",
    "token_provider": "provider",
    "ClientSession": "fourinsight",
    "UserSession": "fourinsight",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_LATER})
