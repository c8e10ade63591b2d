"""A notebook as `nbclient` runs it: what is displayed is read from the outputs, and the input box is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import nbformat
from nbclient import NotebookClient

from stage import TIME_LIMIT


class Notebook(NotebookClient):
    """Runs one cell, before which somebody sits: what is displayed is shown to them at once."""

    hidden = True
    """Whether what they type may not be shown."""

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
            assert message["content"]["password"] == self.hidden, "what is pasted is not to be shown"
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
