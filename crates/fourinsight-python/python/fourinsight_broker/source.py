"""Where the adapters of other libraries have their tokens from: one session, for one audience."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .errors import BrokerError, InteractionRequired, LoginRequired
from .session import Session, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._native import AccessToken

__all__ = ["TokenSource", "say_withheld"]

_log = logging.getLogger("fourinsight_broker")

_ANOTHER_FOLLOWS = frozenset({"renewing", "unknown_token", "interaction_required"})
"""The outcomes of a report after which the session is asked for another token, or for why there is none."""


class TokenSource:
    """One session, asked for tokens of one audience. Threads may share it. It keeps no token.

    Parameters
    ----------
    session_key : str or Session, optional
        The session, or its key.
    scopes : str or iterable of str, optional
        Scopes other than the session's own.
    resource : str, optional
        The resource that the tokens are for (RFC 8707), if not the session's own.
    """

    def __init__(
        self,
        session_key: str | Session | None = None,
        *,
        scopes: str | Iterable[str] | None = None,
        resource: str | None = None,
    ) -> None:
        self.session = session_key if isinstance(session_key, Session) else Session(session_key)
        self.scopes = joined(scopes)
        self.resource = resource

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.words()})"

    def words(self) -> str:
        """Name the session and the audience, as the arguments of a `repr`."""
        words = [repr(self.session.key)]
        words += [f"scopes={self.scopes!r}"] if self.scopes else []
        words += [f"resource={self.resource!r}"] if self.resource else []
        return ", ".join(words)

    def token(self, **demands: Any) -> AccessToken:
        """Give a living access token: see `Session.token` for the demands."""
        demands.setdefault("scopes", self.scopes)
        return self.session.token(resource=self.resource, **demands)

    def another(self, refused: AccessToken, www_authenticate: str | None) -> AccessToken | None:
        """Report that an API refused a token, and give the one to repeat the request with, if there is any.

        Raises
        ------
        LoginRequired, InteractionRequired
            There is another one only once a person has signed in. Other failures leave the API's answer to speak.
        """
        try:
            outcome = self.session.reject(refused, www_authenticate or None)["outcome"]
            token = self.token() if outcome in _ANOTHER_FOLLOWS else None
        except (LoginRequired, InteractionRequired):
            raise
        except BrokerError:
            return None
        return token if token is not None and token.secret != refused.secret else None


def say_withheld() -> None:
    """Log that a request goes without a token, and why."""
    _log.warning(
        "a request goes without a token, which is sent only to the origin that was asked first, and only over https or "
        "to this machine itself; sign requests for another API by an object of their own"
    )
