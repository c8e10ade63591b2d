"""`Session` for asyncio: the same methods as coroutines, each waiting in a thread of the package's own."""

from __future__ import annotations

import asyncio
import contextlib

from ._beside import beside
from .errors import BrokerError
from .session import Session, joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike
    from typing import Any

    from ._native import AccessToken

__all__ = ["AsyncSession"]


class AsyncSession:
    """A session of the broker, for asyncio.

    Takes what `Session` takes. Its methods do what those of `Session` do, and never block the event loop. They wait on
    threads of their own: what else runs beside the loop (`asyncio.to_thread`, host names) never waits for them.

    Parameters
    ----------
    session_key : str, optional
        The session's key. Defaults to ``"default"``.
    profile : str, optional
        The profile with which a login signs in; the configuration's default when left out.
    interactive : bool, optional
        Whether a person is asked to sign in when that is needed; see `Session`.
    state_dir : path-like, optional
        The broker's state folder, if it is not the usual one.
    socket : path-like, optional
        Where the broker listens, if it is not the usual place.
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
        self.session = Session(
            session_key, profile=profile, interactive=interactive, state_dir=state_dir, socket=socket
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.key!r})"

    @property
    def key(self) -> str:
        """The session's key."""
        return self.session.key

    async def token(
        self,
        *,
        scopes: str | Iterable[str] | None = None,
        resource: str | None = None,
        claims: str | None = None,
        enable_cae: bool = False,
        min_validity: float | None = None,
        wait: float | None = None,
    ) -> AccessToken:
        """Give a living access token; see `Session.token`."""
        demands = {
            "scope": joined(scopes),
            "resource": resource,
            "claims": claims,
            "enable_cae": enable_cae,
            "min_validity": min_validity,
            "wait": wait,
        }
        async with _Leave(self.session) as leave:
            return await beside(self.session._token, demands, leave.on_wait, leave.begun)

    async def reject(self, token: AccessToken, www_authenticate: str | None = None) -> dict[str, Any]:
        """Report that an API refused a token; see `Session.reject`."""
        return await beside(self.session.reject, token, www_authenticate)

    async def status(self) -> dict[str, Any]:
        """Tell where the session stands; see `Session.status`."""
        return await beside(self.session.status)

    async def login(
        self,
        *,
        force: bool = False,
        profile: str | None = None,
        flow: str | None = None,
        switch_user: bool = False,
        **more: Any,
    ) -> dict[str, Any]:
        """Sign a person in to the session, unless somebody is; see `Session.login`."""
        request = {"profile": profile, "flow": flow, "force": force, "switch_user": switch_user, **more}
        async with _Leave(self.session) as leave:
            return await beside(self.session._login, request, leave.begun)

    async def revoke(self) -> dict[str, Any]:
        """Revoke the session; see `Session.revoke`."""
        return await beside(self.session.revoke)


class _Leave:
    """Has the thread that works for a coroutine end with it: one that is cancelled leaves nobody waiting behind."""

    def __init__(self, session: Session) -> None:
        self._client = session.client
        self._gone = False
        self._attempts: list[str] = []

    async def __aenter__(self) -> _Leave:  # noqa: PYI034 - `Self` came with Python 3.11
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._gone = True
            for attempt in self._attempts:
                # It may have ended.
                with contextlib.suppress(BrokerError):
                    await beside(self._client.cancel_login, attempt)

    def on_wait(self) -> None:
        """End a wait that nobody is interested in."""
        if self._gone:
            raise InterruptedError("the coroutine that asked was cancelled")

    def begun(self, attempt: str) -> None:
        """Take note of a login attempt."""
        self._attempts.append(attempt)
        self.on_wait()
