"""The session of requests-oauthlib, with tokens from the broker: ``pip install fourinsight-broker[oauthlib]``."""

from __future__ import annotations

import threading
import time
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

try:
    import requests
    from requests.auth import AuthBase, HTTPBasicAuth
except ImportError as missing:
    raise ImportError("OAuth2Session needs requests; pip install fourinsight-broker[oauthlib]") from missing

from .errors import BrokerError
from .oauth2_errors import InsecureTransportError, TokenExpiredError, TokenUpdated
from .oauth2_login import PastedLogin
from .oauth2_token import as_dict, audience, end_of
from .origin import origin_of
from .requests_auth import BearerAuth
from .session import joined
from .source import TokenSource

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from ._native import AccessToken
    from .session import Session

__all__ = ["InsecureTransportError", "OAuth2Session", "TokenExpiredError", "TokenUpdated"]

_HOOKS = (
    "access_token_response",
    "refresh_token_response",
    "protected_request",
    "refresh_token_request",
    "access_token_request",
)


class OAuth2Session(requests.Session):
    """A `requests.Session` with the constructor and the methods of requests-oauthlib's, and the broker's tokens.

    Every request carries the broker's present token, whatever token the script brings: that one is never sent. What
    the script brings says what it knows. A refresh is the broker's work, and each of the three styles of
    requests-oauthlib's documentation runs:

    * with ``token_updater``, it is called with the token dict whenever the token has changed;
    * with ``auto_refresh_url`` alone, `TokenUpdated` carries the token dict, in place of a request for which the
      script brought an expired token;
    * with neither, `TokenExpiredError` is raised in its place, and `refresh_token` gives the token dict.

    A script that brings no token has none of the three happen to it, but for its ``token_updater``. A token dict never
    holds a refresh token.

    An answer of 401 is reported to the broker, and the request is repeated once with the next token, unless its body
    is a stream that cannot be read again. The token goes only to the origin that is asked first, and only over https
    or to this machine itself, without a proxy then. Nothing of a request is ever sent to a token endpoint.

    Parameters
    ----------
    client_id : str, optional
        Kept for scripts that read it: the profile of the session has its own. It does not choose the session, and
        neither does ``token``: `session_key` does.
    client : oauthlib.oauth2.Client, optional
        Its ``client_id``, ``scope`` and ``token`` count where they are not given here.
    auto_refresh_url : str, optional
        Any text: the script wants to be told by `TokenUpdated`. Nothing is sent there.
    auto_refresh_kwargs : dict, optional
        Kept for scripts that read it.
    scope : str or iterable of str, optional
        The scopes of a login that `authorization_url` begins; the profile's when left out. Requests have the session's
        own token where it has them all, and a token for them otherwise, as for another API of the same server.
    redirect_uri : str, optional
        Kept for scripts that read it: the profile of the session has its own.
    token : dict, optional
        What the script knows of the token, such as what it saved last.
    state : str or callable, optional
        Kept for scripts that read it: the broker draws its own.
    token_updater : callable, optional
        Called with the token dict whenever the token has changed.
    pkce : str, optional
        ``"S256"``, ``"plain"`` or nothing: the broker sends a code challenge in any case.
    session_key : str or Session, optional
        The broker's session, or its key. Defaults to ``"default"``.
    profile : str, optional
        The profile with which `authorization_url` signs in; the configuration's default when left out.
    expired_statuses : collection of int, optional
        With which statuses the API says that it refuses the token.

    Examples
    --------
    >>> from fourinsight_broker import OAuth2Session
    >>> api = OAuth2Session("my-client", session_key="work", token_updater=lambda token: None)
    >>> response = api.get("https://api.example.com/v1/files")  # doctest: +SKIP
    """

    # What requests pickles: all but the tokens, and what the script would send to a token endpoint.
    __attrs__ = [  # noqa: RUF012 - a list, as requests has it
        *requests.Session.__attrs__,
        *("client_id", "scope", "redirect_uri", "state", "auto_refresh_url", "token_updater", "compliance_hook"),
        *("_source", "_bearer", "_login"),
    ]

    def __init__(
        self,
        client_id: str | None = None,
        client: Any = None,
        auto_refresh_url: str | None = None,
        auto_refresh_kwargs: dict[str, Any] | None = None,
        scope: str | Iterable[str] | None = None,
        redirect_uri: str | None = None,
        token: dict[str, Any] | None = None,
        state: str | Callable[[], str] | None = None,
        token_updater: Callable[[dict[str, Any]], Any] | None = None,
        pkce: str | None = None,
        *,
        session_key: str | Session | None = None,
        profile: str | None = None,
        expired_statuses: Collection[int] = (401,),
    ) -> None:
        if pkce not in ("S256", "plain", None):
            raise AttributeError('pkce is "S256", "plain" or None')
        super().__init__()
        self.client_id = client_id or getattr(client, "client_id", None)
        self.scope = scope if scope is not None else getattr(client, "scope", None)
        self.redirect_uri = redirect_uri
        self.state = state
        self.auto_refresh_url = auto_refresh_url
        self.auto_refresh_kwargs = auto_refresh_kwargs or {}
        self.token_updater = token_updater
        self.compliance_hook: dict[str, set[Callable[..., Any]]] = {name: set() for name in _HOOKS}
        self._lock = threading.RLock()
        self._source = _Watched(session_key, self)
        self._bearer = BearerAuth(self._source, expired_statuses, avoids_proxies=True)
        self._login = PastedLogin(self._source.session, profile)
        self.token = token or getattr(client, "token", None) or {}

    @property
    def token(self) -> dict[str, Any]:
        """The token dict that the script holds: what it brought, or what it was told last; empty before that."""
        return self._held

    @token.setter
    def token(self, token: dict[str, Any] | None) -> None:
        with self._lock:
            self._held = dict(token or {})
            self._ends_at = end_of(self._held)
            self._is_brought = bool(self._held)

    @property
    def access_token(self) -> str | None:
        """The access token that the script holds."""
        return self._held.get("access_token")

    @property
    def authorized(self) -> bool:
        """Whether the script holds a token, or the session is signed in."""
        return bool(self.access_token) or self._source.is_signed_in()

    def authorization_url(self, url: str, state: str | None = None, **kwargs: Any) -> tuple[str, str]:  # noqa: ARG002
        """Begin a login at the broker, and give the link for the person who signs in.

        The link is the broker's, made from the session's profile. `fetch_token` takes the address of the page to
        which it leads at last. ``fourinsightctl login`` does the same with less for the person to do.

        Parameters
        ----------
        url : str
            The authorization endpoint, which must be at the server of the profile.
        state : str, optional
            Not used: the broker draws its own.
        **kwargs : Any
            ``prompt="login"`` and ``approval_prompt="force"`` have the server really ask. Others belong into the
            profile's ``authorize_params``; a warning names them.

        Returns
        -------
        tuple[str, str]
            The link and its ``state``.

        Raises
        ------
        ValueError
            The profile is one of another server, or signs nobody in by a link.
        BrokerError
            The broker cannot begin a login; its text says why.
        """
        force = kwargs.pop("prompt", None) == "login" or kwargs.pop("approval_prompt", None) == "force"
        left_out = sorted(name for name in kwargs if not name.startswith("code_challenge"))
        if left_out:
            names = ", ".join(left_out)
            warnings.warn(f"not sent: {names}; put it into authorize_params of the session's profile", stacklevel=2)
        link = self._login.begin(scope=joined(self.scope), force=force)
        if origin_of(link) != origin_of(url):
            self._login.cancel()
            raise ValueError(
                "the profile that the broker signs in with is one of another server than this authorization endpoint; "
                "name the right one: OAuth2Session(profile=…)"
            )
        return link, (parse_qs(urlsplit(link).query).get("state") or [""])[0]

    def fetch_token(
        self,
        token_url: str | None = None,
        code: str | None = None,
        authorization_response: str | None = None,
        *_others: Any,
        **_kwargs: Any,
    ) -> dict[str, Any]:
        """Give the token dict: of the login that `authorization_url` began, or of the session as it is.

        Nothing is sent to ``token_url``, and neither secrets nor passwords that are given here are used: a client
        that signs in by itself is declared in the broker's configuration.

        Parameters
        ----------
        token_url : str, optional
            Not used.
        code : str, optional
            The authorization code of the login that `authorization_url` began.
        authorization_response : str, optional
            The address of the page to which its link led at last.

        Returns
        -------
        dict
            ``access_token``, ``token_type``, and ``expires_in``, ``expires_at`` and ``scope`` as far as they are known.

        Raises
        ------
        ValueError
            A code or an address was given, and no login was begun here.
        LoginRequired
            Nobody is signed in. Its text holds the command to run.
        BrokerError
            The login failed; its text says why.
        """
        pasted = authorization_response or code
        if pasted:
            self._login.finish(pasted)
        return self.refresh_token(token_url)

    def token_from_fragment(self, authorization_response: str) -> dict[str, Any]:
        """Give the token dict of the login that `authorization_url` began, from the address it led to at last."""
        return self.fetch_token(authorization_response=authorization_response)

    def refresh_token(self, token_url: str | None = None, *_others: Any, **_kwargs: Any) -> dict[str, Any]:  # noqa: ARG002
        """Give the token dict of the broker's present token.

        Parameters
        ----------
        token_url : str, optional
            Not used, as any other argument: the broker refreshes by itself.

        Returns
        -------
        dict
            ``access_token``, ``token_type``, and ``expires_in``, ``expires_at`` and ``scope`` as far as they are known.

        Raises
        ------
        LoginRequired
            Nobody is signed in. Its text holds the command to run.
        """
        self.token = as_dict(self._source.present())
        return dict(self._held)

    def new_state(self) -> str:
        """Give the state of the script's choice, or none: the broker draws its own."""
        state = self.state() if callable(self.state) else self.state
        return state or ""

    def register_compliance_hook(self, hook_type: str, hook: Callable[..., Any]) -> None:
        """Have a function look at requests before they are sent.

        Parameters
        ----------
        hook_type : str
            ``protected_request``. The other four of requests-oauthlib are taken too, and never called: no request to
            a token endpoint is made here.
        hook : callable
            Called with the URL, the headers and the data of a request, which it gives back.
        """
        if hook_type not in self.compliance_hook:
            raise ValueError(f"the hook type is one of {sorted(self.compliance_hook)}")
        self.compliance_hook[hook_type].add(hook)

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        data: Any = None,
        headers: Any = None,
        withhold_token: bool = False,
        client_id: str | None = None,  # noqa: ARG002
        client_secret: str | None = None,  # noqa: ARG002
        files: Any = None,
        **kwargs: Any,
    ) -> requests.Response:
        """Send a request with the broker's present token.

        Parameters
        ----------
        method, url, data, headers, files, **kwargs
            As `requests.Session.request` takes them.
        withhold_token : bool, optional
            Send it without the token.
        client_id, client_secret : str, optional
            Not used.

        Returns
        -------
        requests.Response
            The answer.

        Raises
        ------
        InsecureTransportError
            The URL is neither https nor on this machine.
        TokenUpdated, TokenExpiredError
            The script brought an expired token; the request was not sent.
        LoginRequired
            Nobody is signed in. Its text holds the command to run.
        """
        if origin_of(url) is None:
            raise InsecureTransportError
        if withhold_token:
            kwargs.setdefault("auth", _as_it_is)
        else:
            for hook in self.compliance_hook["protected_request"]:
                url, headers, data = hook(url, headers, data)
            kwargs["auth"] = _Both(self._bearer, kwargs.get("auth") or self.auth)
        return super().request(method, url, data=data, headers=headers, files=files, **kwargs)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a prepared request; without a proxy where it goes to this machine, because that would read the token."""
        origin = origin_of(request.url or "")
        if "Authorization" in request.headers and origin and origin.scheme == "http":
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self.auto_refresh_kwargs = {}
        self._lock = threading.RLock()
        self.token = {}

    def _up_to_date(self, present: AccessToken) -> None:
        """Have the script hold the present token, and tell it so in the style that it asks for."""
        with self._lock:
            is_over = self._is_brought and self._ends_at is not None and self._ends_at < time.time()
            if is_over and not self.token_updater and not self.auto_refresh_url:
                raise TokenExpiredError
            if not is_over and self._held.get("access_token") == present.secret:
                return
            self.token = as_dict(present)
            self._is_brought = False
            if self.token_updater:
                self.token_updater(dict(self._held))
            elif is_over:
                raise TokenUpdated(dict(self._held))


class _Watched(TokenSource):
    """The tokens of a session, told to the script before they are used."""

    def __init__(self, session_key: str | Session | None, script: OAuth2Session) -> None:
        super().__init__(session_key)
        self._script = script

    def present(self) -> AccessToken:
        """Give the present token without a word."""
        wanted = audience(self._script.scope)
        # Scopes that the login has are no reason for a token of their own: the script means those of its login. Others
        # can be of another audience of the same login, as Entra has them.
        return super().token(scopes=None if wanted is None or self._has(wanted) else wanted)

    def _has(self, scopes: str) -> bool:
        """Tell whether the session's own token has these scopes."""
        try:
            granted = self.session.status().get("scope") or ""
        except BrokerError:
            return False
        return set(granted.split()).issuperset(scopes.split())

    def is_signed_in(self) -> bool:
        """Tell whether the session is signed in, without starting the broker."""
        try:
            return bool(self.session.status()["state"] == "signed_in")
        except BrokerError:
            return False

    def token(self, **_demands: Any) -> AccessToken:
        token = self.present()
        self._script._up_to_date(token)
        return token


class _Both(AuthBase):
    """Signs a request with a token, and then as the script wants it too."""

    def __init__(self, bearer: BearerAuth, other: Any) -> None:
        self._bearer = bearer
        self._other = HTTPBasicAuth(*other) if isinstance(other, tuple) else other

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        signed = self._bearer(r)
        return self._other(signed) if self._other else signed


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Sign nothing, and keep requests from looking for a password elsewhere."""
    return request
