"""A `requests.Session` whose requests are authorized by the broker's tokens, as those of ``fourinsight.api`` are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

try:
    from requests import Response, Session
    from requests.adapters import HTTPAdapter
    from requests.exceptions import HTTPError, InvalidSchema, InvalidURL
    from urllib3 import Retry
except ImportError as missing:
    raise ImportError(
        "UserSession and ClientSession need requests: pip install fourinsight-broker[requests]"
    ) from missing

from . import errors
from .origin import Guard, Origin, is_secure, origin_of
from .requests_auth import Exchange
from .source import say_withheld

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from requests import PreparedRequest
    from requests.auth import AuthBase

    from ._native import AccessToken, Client

__all__ = ["API_BASE_URL", "BaseAuthSession", "InsecureTransportError"]

API_BASE_URL: Final = "https://api.4insight.io/"
"""Where requests are repeated that the API was too busy for."""

_VERSION = "0.1.24"
_BUSY = frozenset({413, 429, 502, 503, 504})
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

# More than any token lives: asking for that much has the broker renew once.
_WHOLE_LIFE = 1e6


class InsecureTransportError(InvalidSchema):
    """An address that is not https, and not on this machine: nothing is sent there.

    It is oauthlib's error of that name as well, which the sessions of ``fourinsight.api`` raise, where oauthlib is
    installed.
    """

    def __reduce__(self) -> tuple[Callable[[], InsecureTransportError], tuple[()]]:
        return _insecure, ()


def _insecure() -> InsecureTransportError:
    """Make the error. What `OAuth2Session` raises is imported no earlier, because it has oauthlib imported."""
    from .oauth2_errors import InsecureTransportError as Theirs

    kind = type("InsecureTransportError", (InsecureTransportError, Theirs), {"__module__": __name__})
    error: InsecureTransportError = kind()
    # The classes of requests do not pass it on.
    Theirs.__init__(error, "the address is not https: a token would be for everyone on the way to read")
    return error


class BaseAuthSession(Session):
    """What `UserSession` and `ClientSession` have in common: a `requests.Session` whose requests are authorized.

    Threads may share it. Each request asks the broker for a living token, which takes microseconds. The token goes
    only to the origin (scheme, host and port) that the session asks first, for as long as there is the session: any
    other request goes without it, which is logged as a warning; make another session for another API. Whatever a
    redirect or a next page leads to elsewhere is fetched without it, too, and so is everything that follows there.

    Parameters
    ----------
    client : Client
        The calls of the broker.
    expired_statuses : collection of int, optional
        Which statuses of the API say that the token is not taken; those of the class when left out.
    """

    expired_statuses: Collection[int] = frozenset({401})
    """Which statuses of the API say that the token is not taken. It is reported to the broker then, and what was
    refused, which after a redirect is its target alone, is sent once more with the next token, if its body can be."""

    def __init__(self, client: Client, *, expired_statuses: Collection[int] | None = None) -> None:
        super().__init__()
        if expired_statuses is not None:
            self.expired_statuses = frozenset(expired_statuses)
        self._calls = client
        self._guard = Guard()
        self._api_base_url = API_BASE_URL
        retries = Retry(
            total=3, backoff_factor=0.5, allowed_methods=_METHODS, status_forcelist=_BUSY, raise_on_status=False
        )
        self.mount(self._api_base_url, HTTPAdapter(max_retries=retries))
        self._defaults: dict[str, Any] = {"timeout": 100.0}
        # Neither a .netrc file nor an address with a password in it takes the token's place.
        self.auth = _unchanged
        self._access_token()
        self.headers.update({"user-agent": f"python-fourinsight-api/{_VERSION}"})

    def __getstate__(self) -> NoReturn:
        """Refuse to be pickled: a session is made where it is used, which takes microseconds."""
        raise TypeError(f"a {type(self).__name__} cannot be pickled; make one in the process that needs it")

    @property
    def token(self) -> dict[str, Any]:
        """A living access token as a dict with the names of RFC 6749; no refresh token."""
        return _as_dict(self._access_token())

    @property
    def access_token(self) -> str:
        """A living access token."""
        return self._access_token().secret

    @property
    def authorized(self) -> bool:
        """Whether there is a living access token, or one can be had without a person."""
        try:
            self._granted()
        except errors.BrokerError:
            return False
        return True

    def fetch_token(self) -> dict[str, Any]:
        """Sign in anew, and give a token of that login."""
        self._sign_in_anew()
        return self.token

    def refresh_token(self) -> dict[str, Any]:
        """Have the broker renew the token, unless the one that it has is new; give the newest."""
        return _as_dict(self._access_token(min_validity=_WHOLE_LIFE))

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        data: Any = None,
        headers: Any = None,
        withhold_token: bool = False,
        client_id: str | None = None,
        client_secret: str | None = None,
        files: Any = None,
        **kwargs: Any,
    ) -> Response:
        """Send a request, authorized by a living token.

        Parameters
        ----------
        method, url, data, headers, files, **kwargs
            As `requests.Session.request` has them; ``timeout`` is 100 seconds when left out.
        withhold_token : bool, optional
            Send it without a token.
        client_id, client_secret : str, optional
            Taken for compatibility, and not used: the broker has what it renews tokens with.

        Returns
        -------
        requests.Response
            The answer: the second one, where the first said that the token is not taken; that is in its history.
        """
        # What shows the variables of a traceback shows no secret.
        del client_id, client_secret
        for name, value in self._defaults.items():
            kwargs.setdefault(name, value)
        if not is_secure(url):
            raise _insecure()
        kwargs.update(data=data, headers=headers, files=files)
        if withhold_token:
            return super().request(method, url, **kwargs)
        kwargs["auth"] = _Bearer(self._signed, kwargs.get("auth"))
        return super().request(method, url, **kwargs)

    def get(self, url: str, **kwargs: Any) -> Response:  # type: ignore[override]
        """Send a GET request, which may not be for the internal API.

        Parameters
        ----------
        url : str
            The address.
        **kwargs
            As `request` has them.
        """
        kwargs.pop("client_secret", None)
        if "internal" in url:
            raise ValueError("the internal API is for 4insight itself; ask its support where you need it")
        return super().get(url, **kwargs)

    def get_pages(self, url: str, **kwargs: Any) -> Iterator[Response]:
        """Get an answer page by page, following ``@odata.nextLink``.

        Parameters
        ----------
        url : str
            An endpoint that answers with OData.
        **kwargs
            As `get` has them; for the first page only, because the link to the next one says it all.

        Yields
        ------
        requests.Response
            Each page. The first answer that is an error ends it, and is given too.
        """
        kwargs.pop("client_secret", None)
        first: Origin | None = None
        here: str | None = url
        while here:
            response = self.get(here, **kwargs)
            first = first or origin_of((response.history or [response])[0].request.url or "")
            try:
                response.raise_for_status()
            except HTTPError:
                here = None
            else:
                here = response.json().get("@odata.nextLink")
                # Whoever has led elsewhere, by a redirect or a link, says what comes next: none of that is authorized.
                away = kwargs.get("withhold_token") or origin_of(str(response.url)) != first
                away = away or (here is not None and origin_of(here) != first)
                kwargs = {"withhold_token": True} if away else {}
            yield response

    def rebuild_auth(self, prepared_request: PreparedRequest, response: Response) -> None:
        """Take the token out of a request that a redirect leads to another origin."""
        here = origin_of(prepared_request.url or "")
        if here is None or here != origin_of(response.request.url or ""):
            prepared_request.headers.pop("Authorization", None)

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send a prepared request; without a proxy where it goes to this machine, because that would read the token."""
        origin = origin_of(request.url or "")
        if "Authorization" in request.headers and origin and origin.scheme == "http":
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)

    def _signed(self, request: PreparedRequest) -> None:
        """Put a living token into a request that may have it, and see to it that a refusal is answered."""
        url = request.url or ""
        if origin_of(url) is None:
            raise InvalidURL("the address has user information in it, or can be read in two ways: no token goes there")
        if not self._guard.allows(url):
            say_withheld()
            return
        token = self._access_token()
        request.headers["Authorization"] = f"Bearer {token.secret}"
        request.register_hook("response", Exchange(self._another, self._guard, self.expired_statuses, token))

    def _another(self, token: AccessToken, www_authenticate: str | None) -> AccessToken | None:
        """Report that the API did not take the token; give the next one, if there is another."""
        try:
            self._calls.reject(token, www_authenticate)
        except errors.NotFound:
            # The broker has been started anew: what this was a token of has to be opened again.
            pass
        except errors.BrokerError:
            return None
        try:
            successor = self._access_token()
        except errors.TemporarilyUnavailable:
            return None
        return successor if successor.secret != token.secret else None

    def _access_token(self, *, min_validity: float | None = None) -> AccessToken:
        """Give a living token, by signing in where that is needed."""
        raise NotImplementedError

    def _granted(self) -> AccessToken:
        """Give a living token, if there is one or it can be renewed."""
        raise NotImplementedError

    def _sign_in_anew(self) -> None:
        """Sign in, though somebody is signed in."""
        raise NotImplementedError


class _Bearer:
    """Puts a token into a request, unless its caller's own way of authorization takes that place."""

    def __init__(self, signed: Callable[[PreparedRequest], None], auth: AuthBase | tuple[str, str] | None) -> None:
        self._signed = signed
        self._auth = auth

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._auth is not None:
            given = request.headers.get("Authorization")
            request.prepare_auth(self._auth)
            if request.headers.get("Authorization") != given:
                return request
        self._signed(request)
        return request


def _unchanged(request: PreparedRequest) -> PreparedRequest:
    return request


def _as_dict(token: AccessToken) -> dict[str, Any]:
    scope = None if token.scope is None else token.scope.split()
    expires_in = None if token.expires_in is None else int(token.expires_in)
    fields = {
        "access_token": token.secret,
        "token_type": "Bearer",
        "expires_in": expires_in,
        "expires_at": token.expires_at,
        "scope": scope,
    }
    return {name: value for name, value in fields.items() if value is not None}
