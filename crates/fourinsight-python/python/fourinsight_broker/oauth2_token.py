"""The token dicts of requests-oauthlib's scripts, and the scopes that they name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .session import joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._native import AccessToken

__all__ = ["as_dict", "audience", "end_of"]

_LOGIN_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})
"""Scopes that steer a login, and say nothing of what a token is for."""


def as_dict(token: AccessToken) -> dict[str, Any]:
    """Give a token as scripts know it, as far as it is known; there never is a refresh token in it."""
    known: dict[str, Any] = {"access_token": token.secret, "token_type": "Bearer"}
    if token.expires_in is not None:
        known["expires_in"] = int(token.expires_in)
    if token.expires_at is not None:
        known["expires_at"] = token.expires_at
    if token.scope is not None:
        known["scope"] = token.scope.split()
    return known


def end_of(token: dict[str, Any]) -> float | None:
    """Tell when a token dict says that its token ends; a life without a date counts from now on."""
    for name, since in (("expires_at", 0.0), ("expires_in", time.time())):
        try:
            end = float(token.get(name) or 0)
        except (TypeError, ValueError):
            continue
        if end:
            return since + end
    return None


def audience(scope: str | Iterable[str] | None) -> str | None:
    """Give the scopes that say what a token is for, if there are any."""
    words = (joined(scope) or "").split()
    return " ".join(words) if not _LOGIN_SCOPES.issuperset(words) else None
