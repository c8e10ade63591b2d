"""Access tokens for libraries that take a function without arguments."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from .source import TokenSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .session import Session

__all__ = ["token_provider"]


def token_provider(
    session_key: str | Session | None = None,
    *,
    scopes: str | Iterable[str] | None = None,
    resource: str | None = None,
) -> Callable[[], str]:
    """Give a function that answers with a living access token.

    Threads may share the function. It keeps no token and may be called before each request: the broker's answer takes
    microseconds, and only the broker knows when a token was renewed or rejected.

    Parameters
    ----------
    session_key : str or Session, optional
        The session, or its key. Defaults to ``"default"``.
    scopes : str or iterable of str, optional
        Scopes other than the session's own: one login serves many.
    resource : str, optional
        The resource that the tokens are for (RFC 8707), if not the session's own.

    Returns
    -------
    Callable[[], str]
        A function without arguments. It raises `LoginRequired`, with the command to run, where somebody has to sign
        in, and other kinds of `BrokerError`.

    Warns
    -----
    UserWarning
        ``COGNITE_API_KEY`` is set, which old versions of Cognite's SDK prefer to any token.

    Examples
    --------
    >>> from cognite.client import ClientConfig, CogniteClient
    >>> from cognite.client.credentials import Token
    >>> from fourinsight_broker import token_provider
    >>> config = ClientConfig(
    ...     client_name="my-notebook",
    ...     project="my-project",
    ...     base_url="https://westeurope-1.cognitedata.com",
    ...     credentials=Token(token_provider("cognite")),
    ... )
    >>> client = CogniteClient(config)
    """
    warn_of_api_key(stacklevel=3)
    return _Provider(session_key, scopes=scopes, resource=resource)


def warn_of_api_key(*, stacklevel: int) -> None:
    """Warn where the environment holds what old versions of Cognite's SDK prefer to a token."""
    if os.environ.get("COGNITE_API_KEY"):
        warnings.warn(
            "COGNITE_API_KEY is set, and old versions of cognite-sdk use it in place of your token; unset it",
            stacklevel=stacklevel,
        )


class _Provider(TokenSource):
    """A source of tokens, called."""

    def __call__(self) -> str:
        return self.token().secret

    def __repr__(self) -> str:
        return f"token_provider({self.words()})"
