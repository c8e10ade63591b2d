"""Bearer tokens for httpx: ``pip install fourinsight-broker[httpx]``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

try:
    import anyio.to_thread
    import httpx
    from anyio.lowlevel import RunVar
except ImportError as missing:
    raise ImportError("HttpxAuth needs httpx; pip install fourinsight-broker[httpx]") from missing

from .origin import Guard
from .proxy import is_on_the_way, say_proxied
from .source import TokenSource, say_withheld

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable
    from typing import TypeVar

    from ._native import AccessToken
    from .session import Session

    T = TypeVar("T")

__all__ = ["HttpxAuth"]

_MOST_THREADS = 256

# One for each event loop. anyio's own one is for everybody's work, which is not to wait until ours is done.
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("fourinsight_broker")


class HttpxAuth(httpx.Auth):
    """Signs the requests of httpx with a session's tokens, those of `httpx.Client` and of `httpx.AsyncClient`.

    An answer of 401 is reported to the broker with what the API demands, and the request is repeated once with the
    next token, unless its body is a stream or a form with files. The token goes only to the origin that is asked
    first, and only over https or to this machine itself: any other request goes without it; make another `HttpxAuth`
    for another API. Under asyncio the broker is asked on a thread, so that nothing else waits for it.

    A proxy reads what goes to this machine over plain http. Where ``HTTP_PROXY`` or its like name one and ``NO_PROXY``
    does not name the host, such a request goes without the token, even by a client that is told not to heed them
    (``trust_env=False``). A proxy that is given to httpx itself (``proxy=``, ``mounts=``), or that the environment
    named only when the client was made, cannot be seen from here, and is sent the token.

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
    >>> import httpx
    >>> from fourinsight_broker import HttpxAuth
    >>> api = httpx.Client(auth=HttpxAuth("work"))
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
        self._source = TokenSource(session_key, scopes=scopes, resource=resource)
        self._expired_statuses = frozenset(expired_statuses)
        self._guard = Guard()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source.words()})"

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request, and repeat it once should the API refuse the token."""
        if not self._may_have_a_token(request):
            yield request
            return
        token = self._source.token()
        response = yield _signed(request, token)
        if not self._is_refused(response, token):
            return
        another = self._source.another(token, _challenge(response))
        if another is not None and _is_repeatable(response.request):
            yield _signed(response.request, another)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Sign a request, and repeat it once should the API refuse the token."""
        if not self._may_have_a_token(request):
            yield request
            return
        token = await _beside(self._source.token)
        response = yield _signed(request, token)
        if not self._is_refused(response, token):
            return
        another = await _beside(partial(self._source.another, token, _challenge(response)))
        if another is not None and _is_repeatable(response.request):
            yield _signed(response.request, another)

    def _may_have_a_token(self, request: httpx.Request) -> bool:
        if not self._guard.allows(str(request.url)):
            say_withheld()
            return False
        if is_on_the_way(str(request.url)):
            say_proxied()
            return False
        return True

    def _is_refused(self, response: httpx.Response, token: AccessToken) -> bool:
        """Tell whether it was this token that was refused, and not what a redirect led to without it."""
        return (
            response.status_code in self._expired_statuses
            and response.request.headers.get("Authorization") == _header(token)
            and self._guard.allows(str(response.request.url))
        )


async def _beside(call: Callable[[], T]) -> T:
    """Wait for a call on a thread. Cancelling ends the wait at once; the thread ends with the broker's answer."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(_MOST_THREADS)
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=limiter)


def _signed(request: httpx.Request, token: AccessToken) -> httpx.Request:
    request.headers["Authorization"] = _header(token)
    return request


def _header(token: AccessToken) -> str:
    return f"Bearer {token.secret}"


def _challenge(response: httpx.Response) -> str:
    return ", ".join(response.headers.get_list("WWW-Authenticate"))


def _is_repeatable(request: httpx.Request) -> bool:
    """Tell whether the body of a request can be sent again: it can if it is in memory."""
    try:
        _ = request.content
    except httpx.RequestNotRead:
        return False
    return True
