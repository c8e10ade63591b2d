"""`fourinsight.api` itself, at a practice server that has 4insight's page and clients."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from fourinsight_broker import fourinsight as module
from fourinsight_broker import interaction
from stage import Practice

with warnings.catch_warnings():
    # It reads its constants by a function that Python has deprecated.
    warnings.simplefilter("ignore")
    from fourinsight.api import ClientSession as GenuineClientSession  # type: ignore[import-untyped]
    from fourinsight.api import UserSession as GenuineUserSession
    from fourinsight.api import authenticate

__all__ = ["CLIENT", "GenuineClientSession", "GenuineUserSession", "Pasting", "authenticate", "speak_to"]

DIALECT = ("--dialect", "4insight")

# What the practice server knows; that of the package is for the real one.
CLIENT_SECRET = "practice~secret.of_4insight~page~x"
CLIENT = ("0b5e7ce1-4f9b-4f3e-8a53-5a9d1f1d7c11", "practice~secret.of_4insight~service")
CLIENT_SCOPE = "https://4subseaid.onmicrosoft.com/4insight-api-prod/.default"
USER_SCOPES = ["openid", "offline_access", "user_impersonation"]

SERVICE = """
[profiles.4insight-service]
flow = "client_credentials"
token_endpoint = "{issuer}/token"
client_auth = "post"
scopes = "{scope}"
"""


def config(practice: Practice) -> str:
    """Give a configuration whose profiles of 4insight sign in at this server."""
    user = practice.config.replace('default_profile = "practice"', "").replace("profiles.practice", "profiles.4insight")
    return user + SERVICE.format(issuer=practice.issuer, scope=CLIENT_SCOPE)


def speak_to(practice: Practice, monkeypatch: pytest.MonkeyPatch, **more: object) -> None:
    """Have `fourinsight.api` take this server for 4insight's."""
    constants = {
        "USER_CLIENT_SECRET": CLIENT_SECRET,
        "USER_AUTHORITY_URL": f"{practice.issuer}/auth",
        "CLIENT_TOKEN_URL": f"{practice.issuer}/token",
        "CLIENT_SCOPE": [CLIENT_SCOPE],
        **more,
    }
    for name, value in constants.items():
        monkeypatch.setitem(authenticate._CONSTANTS, name, value)
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def keep_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `fourinsight.api` keep its logins in this folder, out of the sight of everybody else."""
    monkeypatch.setattr(authenticate, "user_data_dir", lambda _: str(folder))


def answers(monkeypatch: pytest.MonkeyPatch, *lines: Any) -> list[str]:
    """Type these lines into the prompts of `fourinsight.api`, the last one again and again; give the prompts."""
    left = list(lines)
    prompts: list[str] = []

    def typed(prompt: str) -> str:
        prompts.append(prompt)
        line = left.pop(0) if len(left) > 1 else left[0]
        return str(line() if callable(line) else line)

    monkeypatch.setattr("builtins.input", typed)
    return prompts


class Pasting:
    """Sits before ours, pastes these lines, the last one again and again, and answers every question with one word."""

    def __init__(self, *lines: Any, says: str | None = "yes") -> None:
        self._lines = list(lines)
        self._says = says
        self.shown: list[str] = []
        self.told: list[str] = []
        self.asked: list[str] = []
        self.pasted = 0

    def sits_down(self, monkeypatch: pytest.MonkeyPatch) -> Pasting:
        def find(interactive: bool | None) -> Pasting | None:
            return None if interactive is False else self

        monkeypatch.setattr(interaction, "find", find)
        monkeypatch.setattr(module, "find", find)
        return self

    def tell(self, text: str) -> None:
        self.told.append(text)

    def link(self, text: str, uri: str) -> None:
        self.told.append(text)
        self.shown.append(uri)

    def ask(self, question: str) -> str:
        self.asked.append(question)
        if self._says is None:
            raise EOFError(question)
        return self._says

    def ask_hidden(self, question: str, news: interaction.News) -> str | None:  # noqa: ARG002
        if not self._lines:
            raise EOFError(question)
        self.pasted += 1
        line = self._lines.pop(0) if len(self._lines) > 1 else self._lines[0]
        return str(line() if callable(line) else line)

    def waits(self, text: str) -> None:
        pass

    def waits_no_more(self) -> None:
        pass
