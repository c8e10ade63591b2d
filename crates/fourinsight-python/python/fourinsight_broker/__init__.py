"""Fresh OAuth 2.0 access tokens from the local broker `fourinsightd`.

A person signs in once. Every process of theirs on this machine then asks the broker for an access token by session
key, whenever it needs one, and never sees a refresh token, a client secret or an expired token.

>>> from fourinsight_broker import Session
>>> session = Session("work")
>>> token = session.token()  # doctest: +SKIP
>>> headers = {"Authorization": f"Bearer {token.secret}"}  # doctest: +SKIP

Beside what is documented below, there is, each with a help of its own as in ``help(fourinsight_broker.UserSession)``:

* ``AsyncSession``: a session for asyncio
* ``token_provider``: for libraries that take a function that gives tokens
* ``UserSession``, ``ClientSession``: the sessions of ``fourinsight.api``; they need the extra ``requests``
* ``RequestsAuth``: for ``requests``; extra ``requests``
* ``HttpxAuth``: for ``httpx``; extra ``httpx``
* ``OAuth2Session``, ``TokenExpiredError``, ``TokenUpdated``: for scripts of requests-oauthlib; extra ``oauthlib``
* ``CogniteCredentials``: for Cognite's SDK; extra ``cognite``
* ``AzureCredential``, ``AsyncAzureCredential``: for Azure's SDK; extra ``azure``
* ``GoogleCredentials``: for google-auth; extra ``google``

An extra is what ``pip install fourinsight-broker[requests]`` has between brackets.
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

# What is imported only when it is asked for: from where, and which package that needs. `__all__` leaves out what needs
# one, or looks for one, so that `import *` needs and imports none.
_LATER = {
    "AsyncAzureCredential": ("azure", "azure.core"),
    "AsyncSession": ("aio", None),
    "AzureCredential": ("azure", "azure.core"),
    "ClientSession": ("fourinsight", "requests"),
    "CogniteCredentials": ("cognite", "cognite.client"),
    "GoogleCredentials": ("google", "google.auth"),
    "HttpxAuth": ("httpx_auth", "httpx"),
    "OAuth2Session": ("oauth2_session", "requests"),
    "RequestsAuth": ("requests_auth", "requests"),
    "TokenExpiredError": ("oauth2_errors", None),
    "TokenUpdated": ("oauth2_errors", None),
    "UserSession": ("fourinsight", "requests"),
    "token_provider": ("provider", None),
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_LATER[name][0]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    # Whoever inspects a module, as `help` does, gets all that is in this list.
    return sorted({*__all__, *(name for name, (_, package) in _LATER.items() if _is_there(package))})


def _is_there(package: str | None) -> bool:
    from importlib.util import find_spec

    try:
        return package is None or find_spec(package) is not None
    except (ImportError, ValueError):
        return False
