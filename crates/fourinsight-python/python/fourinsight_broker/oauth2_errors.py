"""What requests-oauthlib's scripts catch: its own classes where it is installed, and ones like them where it is not."""

from __future__ import annotations

import importlib
from typing import Any, TypeVar

__all__ = ["InsecureTransportError", "TokenExpiredError", "TokenUpdated"]


_Kind = TypeVar("_Kind", bound="type[Exception]")


class _TokenUpdated(Warning):
    """The token has changed; `token` is the new token dict."""

    def __init__(self, token: dict[str, Any]) -> None:
        super().__init__()
        self.token = token


class _TokenExpiredError(Exception):
    """The token that the script brought has expired."""

    error = "token_expired"


class _InsecureTransportError(Exception):
    """A token is sent only over https, or to this machine itself."""

    error = "insecure_transport"
    description = "OAuth 2 MUST utilize https."


def _theirs(module: str, name: str, ours: _Kind) -> _Kind:
    try:
        theirs: _Kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return ours
    return theirs


TokenUpdated = _theirs("requests_oauthlib", "TokenUpdated", _TokenUpdated)
TokenExpiredError = _theirs("oauthlib.oauth2", "TokenExpiredError", _TokenExpiredError)
InsecureTransportError = _theirs("oauthlib.oauth2", "InsecureTransportError", _InsecureTransportError)
