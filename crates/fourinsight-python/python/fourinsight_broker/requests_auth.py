"""Bearer tokens for requests: ``pip install fourinsight-broker[requests]``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

try:
    from requests.auth import AuthBase
    from requests.exceptions import UnrewindableBodyError
    from requests.utils import get_environ_proxies, rewind_body, select_proxy
except ImportError as missing:
    raise ImportError("RequestsAuth needs requests; pip install fourinsight-broker[requests]") from missing

from .origin import Guard, origin_of
from .proxy import say_proxied
from .source import TokenSource, say_withheld

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from requests import PreparedRequest, Response

    from ._native import AccessToken
    from .session import Session

__all__ = ["BearerAuth", "Exchange", "RequestsAuth"]


class BearerAuth(AuthBase):
    """Signs the requests of requests with the tokens of a source: see `RequestsAuth`.

    Parameters
    ----------
    source : TokenSource
        Where the tokens come from.
    expired_statuses : collection of int
        With which statuses an API says that it refuses the token.
    avoids_proxies : bool, optional
        Whoever sends the requests asks no proxy where they go to this machine itself.
    """

    def __init__(self, source: TokenSource, expired_statuses: Collection[int], *, avoids_proxies: bool = False) -> None:
        self._source = source
        self._avoids_proxies = avoids_proxies
        self._expired_statuses = frozenset(expired_statuses)
        self._guard = Guard()

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Sign a request, if it may have the token."""
        if not self._guard.allows(r.url or ""):
            say_withheld()
            return r
        if not self._avoids_proxies and _is_read_by_a_proxy(r.url or ""):
            say_proxied()
            return r
        token = self._source.token()
        r.headers["Authorization"] = _header(token)
        r.register_hook("response", Exchange(self._source.another, self._guard, self._expired_statuses, token))
        return r


class RequestsAuth(BearerAuth):
    """Signs the requests of requests with a session's tokens.

    An answer of 401 is reported to the broker with what the API demands, and the request is repeated once with the
    next token, unless its body is a stream that cannot be read again. The token goes only to the origin that is asked
    first, and only over https or to this machine itself: any other request goes without it, after a redirect as well
    as when it is asked for; make another `RequestsAuth` for another API.

    A proxy reads what goes to this machine over plain http. Where ``HTTP_PROXY`` or its like name one and ``NO_PROXY``
    does not except the host, such a request goes without the token, even by a `requests.Session` that is told not to
    heed them (``trust_env``). A proxy that is given to requests itself (``proxies=``) cannot be seen from here, and is
    sent the token: give none for ``http://localhost``.

    Parameters
    ----------
    session_key : str or Session, optional
        The session, or its key. Defaults to ``"default"``.
    scopes : str or iterable of str, optional
        Scopes other than the session's own: one login serves many.
    resource : str, optional
        The resource that the tokens are for (RFC 8707), if not the session's own.
    expired_statuses : collection of int, optional
        With which statuses the API says that it refuses the token.

    Raises
    ------
    LoginRequired, InteractionRequired
        When a request is sent, or repeated: somebody has to sign in.

    Examples
    --------
    >>> import requests
    >>> from fourinsight_broker import RequestsAuth
    >>> api = requests.Session()
    >>> api.auth = RequestsAuth("work")
    >>> response = api.get("https://api.example.com/v1/files")  # doctest: +SKIP
    """

    def __init__(
        self,
        session_key: str | Session | None = None,
        *,
        scopes: str | Iterable[str] | None = None,
        resource: str | None = None,
        expired_statuses: Collection[int] = (401,),
    ) -> None:
        super().__init__(TokenSource(session_key, scopes=scopes, resource=resource), expired_statuses)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source.words()})"


class Exchange:
    """One signed request, with the redirects that it leads to: looks at each answer before requests does.

    Parameters
    ----------
    another : callable
        Reports that the API refused a token, with the answer's ``WWW-Authenticate``, and gives the next one if any.
    guard : Guard
        Where the token may go.
    expired_statuses : collection of int
        With which statuses the API says that it refuses the token.
    token : AccessToken
        The one that the request was signed with.
    """

    def __init__(
        self,
        another: Callable[[AccessToken, str | None], AccessToken | None],
        guard: Guard,
        expired_statuses: Collection[int],
        token: AccessToken,
    ) -> None:
        self._another = another
        self._guard = guard
        self._expired_statuses = expired_statuses
        self._token = token
        self._is_repeated = False

    def __call__(self, response: Response, **sending: Any) -> Response:
        """Report a refusal, and repeat the request once with the next token."""
        request = response.request
        if request.headers.get("Authorization") != _header(self._token):
            return response
        if response.is_redirect:
            self._keep_from_elsewhere(response)
        elif response.status_code in self._expired_statuses and not self._is_repeated:
            another = self._another(self._token, response.headers.get("WWW-Authenticate"))
            if another is not None and _rewound(request):
                return self._repeated(response, another, sending)
        return response

    def _repeated(self, refused: Response, another: AccessToken, sending: dict[str, Any]) -> Response:
        # Read to its end, so that its connection serves the repeated request.
        _ = refused.content
        refused.close()
        # requests goes on with this very object, so that a redirect that follows has the new token, too.
        request = refused.request
        refused.request = request.copy()
        request.headers["Authorization"] = _header(another)
        self._token, self._is_repeated = another, True
        repeated: Response = refused.connection.send(request, **sending)
        repeated.request = request
        repeated.history.append(refused)
        if repeated.is_redirect:
            self._keep_from_elsewhere(repeated)
        return repeated

    def _keep_from_elsewhere(self, response: Response) -> None:
        """Take the token out of what a redirect copies, where it leads to another origin."""
        if not self._guard.allows(urljoin(response.url, response.headers["Location"])):
            del response.request.headers["Authorization"]


def _header(token: AccessToken) -> str:
    return f"Bearer {token.secret}"


def _is_read_by_a_proxy(url: str) -> bool:
    """Tell whether requests is told by the environment to send this by way of a proxy, and in the clear."""
    origin = origin_of(url)
    return origin is not None and origin.scheme == "http" and bool(select_proxy(url, get_environ_proxies(url)))


def _rewound(request: PreparedRequest) -> bool:
    """Tell whether the body of a request can be sent again, and put it at its beginning."""
    if request.body is None or isinstance(request.body, (str, bytes)):
        return True
    if not hasattr(request.body, "read"):
        # What is its own iterator is consumed by being read.
        return not isinstance(request.body, Iterator)
    try:
        rewind_body(request)
    except (UnrewindableBodyError, ValueError):
        # A generator, a pipe, or a file that has been closed since.
        return False
    return True
