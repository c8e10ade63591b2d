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
]

# What is imported only when it is asked for, and from where.
_LATER = {
    "AsyncSession": "aio",
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        from importlib import import_module

        value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
