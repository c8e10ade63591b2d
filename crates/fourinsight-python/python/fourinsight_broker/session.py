"""A session of the broker: a named login that every process of its person may ask for tokens."""

from __future__ import annotations

from ._native import AccessToken, Client
from .errors import InteractionRequired, InvalidRequest, LoginRequired

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from os import PathLike
    from typing import Any

    from .interaction import Begun, Person

__all__ = ["Session", "joined"]

_NEEDS_NOBODY = ("client_credentials", "certificate")
"""The flows in which the client signs in as itself."""

_ANSWERED_BY_LOGIN = (
    "interaction_required",
    "login_required",
    "consent_required",
    "account_selection_required",
    "insufficient_user_authentication",
    "invalid_grant",
)
"""What a server or an API can want of a session that is signed in, and a login answers."""


def joined(scopes: str | Iterable[str] | None) -> str | None:
    """Give scopes as one text, as requests name them (RFC 6749 section 3.3)."""
    return scopes if scopes is None or isinstance(scopes, str) else " ".join(scopes)


class Session:
    """A session of the broker.

    Threads may share it, and a forked worker opens a connection of its own.

    Parameters
    ----------
    session_key : str, optional
        The session's key: letters, digits, space and ``. _ - @ + =``. Defaults to ``"default"``.
    profile : str, optional
        The profile with which a login signs in; the configuration's default when left out.
    interactive : bool, optional
        Whether a person is asked to sign in when that is needed: ``False`` (the default) raises `LoginRequired`
        instead, ``True`` asks, and ``None`` asks where somebody is there to answer: at a terminal or in a notebook.
    state_dir : path-like, optional
        The broker's state folder, if it is not the usual one (nor that of ``FOURINSIGHT_STATE_DIR``).
    socket : path-like, optional
        Where the broker listens, if it is not the usual place (nor that of ``FOURINSIGHT_SOCKET``).
    """

    def __init__(
        self,
        session_key: str | None = None,
        *,
        profile: str | None = None,
        interactive: bool | None = False,
        state_dir: str | PathLike[str] | None = None,
        socket: str | PathLike[str] | None = None,
    ) -> None:
        self.key = "default" if session_key is None else session_key
        self.client = Client(state_dir=state_dir, socket=socket)
        self._profile = profile
        self._interactive = interactive
        self._state_dir = state_dir
        self._socket = socket

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "client"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.client = Client(state_dir=self._state_dir, socket=self._socket)

    def token(
        self,
        *,
        scopes: str | Iterable[str] | None = None,
        resource: str | None = None,
        claims: str | None = None,
        enable_cae: bool = False,
        min_validity: float | None = None,
        wait: float | None = None,
    ) -> AccessToken:
        """Give a living access token.

        Ask before each request instead of keeping one: that takes microseconds, and only the broker knows when a
        token was renewed or rejected.

        Parameters
        ----------
        scopes : str or iterable of str, optional
            Scopes other than the session's own: one login serves many.
        resource : str, optional
            The resource that the token is for (RFC 8707), if not the session's own.
        claims : str, optional
            What an API demands of the token, a JSON object: the token is fetched anew with it.
        enable_cae : bool, optional
            The caller can answer a claims challenge (Continuous Access Evaluation).
        min_validity : float, optional
            Below how many seconds of remaining life the broker tries to renew first.
        wait : float, optional
            For how many seconds the broker may wait for a renewal; 30 when left out, 300 at most.

        Returns
        -------
        AccessToken
            The token; ``token.secret`` is what goes behind ``Bearer``.

        Raises
        ------
        LoginRequired
            Somebody has to sign in, and nobody can be asked.
        InteractionRequired
            The server wants to ask the session's person something, and nobody can be asked; or it wants that for
            other scopes, another resource or claims, of which nobody is asked here.
        BrokerError
            Anything else, by what can be done about it.
        """
        return self._token(
            {
                "scope": joined(scopes),
                "resource": resource,
                "claims": claims,
                "enable_cae": enable_cae,
                "min_validity": min_validity,
                "wait": wait,
            }
        )

    def reject(self, token: AccessToken, www_authenticate: str | None = None) -> dict[str, Any]:
        """Report that an API refused a token: nobody is given it again.

        Parameters
        ----------
        token : AccessToken
            The token.
        www_authenticate : str, optional
            The API's ``WWW-Authenticate`` header, several joined by commas.

        Returns
        -------
        dict
            ``outcome`` says what becomes of it, ``description`` says it to people.
        """
        return self.client.reject(token, www_authenticate)

    def status(self) -> dict[str, Any]:
        """Tell where the session stands: its state, who is signed in, when its token expires; never a token."""
        return self.client.status(self.key)

    def login(
        self,
        *,
        force: bool = False,
        profile: str | None = None,
        flow: str | None = None,
        switch_user: bool = False,
        **more: Any,
    ) -> dict[str, Any]:
        """Sign a person in to the session, unless somebody is.

        They are asked at the terminal or in the notebook that this runs in, whatever `interactive` says of `token`.

        Parameters
        ----------
        force : bool, optional
            Sign in again, and have the server really ask.
        profile : str, optional
            The profile to sign in with; the session's when left out.
        flow : str, optional
            How to sign in; as the profile says when left out.
        switch_user : bool, optional
            Accept another person than the session had, without asking.
        **more
            Further fields of a login request: ``scope``, ``resource``, ``ephemeral``, ``until_logout``,
            ``client_id``, ``client_secret``, ``original_key``, ``package``.

        Returns
        -------
        dict
            The session's status; see `status`.

        Raises
        ------
        LoginRequired
            Nobody can be asked here; `action` is the command to run elsewhere. Or nobody answered.
        AccessDenied
            The person or the server said no.
        """
        request = {"profile": profile, "flow": flow, "force": force, "switch_user": switch_user, **more}
        return self._login(request)

    def revoke(self) -> dict[str, Any]:
        """Revoke the session at its server, as far as the server lets, and forget it here in every case."""
        return self.client.revoke(self.key)

    def _token(
        self, demands: dict[str, Any], on_wait: Callable[[], None] | None = None, begun: Begun = None
    ) -> AccessToken:
        if self._interactive is False:
            return self.client.token(self.key, **demands, on_wait=on_wait)
        from .interaction import find, one_at_a_time, telling

        person = find(self._interactive)
        # A login answers what the server wants of the session itself. What it wants for another audience, or for the
        # claims of an API, is for the caller to know: the session's own tokens still work.
        is_own = not any(demands.get(name) for name in ("scope", "resource", "claims"))
        answered = (LoginRequired, InteractionRequired) if is_own else (LoginRequired,)
        with telling(person, f"Waiting for a fresh token of session {self.key}.", on_wait) as tell:
            try:
                return self.client.token(self.key, **demands, on_wait=tell)
            except answered:
                if person is None:
                    raise
        with one_at_a_time():
            try:
                # Another thread's login may have ended meanwhile.
                return self.client.token(self.key, **demands, on_wait=on_wait)
            except answered:
                self._sign_in({}, person, begun)
            return self.client.token(self.key, **demands, on_wait=on_wait)

    def _login(self, request: dict[str, Any], begun: Begun = None) -> dict[str, Any]:
        from .interaction import find, one_at_a_time

        with one_at_a_time():
            if not request["force"]:
                status = self._signed_in(request["profile"] or self._profile)
                if status and not request["switch_user"]:
                    return status
            self._sign_in(request, find(self._interactive or None), begun)
        return self.status()

    def _signed_in(self, profile: str | None) -> dict[str, Any] | None:
        """Give the session's status, if somebody is signed in and nothing more is wanted of them."""
        self.client.start_daemon()
        status = next((one for one in self.client.sessions() if one["session"] == self.key), None)
        if not status or status["state"] != "signed_in":
            return None
        if (status["problem"] or {}).get("error") in _ANSWERED_BY_LOGIN:
            return None
        if profile and status["profile"] != profile:
            raise InvalidRequest(
                f"session {self.key} is signed in with profile {status['profile']}, not {profile}; "
                "sign in under another key beside it, or replace it with force=True"
            )
        return status

    def _sign_in(self, request: dict[str, Any], person: Person | None, begun: Begun = None) -> None:
        from .interaction import login_command, sign_in

        request = {"profile": self._profile, **{name: value for name, value in request.items() if value is not None}}
        request["session"] = self.key
        if person is None and not self._needs_nobody(request):
            command = login_command(self.key)
            raise LoginRequired(
                f"somebody has to sign in to session {self.key}, and nobody can be asked here; "
                f"run `{command}` in a terminal",
                code="login_required",
            )
        sign_in(self.client, request, person, begun)

    def _needs_nobody(self, request: dict[str, Any]) -> bool:
        """Tell whether a login is the client's own."""
        flow = request.get("flow")
        if flow is None:
            known = self.client.profiles()
            name = request["profile"] or known["default_profile"]
            flow = next((profile["flow"] for profile in known["profiles"] if profile["name"] == name), None)
        return flow in _NEEDS_NOBODY
