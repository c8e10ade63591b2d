"""A login that ``fourinsight.api`` has already in a file: taken over where its person says so, and never unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ._native import token_file_of_seed
from .errors import BrokerError
from .interaction import as_whom, harmless, says_yes

if TYPE_CHECKING:
    from pathlib import Path

    from ._native import Client
    from .interaction import Person

__all__ = ["IMPORT_COMMAND", "TokenFile", "find"]

IMPORT_COMMAND: Final = "fourinsightctl import fourinsight-api"
"""What takes the login over where nobody can be asked."""


class TokenFile:
    """A file of ``fourinsight.api`` with a login that the broker would take over.

    Parameters
    ----------
    client : Client
        The broker's calls.
    path : pathlib.Path
        Where the file is.
    request : dict
        What is asked of the broker.
    """

    def __init__(self, client: Client, path: Path, request: dict[str, Any]) -> None:
        self._client = client
        self._path = path
        self._request = request

    @property
    def shown(self) -> str:
        """The file's path, for people."""
        return harmless(str(self._path))

    def is_taken_over(self, person: Person) -> bool:
        """Ask a person whether to take it over instead of signing in anew; tell whether that is done."""
        person.tell(f"{self.shown} holds a login of fourinsight.api.\nTake it over, instead of signing in anew?")
        if not says_yes(person):
            return False
        person.waits("Taking the login over.")
        try:
            answer = self._client.take_over(self._path, self._request)
        except BrokerError as error:
            person.waits_no_more()
            person.tell(f"It is not taken over: {error}")
            return False
        finally:
            person.waits_no_more()
        for note in answer.get("notes", ()):
            person.tell(f"note: {harmless(note)}")
        if answer.get("retired"):
            person.tell(f"{self.shown} is now {harmless(answer['retired'])}; {harmless(answer['explained'])} says why.")
        if answer.get("left"):
            person.tell(f"warning: {self.shown} is left where it is: {harmless(answer['left'])}")
        done = bool(answer["outcome"] == "imported")
        if done:
            person.tell(f"Taken over{as_whom(answer)}, session {self._request['session']}.")
        return done


def find(
    client: Client,
    session_key: str | None,
    *,
    session: str,
    original_key: str | None,
    profile: str,
    package: str | None,
) -> TokenFile | None:
    """Find the file that ``fourinsight.api`` has for a `session_key`, if the broker would take its login over.

    Nothing is sent to any server for it, and nothing is changed.
    """
    path = token_file_of_seed(session_key)
    if path is None:
        return None
    request = {"session": session, "original_key": original_key, "profile": profile, "package": package}
    try:
        answer = client.take_over(path, {**request, "dry_run": True})
    except BrokerError:
        # A file that cannot be taken over is no reason not to sign in.
        return None
    return TokenFile(client, path, request) if answer["outcome"] == "would_import" else None
