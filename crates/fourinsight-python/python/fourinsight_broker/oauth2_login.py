"""A login for scripts that show a link and take back the address of the page to which it led."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import errors

if TYPE_CHECKING:
    from .session import Session

__all__ = ["PastedLogin"]

_WAIT = 60.0
"""For how long the broker may take over the exchange of a code, in seconds; it gives up much earlier itself."""


class PastedLogin:
    """At most one login of a session, whose outcome the person pastes.

    Parameters
    ----------
    session : Session
        The session to sign in.
    profile : str, optional
        The profile; the configuration's default when left out.
    """

    def __init__(self, session: Session, profile: str | None) -> None:
        self._session = session
        self._profile = profile
        self._id: str | None = None

    def begin(self, *, scope: str | None, force: bool) -> str:
        """Begin the login and give its link."""
        request: dict[str, Any] = {"session": self._session.key, "flow": "paste", "force": force}
        if self._profile is not None:
            request["profile"] = self._profile
        if scope:
            request["scope"] = scope
        begun = self._session.client.start_login(request)
        self._id = begun["id"]
        link: str | None = begun.get("authorization_uri")
        if not link:
            self.cancel()
            raise ValueError(f"the profile signs nobody in by a link; run `{self._command()}`")
        return link

    def cancel(self) -> None:
        """End the login, if there is one."""
        login, self._id = self._id, None
        if login is not None:
            self._session.client.cancel_login(login)

    def finish(self, pasted: str) -> None:
        """Sign in with what the person pasted. What is no answer to this login leaves it waiting for another paste."""
        if self._id is None:
            raise ValueError(
                "no login was begun here that this could answer: call authorization_url() first, or run "
                f"`{self._command()}`"
            )
        login = self._id
        stands = self._session.client.respond_to_login(login, pasted)
        if stands["state"] == "pending" and not stands.get("confirmation"):
            stands = self._session.client.login(login, _WAIT)
        if stands["state"] == "pending":
            self.cancel()
            if stands.get("confirmation"):
                raise errors.LoginRequired(f"the login waits for an answer to a question; run `{self._command()}`")
            raise errors.TemporarilyUnavailable("the authorization server did not answer in time; sign in once more")
        self._id = None
        if stands["state"] != "succeeded":
            raise self._failure(stands)

    def _failure(self, stands: dict[str, Any]) -> errors.BrokerError:
        body: dict[str, Any] = stands.get("error") or {}
        what = body.get("error_description") or f"the login ended: {stands['state']}"
        hint = body.get("hint") or f"run `{self._command()}`"
        kind = errors.AccessDenied if body.get("error") == "access_denied" else errors.LoginRequired
        return kind(f"{what}; {hint}", code=body.get("error"), description=what)

    def _command(self) -> str:
        key = self._session.key
        return "fourinsightctl login" if key == "default" else f"fourinsightctl login '{key}'"
