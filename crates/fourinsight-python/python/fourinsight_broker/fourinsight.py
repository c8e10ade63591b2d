"""The sessions of ``fourinsight.api``, with the broker's tokens: a script moves here by changing its import.

>>> from fourinsight_broker import UserSession
>>> session = UserSession()  # doctest: +SKIP
>>> response = session.get("https://api.4insight.io/v1.0/Campaigns")  # doctest: +SKIP
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from . import errors, session
from ._moving_in import IMPORT_COMMAND
from ._moving_in import find as find_token_file
from ._native import AccessToken, Client, session_key_of_seed
from .auth_session import API_BASE_URL, BaseAuthSession, InsecureTransportError
from .interaction import find, harmless, login_command, telling, telling_meanwhile

if TYPE_CHECKING:
    from collections.abc import Collection
    from os import PathLike

    from ._moving_in import TokenFile
    from .interaction import Begun, Person

__all__ = ["API_BASE_URL", "BaseAuthSession", "ClientSession", "InsecureTransportError", "UserSession"]

USER_PROFILE: Final = "4insight"
"""The profile of the broker with which a `UserSession` signs in, unless it is told another one, and the preset that
those of any name begin with."""

CLIENT_PROFILE: Final = "4insight-service"
"""The profile of the broker with which a `ClientSession` signs in, unless it is told another one."""

# For how many seconds one call waits for the end of a login that needs nobody.
_WAIT = 30.0


class UserSession(BaseAuthSession):
    """A person's session. The broker keeps them signed in, for every process of theirs.

    Where nobody is signed in, it asks: in a terminal and in a notebook it shows where to sign in, and elsewhere it
    raises `LoginRequired` with the command to run. Where ``fourinsight.api`` has a login for the same `session_key`, it
    asks whether to take that over instead.

    A session of the broker that somebody signed in to with another profile has tokens for another server. None of them
    goes to 4insight: `InvalidRequest` says what can be done.

    Parameters
    ----------
    auth_force : bool, optional
        Sign in again, whoever is signed in.
    session_key : str, optional
        Tells several logins apart: any text that ``fourinsight.api`` takes for one, and that is whole (`ValueError`
        where it has half a surrogate pair in it).
    profile : str, optional
        The broker's profile that the session is signed in with: ``4insight``, or one of that preset, when left out.
    interactive : bool, optional
        Whether a person is asked: ``None`` finds out, ``False`` raises instead.
    expired_statuses : collection of int, optional
        Which statuses of the API say that the token is not taken: 401 when left out.
    state_dir, socket : path-like, optional
        Where the broker is, if not at its usual place.
    """

    def __init__(
        self,
        auth_force: bool = False,
        session_key: str | None = None,
        *,
        profile: str | None = None,
        interactive: bool | None = None,
        expired_statuses: Collection[int] | None = None,
        state_dir: str | PathLike[str] | None = None,
        socket: str | PathLike[str] | None = None,
    ) -> None:
        self._broker = _Login(session_key, profile=profile, interactive=interactive, state_dir=state_dir, socket=socket)
        if not (auth_force and profile is not None):
            self._broker.check_profile()
        if auth_force:
            self._sign_in_anew()
        super().__init__(self._broker.client, expired_statuses=expired_statuses)

    def _access_token(self, *, min_validity: float | None = None) -> AccessToken:
        return self._broker.token(min_validity=min_validity)

    def _granted(self) -> AccessToken:
        return self._broker.client.token(self._broker.key)

    def _sign_in_anew(self) -> None:
        self._broker.login(force=True)


class ClientSession(BaseAuthSession):
    """A program's session: its client signs in as itself.

    It signs in when it is made: a wrong secret is an error then. Processes with the same client and secret share
    what the broker has of them, in its memory only; where the broker has forgotten it, it is opened again. While the
    broker has it open, one more is answered from there and the server is not asked: a secret that was revoked since
    shows when its token is renewed or refused. Requests raise `TemporarilyUnavailable` then, with the server's word,
    and whoever makes one more gets `AccessDenied`. A long wait is mentioned in a terminal or a notebook.

    Parameters
    ----------
    client_id : str
        The client's identifier.
    client_secret : str
        Its secret; neither the session nor a traceback shows it.
    profile : str, optional
        The broker's profile to sign in with, if not ``4insight-service``.
    scopes : str, optional
        Scopes instead of the profile's, space-separated.
    expired_statuses : collection of int, optional
        Which statuses of the API say that the token is not taken: 401 when left out.
    state_dir, socket : path-like, optional
        Where the broker is, if not at its usual place.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        profile: str = CLIENT_PROFILE,
        scopes: str | None = None,
        expired_statuses: Collection[int] | None = None,
        state_dir: str | PathLike[str] | None = None,
        socket: str | PathLike[str] | None = None,
    ) -> None:
        self._client_id = client_id
        self._shown = harmless(str(client_id))
        self._client_secret = _Secret(client_secret)
        # What shows the variables of a traceback shows no secret.
        del client_secret
        self._client_secret.check()
        self._profile = profile
        self._scopes = scopes
        self._calls = Client(state_dir=state_dir, socket=socket)
        self._open()
        super().__init__(self._calls, expired_statuses=expired_statuses)

    def _access_token(self, *, min_validity: float | None = None) -> AccessToken:
        try:
            return self._granted(min_validity=min_validity)
        except (errors.LoginRequired, errors.NotFound):
            self._open()
        return self._granted()

    def _granted(self, *, min_validity: float | None = None) -> AccessToken:
        with telling(find(None), f"Waiting for a fresh token of client {self._shown}.") as tell:
            return self._calls.token(self._key, min_validity=min_validity, on_wait=tell)

    def _sign_in_anew(self) -> None:
        self._open(force=True)

    def _open(self, *, force: bool = False) -> None:
        """Have the broker open the client's session, unless it is open; its name may be another one then."""
        with telling_meanwhile(find(None), f"Waiting for client {self._shown} to be signed in."):
            attempt = self._calls.start_login(
                # No variable has it, because of the secret.
                {
                    "profile": self._profile,
                    "flow": "client_credentials",
                    "client_id": self._client_id,
                    "client_secret": self._client_secret.text,
                    "scope": self._scopes,
                    "client_session": True,
                    "force": force,
                }
            )
            while attempt["state"] == "pending":
                attempt = self._calls.login(attempt["id"], _WAIT)
        if attempt["state"] != "succeeded":
            raise _failed(attempt)
        self._key = str(attempt["session"])


