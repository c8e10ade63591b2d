"""Credentials for Google's clients: ``pip install fourinsight-broker[google]``."""

from __future__ import annotations

import datetime
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

try:
    from google.auth import credentials, exceptions
except ImportError as missing:
    raise ImportError("GoogleCredentials needs google-auth; pip install fourinsight-broker[google]") from missing

from .errors import BrokerError, TemporarilyUnavailable
from .origin import origin_of
from .proxy import is_on_the_way, say_proxied
from .source import TokenSource

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping, Sequence

    from ._native import AccessToken
    from .session import Session

__all__ = ["GoogleCredentials"]

_log = logging.getLogger("fourinsight_broker")


class GoogleCredentials(credentials.Scoped, credentials.CredentialsWithQuotaProject):
    """Credentials of google-auth whose tokens come from a session of the broker.

    Each request is signed with the broker's present token, so that what google-auth makes of an expiry never matters.
    `refresh` after a request that was signed on the same thread reports the token that it was signed with: that is
    what google-auth's transports do when an API answers 401, before they repeat the request. It cannot be known here
    who answered so: where a redirect led elsewhere, a 401 from there counts as one of the API's, and costs a renewal.

    The token goes only over https, or to this machine itself where no proxy would read it (``HTTP_PROXY`` without an
    exception in ``NO_PROXY``); any other request goes without it. It is not bound to the origin that is asked first, as
    that of `RequestsAuth` is: google-auth has one object for many services, at ``storage.googleapis.com`` and
    ``www.googleapis.com`` and elsewhere. Every https address that a client with these credentials is given has the
    token, so give it none but Google's.

    Parameters
    ----------
    session_key : str or Session, optional
        The session, or its key. Defaults to ``"default"``.
    scopes : str or iterable of str, optional
        Scopes other than the session's own: one login serves many.
    quota_project_id : str, optional
        The project that quota and bills are for.

    Examples
    --------
    >>> from google.auth.transport.requests import AuthorizedSession
    >>> from fourinsight_broker import GoogleCredentials
    >>> api = AuthorizedSession(GoogleCredentials("google"))
    >>> response = api.get("https://storage.googleapis.com/storage/v1/b?project=my-project")  # doctest: +SKIP
    """

    def __init__(
        self,
        session_key: str | Session | None = None,
        *,
        scopes: str | Iterable[str] | None = None,
        quota_project_id: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._source = TokenSource(session_key, scopes=scopes)
        self._scopes = None if self._source.scopes is None else self._source.scopes.split()
        self._quota_project_id = quota_project_id
        self._signed = threading.local()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source.words()})"

    @property
    def requires_scopes(self) -> bool:
        """Scopes never have to be named: the session has its own."""
        return False

    def with_scopes(self, scopes: Sequence[str], default_scopes: Sequence[str] | None = None) -> GoogleCredentials:
        """Give credentials of the same session for these scopes.

        Parameters
        ----------
        scopes : sequence of str
            The scopes.
        default_scopes : sequence of str, optional
            The scopes where the first are none.

        Returns
        -------
        GoogleCredentials
            The other credentials.
        """
        wanted = scopes or default_scopes
        return type(self)(self._source.session, scopes=wanted, quota_project_id=self._quota_project_id)

    def with_quota_project(self, quota_project_id: str | None) -> GoogleCredentials:
        """Give credentials of the same session and scopes whose quota and bills are for this project.

        Parameters
        ----------
        quota_project_id : str or None
            The project.

        Returns
        -------
        GoogleCredentials
            The other credentials.
        """
        return type(self)(self._source.session, scopes=self._source.scopes, quota_project_id=quota_project_id)

    def before_request(self, request: Any, method: str, url: str, headers: MutableMapping[str, str]) -> None:  # noqa: ARG002
        """Sign a request with the broker's present token, if it may have it.

        Parameters
        ----------
        request : google.auth.transport.Request
            Not used: nothing but the broker is asked.
        method : str
            Not used.
        url : str
            Where the request goes: over https or to this machine itself, or it has no token.
        headers : MutableMapping[str, str]
            The request's headers, to which the token is added.
        """
        # What is refused without a token is no reason to report the one of an earlier request.
        self._signed.token = None
        if origin_of(url) is None:
            _say_insecure()
            return
        if is_on_the_way(url):
            say_proxied()
            return
        token = self._take()
        self._signed.token = token
        self.apply(headers, token.secret)  # type: ignore[no-untyped-call]

    def refresh(self, request: Any) -> None:  # noqa: ARG002
        """Take the broker's present token, after a report of the one that an API has just refused.

        Parameters
        ----------
        request : google.auth.transport.Request
            Not used: nothing but the broker is asked.

        Raises
        ------
        google.auth.exceptions.RefreshError
            There is no token. Its text is the broker's, and its ``__cause__`` the `BrokerError`.
        """
        refused: AccessToken | None = getattr(self._signed, "token", None)
        self._signed.token = None
        if refused is not None and not _is_over(refused):
            try:
                self._source.session.reject(refused)
            except BrokerError as error:
                raise _refresh_error(error) from error
        self._take()

    def _take(self) -> AccessToken:
        try:
            token = self._source.token()
        except BrokerError as error:
            raise _refresh_error(error) from error
        self.token = token.secret
        self.expiry = _naive_utc(token.expires_at)
        return token

    def __getstate__(self) -> dict[str, Any]:
        # A copy is for another thread or process: it takes a token of its own.
        return {**self.__dict__, "token": None, "expiry": None, "_signed": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._signed = threading.local()


def _refresh_error(error: BrokerError) -> exceptions.RefreshError:
    return exceptions.RefreshError(str(error), retryable=isinstance(error, TemporarilyUnavailable))


def _say_insecure() -> None:
    _log.warning("a request goes without a token, which is sent only over https or to this machine itself")


def _is_over(token: AccessToken) -> bool:
    return token.expires_at is not None and token.expires_at <= time.time()


def _naive_utc(timestamp: int | None) -> datetime.datetime | None:
    """Give a time as google-auth wants it: in UTC, without saying so."""
    if timestamp is None:
        return None
    return datetime.datetime.fromtimestamp(timestamp, datetime.timezone.utc).replace(tzinfo=None)
