"""What can go wrong, by what the caller can do about it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = [
    "AccessDenied",
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
    "StartFailed",
    "TemporarilyUnavailable",
]


class BrokerError(Exception):
    """A call of the broker failed. Its text says what was wrong and what to do next, and holds no secret.

    Parameters
    ----------
    message : str
        What was wrong and what to do next.
    code : str, optional
        The error's code, such as ``login_required``, if the broker answered.
    description : str, optional
        What was wrong, without the next step; the whole message when left out.
    retry_after : float, optional
        After how many seconds asking again makes sense.
    action : str, optional
        The command to run; the one that the message names when left out.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        description: str | None = None,
        retry_after: float | None = None,
        action: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code: Final = code
        self.description: Final = description or message
        self.retry_after: Final = retry_after
        self.action: Final = action or _command_in(message)


class NotRunning(BrokerError):
    """Nobody listens where the broker should."""


class NotTrusted(BrokerError):
    """The server there belongs to another user."""


class StartFailed(BrokerError):
    """The broker was not running and could not be started."""


class LoginRequired(BrokerError):
    """The session's person must sign in: `action` is the command for it."""


class InteractionRequired(BrokerError):
    """The server wants to ask the session's person something: `action` is the command for it.

    Where it wants that for one audience, the session's other tokens still work.
    """


class TemporarilyUnavailable(BrokerError):
    """There is no token now; asking again later can help."""


class AccessDenied(BrokerError):
    """The person or the server said no."""


class NotFound(BrokerError):
    """There is no such session, login or call."""


class InvalidRequest(BrokerError):
    """The request is wrong: a malformed value, an unknown scope or resource."""


class ServerError(BrokerError):
    """A defect or a broken part of the broker, or an error that this version does not know."""


class ProtocolError(BrokerError):
    """The answer is not one of the broker's."""


class ConnectionFailed(BrokerError):
    """The connection failed, or no answer came in time."""


def _command_in(message: str) -> str | None:
    """Find the command that a message names between backticks."""
    quoted = message.split("`")[1::2]
    return next((text for text in quoted if text.startswith("fourinsight")), None)