class _Login(session.Session):
    """The broker's session that a `session_key` of ``fourinsight.api`` stands for, and how its person signs in."""

    def __init__(
        self,
        session_key: str | None,
        *,
        profile: str | None,
        interactive: bool | None,
        state_dir: str | PathLike[str] | None,
        socket: str | PathLike[str] | None,
    ) -> None:
        self._session_key = _as_text(session_key)
        key, self._original_key = session_key_of_seed(self._session_key)
        super().__init__(key, interactive=interactive, state_dir=state_dir, socket=socket)
        self._wanted_profile = profile
        self._found_profile: str | None = None

    def check_profile(self) -> None:
        """Refuse a session that is signed in with another profile: its tokens are for another server.

        Raises
        ------
        InvalidRequest
            It is; the text says what can be done.
        """
        # A broker that is not running may know the session from before.
        self.client.start_daemon()
        try:
            found = self.status().get("profile")
        except errors.NotFound:
            return
        wanted = self._wanted_profile or USER_PROFILE
        if found in (None, wanted):
            return
        if self._wanted_profile is None and self._is_of_4insight(found):
            self._found_profile = found
            return
        raise errors.InvalidRequest(
            f"session {self.key} is signed in with profile {found}, not {wanted}, so its tokens may be for another "
            f"server; give another session_key, or profile={found!r} if that profile is meant for 4insight, or run "
            f"`{self._command(wanted)} --force`, which replaces the login"
        )

    def _is_of_4insight(self, profile: str) -> bool:
        profiles = self.client.profiles()["profiles"]
        return any(one["name"] == profile and one.get("preset") == USER_PROFILE for one in profiles)

    def token(self, **demands: Any) -> AccessToken:
        try:
            return super().token(**demands)
        except (errors.LoginRequired, errors.InteractionRequired) as required:
            # Whoever was asked has had their say.
            if find(self._interactive) is not None:
                raise
            if isinstance(required, errors.InteractionRequired):
                raise self._wants_person(required) from required
            raise self._nobody(self._login_profile()) from required

    def _sign_in(self, request: dict[str, Any], person: Person | None, begun: Begun = None) -> None:
        profile = self._login_profile()
        force = bool(request.get("force"))
        if person is None or self._interactive is False:
            raise self._nobody(profile, force=force)
        file = None if force else self._token_file(profile)
        if file and file.is_taken_over(person):
            return
        more = {"profile": profile, "original_key": self._original_key, "package": _package()}
        super()._sign_in({**request, **more}, person, begun)

    def _login_profile(self) -> str:
        """Give the profile to sign in with: the one that was asked for, else 4insight's."""
        return self._wanted_profile or self._found_profile or USER_PROFILE

    def _token_file(self, profile: str) -> TokenFile | None:
        """Find a login that fourinsight.api has for the same key, and that would do."""
        return find_token_file(
            self.client,
            self._session_key,
            session=self.key,
            original_key=self._original_key,
            profile=profile,
            package=_package(),
        )

    def _nobody(self, profile: str, *, force: bool = False) -> errors.LoginRequired:
        command = self._command(profile) + (" --force" if force else "")
        what = f"somebody has to sign in to session {self.key}, and nobody can be asked here"
        file = None if force else self._token_file(profile)
        more = f", or `{IMPORT_COMMAND}` to take over the login in {file.shown}" if file else ""
        return errors.LoginRequired(
            f"{what}; run `{command}` in a terminal{more}", code="login_required", description=what, action=command
        )

    def _wants_person(self, required: errors.InteractionRequired) -> errors.InteractionRequired:
        command = self._command(self._login_profile())
        what = required.description
        return errors.InteractionRequired(
            f"{what}; run `{command}` in a terminal", code=required.code, description=what, action=command
        )

    def _command(self, profile: str) -> str:
        return f"{login_command(self.key)} --profile {quote(profile)}"


