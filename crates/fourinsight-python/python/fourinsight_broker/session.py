"""A session of the broker: a named login that every process of its person may ask for tokens."""

from __future__ import annotations

from ._native import AccessToken, Client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike
    from typing import Any

__all__ = ["Session"]


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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r})"

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
        BrokerError
            Anything else, by what can be done about it.
        """
        scope = scopes if scopes is None or isinstance(scopes, str) else " ".join(scopes)

        def ask(wait: float | None) -> AccessToken:
            return self.client.token(
                self.key,
                scope=scope,
                resource=resource,
                claims=claims,
                enable_cae=enable_cae,
                min_validity=min_validity,
                wait=wait,
            )

        return ask(wait)

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

    def revoke(self) -> dict[str, Any]:
        """Revoke the session at its server, as far as the server lets, and forget it here in every case."""
        return self.client.revoke(self.key)
