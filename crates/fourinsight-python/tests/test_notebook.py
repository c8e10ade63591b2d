"""Notebooks as `nbclient` runs them: what is displayed is read from the outputs, and the input box is answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from conftest import SignIn
from stage import TIME_LIMIT, Daemon, Practice

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

ASK = """
from fourinsight_broker import Session
session = Session("work", interactive=None)
print("token of", session.token().session)
"""

# The same once a token has been refused, so that the next one is waited for.
RENEW = ASK.replace("print", "session.reject(session.token())\nprint")


class Notebook(NotebookClient):
    """Runs one cell, before which somebody sits: what is displayed is shown to them at once."""

    def __init__(self, code: str, watch: Callable[[Notebook, str], None] | None) -> None:
        cell = nbformat.v4.new_code_cell(code)  # type: ignore[no-untyped-call]
        notebook = nbformat.v4.new_notebook(cells=[cell])  # type: ignore[no-untyped-call]
        super().__init__(notebook, timeout=int(TIME_LIMIT), kernel_name="python3")
        self._watch = watch
        self.prompts: list[str] = []
        self.displayed: list[str] = []

    @property
    def shown(self) -> str:
        """All that is displayed, as HTML where there is any."""
        outputs = self.nb.cells[0].outputs
        return "\n".join(str(one.get("text") or one.get("data", {}).get("text/html", "")) for one in outputs)

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        # Somebody is there, who can type.
        client.allow_stdin = self._watch is not None
        self._answers = asyncio.create_task(self._hear(client))
        return client

    async def _hear(self, client: Any) -> None:
        while self._watch is not None:
            message = await client.get_stdin_msg()
            self.prompts.append(message["content"]["prompt"])
            assert message["content"]["password"], "what is pasted is not to be shown"
            await asyncio.to_thread(self._watch, self, self.shown)

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        if msg["msg_type"] in ("display_data", "update_display_data"):
            self.displayed.append(msg["content"]["data"]["text/plain"])
        return super().process_message(msg, cell, cell_index)

    def types(self, text: str) -> None:
        assert self.kc
        self.kc.input(text)

    def runs(self) -> str:
        """Run the cell, and give all that it displayed."""

        async def run() -> None:
            try:
                await self.async_execute()
            finally:
                self._answers.cancel()

        asyncio.run(run())
        return self.shown


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


def test_what_is_waited_for_is_shown_and_then_no_more(signed_in: SignIn) -> None:
    signed_in(key="work").practice.script({"point": "after_reading", "kind": {"delay": 3}})
    notebook = Notebook(RENEW, lambda *_: None)
    assert notebook.runs() == "\ntoken of work\n"
    assert notebook.displayed == ["Waiting for a fresh token of session work.", ""]


def test_where_nobody_can_type_nobody_is_asked(daemon: Daemon) -> None:
    with pytest.raises(CellExecutionError, match=r"LoginRequired.*fourinsightctl login work"):
        Notebook(ASK, None).runs()
    assert daemon.socket.exists()