class _Secret:
    """A client secret that does not show itself, as where a notebook lists its variables."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "<client secret>"

    def check(self) -> None:
        """Refuse what is no text here, because the error of whoever tries to encode it has all of it."""
        if _is_broken(self.text):
            raise ValueError("the client_secret has half a surrogate pair in it, which is no text")


def _as_text(session_key: str | None) -> str | None:
    r"""Give a session_key as text: ``fourinsight.api`` makes a file's name of it, which may hold bytes that are none.

    Python passes such bytes on as halves of surrogate pairs (PEP 383); here each becomes ``\x80`` or its like.
    """
    if not isinstance(session_key, str):
        return session_key
    try:
        return session_key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        raise ValueError(
            "the session_key has half a surrogate pair in it, which is no text and no file's name; take another one"
        ) from None


def _is_broken(text: str) -> bool:
    """Tell whether a text cannot be encoded."""
    return isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text)


def _package() -> str | None:
    """Find where ``fourinsight.api`` is installed: the profile reads its client's secret there."""
    try:
        found = find_spec("fourinsight.api")
    except (ImportError, ValueError):
        return None
    folders = (found.submodule_search_locations if found else None) or []
    return next((folder for folder in folders if Path(folder).is_absolute()), None)


_KINDS: dict[str, type[errors.BrokerError]] = {
    "access_denied": errors.AccessDenied,
    "interaction_required": errors.InteractionRequired,
    "invalid_request": errors.InvalidRequest,
    "invalid_scope": errors.InvalidRequest,
    "invalid_target": errors.InvalidRequest,
    "login_required": errors.LoginRequired,
    "temporarily_unavailable": errors.TemporarilyUnavailable,
}


def _failed(attempt: dict[str, Any]) -> errors.BrokerError:
    """Make the exception for a login that needed nobody, and failed."""
    error = attempt.get("error") or {}
    code = error.get("error")
    description = error.get("error_description") or attempt.get("note") or f"the login has {attempt['state']}"
    hint = error.get("hint")
    return _KINDS.get(str(code), errors.ServerError)(
        f"{description.rstrip('.')}; {hint}" if hint else description,
        code=code,
        description=description,
        retry_after=error.get("retry_after"),
    )
