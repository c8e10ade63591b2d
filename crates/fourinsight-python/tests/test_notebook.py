"""Notebooks as `nbclient` runs them: what is displayed is read from the outputs, and the input box is answered."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from conftest import SignIn
from notebook import Notebook
from stage import Daemon, Practice

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

ASK = """
from fourinsight_broker import Session
session = Session("work", interactive=None)
print("token of", session.token().session)
"""

# The same once a token has been refused, so that the next one is waited for.
RENEW = ASK.replace("print", "session.reject(session.token())\nprint")


def link(shown: str) -> str:
    """Find the address that the person can click."""
    found = re.search(r'<a href="([^"]+)" target="_blank"', shown)
    assert found, shown
    return found[1].replace("&amp;", "&")


def test_a_person_clicks_the_link(daemon: Daemon, practice: Practice) -> None:
    notebook = Notebook(ASK, lambda _, shown: practice.sign_in(link(shown)))
    shown = notebook.runs()
    assert "Signed in as Ada Lovelace" in shown
    assert shown.endswith("token of work\n")
    # The box was there, was not needed, and was in nobody's way.
    assert len(notebook.prompts) == 1
    assert daemon.socket.exists()


def test_a_person_pastes(daemon: Daemon, practice: Practice) -> None:
    callbacks: list[str] = []

    def paste(notebook: Notebook, shown: str) -> None:
        callbacks.append(practice.authorize(link(shown)))
        notebook.types(callbacks[-1])

    notebook = Notebook(ASK, paste)
    assert notebook.runs().endswith("token of work\n")
    code = re.search(r"code=([^&]+)", callbacks[0])
    assert code
    assert code[1] not in nbformat.writes(notebook.nb)  # type: ignore[no-untyped-call]
    assert daemon.socket.exists()


def test_a_person_who_presses_enter_too_soon_is_asked_again(daemon: Daemon, practice: Practice) -> None:
    lines = ["", "  "]

    def paste(notebook: Notebook, shown: str) -> None:
        notebook.types(lines.pop(0) if lines else practice.authorize(link(shown)))

    notebook = Notebook(ASK, paste)
    assert notebook.runs().endswith("token of work\n")
    assert len(notebook.prompts) == 3
    assert daemon.socket.exists()


def test_what_comes_of_a_paste_is_waited_for_in_sight(daemon: Daemon, practice: Practice) -> None:
    assert daemon.socket.exists()

    def paste(notebook: Notebook, shown: str) -> None:
        callback = practice.authorize(link(shown))
        practice.script({"point": "after_reading", "kind": {"delay": 4}})
        notebook.types(callback)

    notebook = Notebook(ASK, paste)
    assert notebook.runs().endswith("token of work\n")
    assert notebook.displayed[1:3] == ["Waiting for session work to be signed in.", ""]


def test_what_is_waited_for_is_shown_and_then_no_more(signed_in: SignIn) -> None:
    signed_in(key="work").practice.script({"point": "after_reading", "kind": {"delay": 3}})
    notebook = Notebook(RENEW, lambda *_: None)
    assert notebook.runs() == "\ntoken of work\n"
    assert notebook.displayed == ["Waiting for a fresh token of session work.", ""]


def test_where_nobody_can_type_nobody_is_asked(daemon: Daemon) -> None:
    with pytest.raises(CellExecutionError, match=r"LoginRequired.*fourinsightctl login work"):
        Notebook(ASK, None).runs()
    assert daemon.socket.exists()
