"""How a person is asked to sign in: at a terminal, in a notebook, or not at all where nobody is there."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from .errors import (
    AccessDenied,
    BrokerError,
    InteractionRequired,
    InvalidRequest,
    LoginRequired,
    ServerError,
    TemporarilyUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ._native import Client

__all__ = [
    "Begun",
    "Person",
    "as_whom",
    "find",
    "harmless",
    "login_command",
    "one_at_a_time",
    "says_yes",
    "sign_in",
    "telling",
    "telling_meanwhile",
]

Begun: TypeAlias = "Callable[[str], None] | None"
"""What is told the identifier of a login attempt once it has begun."""

_SILENCE = 1.0
"""For how long nothing is said about a wait, in seconds."""

_NEWS_WITHIN = 1.0
"""How long one question for news of a login waits, in seconds: its end is answered at once, and a question not."""

_ERRORS: dict[str, type[BrokerError]] = {
    "access_denied": AccessDenied,
    "interaction_required": InteractionRequired,
    "invalid_request": InvalidRequest,
    "invalid_scope": InvalidRequest,
    "invalid_target": InvalidRequest,
    "login_required": LoginRequired,
    "temporarily_unavailable": TemporarilyUnavailable,
}

_TO_PASTE = {
    None: "If the browser cannot come back to this machine, paste the address of its last page here:",
    "callback": "Paste the address that the browser ends on, or the code that the page shows:",
    "token_callback": "Paste the address that the browser ends on:",
    "package": 'Paste the whole text that the page shows, with "endpoint" and "code" in it:',
}
"""What is asked for, by what a login wants. It is not shown."""


class Person(Protocol):
    """Somebody who can be told and asked."""

    def tell(self, text: str) -> None:
        """Say something."""

    def link(self, text: str, uri: str) -> None:
        """Show an address to open, after a text that says so."""

    def ask(self, question: str) -> str:
        """Have them type a line, which is shown; raises `EOFError` where nothing can be typed."""

    def ask_hidden(self, question: str, news: News) -> str | None:
        """Have them type a line that is not shown, until it is not empty; ``None`` once there is news."""

    def waits(self, text: str) -> None:
        """Say what is waited for, until told otherwise."""

    def waits_no_more(self) -> None:
        """Be quiet about it again."""


class News:
    """Follows a login attempt until there is something new: an end, or a question."""

    def __init__(self, client: Client, attempt: dict[str, Any], answered: set[str]) -> None:
        self._client = client
        self._attempt = attempt
        self._answered = frozenset(answered)
        self._error: BaseException | None = None
        self._come = threading.Event()
        self._lock = threading.Lock()
        self._wake: Callable[[], None] | None = None
        threading.Thread(target=self._follow, name="fourinsight-login", daemon=True).start()

    @property
    def come(self) -> bool:
        """Whether there is something new."""
        return self._come.is_set()

    def wait(self, on_wait: Callable[[], None] | None = None) -> dict[str, Any]:
        """Wait for it, and call this every now and then: the attempt as it stands then."""
        while not self._come.wait(_SILENCE):
            if on_wait:
                on_wait()
        if self._error:
            raise self._error
        return self._attempt

    def wakes(self, wake: Callable[[], None] | None) -> None:
        """Have this called when it comes, from another thread; at once if it has. ``None`` ends that."""
        with self._lock:
            self._wake = wake
            if wake and self.come:
                wake()

    def _follow(self) -> None:
        try:
            while True:
                self._attempt = self._client.login(self._attempt["id"], _NEWS_WITHIN)
                question = self._attempt.get("confirmation")
                if self._attempt["state"] != "pending" or (question and question["id"] not in self._answered):
                    break
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        with self._lock:
            self._come.set()
            if self._wake:
                self._wake()


class _Nobody:
    """Stands for a person where there is none."""

    def tell(self, text: str) -> None:
        """Leave it unsaid."""

    def link(self, text: str, uri: str) -> None:
        """Leave it unshown."""

    def ask(self, question: str) -> str:
        """Hear nothing."""
        raise EOFError(question)

    def ask_hidden(self, question: str, news: News) -> str | None:  # noqa: ARG002
        """Hear nothing."""
        raise EOFError(question)

    waits = tell

    def waits_no_more(self) -> None:
        """Be as quiet as before."""


def find(interactive: bool | None) -> Person | None:
    """Find whoever can be asked.

    Parameters
    ----------
    interactive : bool or None
        ``False``: nobody. ``True``: whoever it is. ``None``: somebody who can answer, at a terminal or in a notebook.
    """
    if interactive is False:
        return None
    kernel = _kernel()
    if kernel is not None:
        if interactive or getattr(kernel, "_allow_stdin", True):
            from ._notebook import Notebook

            return Notebook()
        return None
    from ._terminal import Terminal, is_terminal

    if interactive or (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return Terminal()
    return None


def one_at_a_time() -> AbstractContextManager[object]:
    """Have the threads of a process ask one after the other."""
    return _asking


@contextlib.contextmanager
def telling(
    person: Person | None, text: str, also: Callable[[], None] | None = None
) -> Iterator[Callable[[], None] | None]:
    """Give what a call that waits is to call: it tells the person once that takes long, and is quiet at the end."""
    if person is None:
        yield also
        return
    since = time.monotonic()

    def on_wait() -> None:
        if also:
            also()
        if time.monotonic() - since >= _SILENCE:
            person.waits(text)

    try:
        yield on_wait
    finally:
        person.waits_no_more()


@contextlib.contextmanager
def telling_meanwhile(person: Person | None, text: str) -> Iterator[None]:
    """Do what `telling` does around calls that have nothing to call while they wait."""
    if person is None:
        yield
        return
    timer = threading.Timer(_SILENCE, person.waits, (text,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        person.waits_no_more()


def sign_in(client: Client, request: dict[str, Any], person: Person | None, begun: Begun = None) -> dict[str, Any]:
    """Have a person sign in: start the login, show them what to do, and wait until it has ended.

    An interruption (Ctrl-C, or the notebook's stop button) cancels the attempt.

    Parameters
    ----------
    client : Client
        The broker's calls.
    request : dict
        What the login is asked to be.
    person : Person, optional
        Who is asked; nobody where the client signs in as itself.
    begun : callable, optional
        Told the attempt's identifier, with which another thread may cancel it.

    Returns
    -------
    dict
        The attempt, which has succeeded.
    """
    attempt = client.start_login(request)
    try:
        if begun:
            begun(attempt["id"])
        attempt = _until_it_ends(client, attempt, person or _Nobody())
    except BaseException:
        _cancel(client, attempt["id"])
        raise
    if attempt["state"] != "succeeded":
        raise _failed(attempt, request["session"])
    if person is None:
        return attempt
    for text in _words(attempt, "note"):
        person.tell(f"note: {text}")
    person.tell(f"Signed in{as_whom(attempt)}, session {request['session']}.")
    return attempt


def as_whom(answer: dict[str, Any]) -> str:
    """Say who is signed in, where the server says so."""
    who = _known(answer.get("identity"))
    return f" as {who}" if who else ""


def login_command(session_key: str) -> str:
    """Give the command that signs a person in to a session."""
    return f"fourinsightctl login {shlex.quote(session_key)}"


def says_yes(person: Person) -> bool:
    """Have a person answer the question that they were told; nobody's answer is no."""
    while True:
        try:
            answer = person.ask("Type yes or no: ").strip().lower()
        except EOFError:
            return False
        if answer in ("yes", "y", "no", "n"):
            return answer.startswith("y")


def _until_it_ends(client: Client, attempt: dict[str, Any], person: Person) -> dict[str, Any]:
    _begin(attempt, person)
    answered: set[str] = set()
    news: News | None = None
    may_bring = True
    while attempt["state"] == "pending":
        question = attempt.get("confirmation")
        if question and question["id"] not in answered:
            answered.add(question["id"])
            agreed = {"confirmation": question["id"], "accepted": _agrees(question, person)}
            with telling_meanwhile(person, _waited_for(attempt, False)):
                attempt = client.answer_login(attempt["id"], agreed)
            news = None
            continue
        if news is None or news.come:
            news = News(client, attempt, answered)
        answer = _brought(attempt, person, news) if may_bring else None
        if answer is None:
            with telling(person, _waited_for(attempt, may_bring)) as tell:
                attempt = news.wait(tell)
            continue
        try:
            with telling_meanwhile(person, _waited_for(attempt, False)):
                attempt = client.answer_login(attempt["id"], answer)
            may_bring = False
        except InvalidRequest as refused:
            person.tell(str(refused))
    return attempt


def _begin(attempt: dict[str, Any], person: Person) -> None:
    for name in ("note", "warning"):
        for text in _words(attempt, name):
            person.tell(f"{name}: {text}")
    if attempt.get("user_code"):
        person.link(
            f"To sign in to session {attempt['session']}, open this address on any device:",
            harmless(attempt["verification_uri"]),
        )
        person.tell(f"Enter this code there: {harmless(attempt['user_code'])}")
    elif attempt.get("authorization_uri"):
        person.link(
            f"To sign in to session {attempt['session']}, open this address in a browser:",
            harmless(attempt["authorization_uri"]),
        )


def _brought(attempt: dict[str, Any], person: Person, news: News) -> dict[str, Any] | None:
    """Have the person bring what the login wants; ``None`` where there is nothing to bring, or news has come."""
    wanted = attempt.get("wanted")
    try:
        if wanted == "password":
            username = person.ask("User name: ").strip()
            password = person.ask_hidden("Password: ", news)
            return None if password is None else {"username": username, "password": password}
        if wanted is None and not attempt.get("authorization_uri"):
            return None
        if wanted not in _TO_PASTE:
            raise InvalidRequest(
                "this login needs something that this version does not know; "
                f"sign in with `{login_command(attempt['session'])}`"
            )
        pasted = person.ask_hidden(_TO_PASTE[wanted], news)
        return None if pasted is None else {"pasted": pasted.strip()}
    except EOFError:
        if wanted is None:
            return None
        command = login_command(attempt["session"])
        raise LoginRequired(f"nobody can type here what this login needs; run `{command}` in a terminal") from None


def _waited_for(attempt: dict[str, Any], may_bring: bool) -> str:
    """Say what a login waits for: its person, until they have brought what it wants, and what comes of it then."""
    if may_bring and (attempt.get("user_code") or attempt.get("authorization_uri")):
        return f"Waiting for you to sign in to session {attempt['session']}."
    return f"Waiting for session {attempt['session']} to be signed in."


def _agrees(question: dict[str, Any], person: Person) -> bool:
    lines = [f"Token endpoint: {harmless(question['endpoint'])}"]
    lines += [f"Tenant: {text}" for text in _words(question, "tenant")]
    if question["about"] == "person":
        lines.append(f"Before: {_known(question.get('previous')) or 'unknown'}")
    if question["about"] in ("identity", "person"):
        lines.append(f"Signed in: {_known(question.get('identity')) or 'unknown'}")
    person.tell("\n".join([*lines, harmless(question["question"])]))
    return says_yes(person)


def _failed(attempt: dict[str, Any], session_key: str) -> BrokerError:
    body = attempt.get("error")
    if body:
        described = body.get("error_description") or "the login failed"
        message = f"{described}; {body['hint']}" if body.get("hint") else described
        return _ERRORS.get(body["error"], ServerError)(
            message, code=body["error"], description=described, retry_after=body.get("retry_after")
        )
    what = {
        "expired": "nobody signed in before the login attempt expired",
        "cancelled": "the login attempt was cancelled",
    }.get(attempt["state"], "the login failed, and the broker did not say why")
    return LoginRequired(f"{what}; run `{login_command(session_key)}`", code="login_required", description=what)


def _cancel(client: Client, attempt_id: str) -> None:
    try:
        client.cancel_login(attempt_id)
    except BrokerError:
        # It has ended, or the broker has: what is being raised says more.
        return


def _known(identity: dict[str, Any] | None) -> str:
    if not identity:
        return ""
    name, subject = identity.get("name"), identity["sub"]
    return harmless(f"{name} ({subject})" if name and name != subject else subject)


def _words(fields: dict[str, Any], name: str) -> list[str]:
    text = fields.get(name)
    return [harmless(text)] if text else []


def harmless(text: str) -> str:
    """Make a text from elsewhere harmless: nothing in it steers a terminal or hides."""
    return "".join(letter if letter.isprintable() else " " if letter in "\t\r\n" else "\ufffd" for letter in text)


def _kernel() -> Any:
    """Find the kernel of the notebook that this runs in."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    return getattr(shell, "kernel", None)


_asking = threading.RLock()


def _forget_the_parents_lock() -> None:
    # In a forked child it may be held by a thread that does not exist there.
    global _asking
    _asking = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_the_parents_lock)
