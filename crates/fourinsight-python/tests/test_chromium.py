"""A notebook whose person signs in with a real browser.

Chromium is started by whoever runs the tests: FOURINSIGHT_TEST_BROWSER is where its window takes WebDriver commands.
"""

from __future__ import annotations

import os

import pytest

from notebook import Notebook
from stage import Daemon, Practice, ask
from test_notebook import ASK, link

BROWSER = os.environ.get("FOURINSIGHT_TEST_BROWSER", "").rstrip("/")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.skipif(not BROWSER, reason="FOURINSIGHT_TEST_BROWSER names no browser"),
]


def find(selector: str) -> str:
    """Find an element, once it is there."""
    wish = {"using": "css selector", "value": selector}
    return str(ask(f"{BROWSER}/element", wish)["value"][ELEMENT])


def test_the_link_of_a_notebook_signs_in(daemon: Daemon, practice: Practice) -> None:
    pages: list[str] = []

    def sign_in(_: Notebook, shown: str) -> None:
        ask(f"{BROWSER}/url", {"url": link(shown)})
        ask(f"{BROWSER}/element/{find('button[value=allow]')}/click", {})
        # The page that the broker shows at the end.
        pages.append(ask(f"{BROWSER}/element/{find('main.good')}/text")["value"])

    notebook = Notebook(ASK, sign_in)
    shown = notebook.runs()
    assert "Signed in as Ada Lovelace" in shown
    assert shown.endswith("token of work\n")
    assert pages
    assert "Ada Lovelace" in pages[0]
    assert practice.ledger()["code_exchanges"] == 1
    assert daemon.socket.exists()
