"""Whoever is signed in with `fourinsight.api` and changes the import: ours offers to take that login over."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import StartDaemon, StartPractice
from fourinsight_broker import LoginRequired, Session, UserSession
from notebook import Notebook
from seed import DIALECT, GenuineUserSession, Pasting, answers, config, speak_to
from stage import Daemon, Practice, program
from terminal import Terminal

KEYS = [None, "prod", "Ünï/cödé"]
ASK = """
from fourinsight_broker import UserSession
print("token", UserSession().token["token_type"])
"""


@pytest.fixture
def practice(start_practice: StartPractice) -> Practice:
    return start_practice(*DIALECT)


@pytest.fixture
def daemon(practice: Practice, start_daemon: StartDaemon) -> Daemon:
    return start_daemon(config(practice))


@pytest.fixture
def folder(daemon: Daemon, practice: Practice, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of `fourinsight.api` in the home, which has made it; and everybody is signed in."""
    speak_to(practice, monkeypatch)
    folder = daemon.home / ".fourinsight" / "api"
    # It does not look at its keys, so this one works for whoever has made the folder.
    (folder / "token.Ünï").mkdir(parents=True)
    answers(monkeypatch, practice.package)
    for key in KEYS:
        GenuineUserSession(session_key=key)
    return folder


def file_of(folder: Path, key: str | None) -> Path:
    return folder / ("token" if key is None else f"token.{key}")


def moves(practice: Practice) -> tuple[int, int]:
    ledger = practice.ledger()
    return ledger["code_exchanges"], ledger["refresh_requests"]


@pytest.mark.parametrize("key", KEYS)
def test_a_login_is_taken_over_where_its_person_says_yes(
    folder: Path, practice: Practice, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    ada = Pasting().sits_down(monkeypatch)
    file = file_of(folder, key)
    codes, refreshes = moves(practice)
    session = UserSession(session_key=key)
    assert practice.verdict(session.token["access_token"]) == "live"
    assert moves(practice) == (codes, refreshes + 1), "nobody signs in, and one renewal proves it"
    assert ada.asked == ["Type yes or no: "]
    assert f"{file} holds a login of fourinsight.api." in ada.told[0]
    assert any("Taken over as Ada" in text for text in ada.told), ada.told
    assert ada.shown == []
    # The file is put away and explained, and no other one is.
    retired = file.with_name(f"taken-over.{file.name}")
    assert not file.exists()
    assert retired.is_file()
    assert file.with_name(f"{retired.name}.README.txt").is_file()
    assert all(file_of(folder, other).exists() for other in KEYS if other != key)
    # It is a session like any other now, known by its own name, and nobody is asked again.
    [status] = [one for one in Session().client.sessions() if one["state"] == "signed_in"]
    assert status["profile"] == "4insight"
    assert status.get("original_key") == (key if key == KEYS[2] else None)
    assert UserSession(session_key=key).token == session.token
    assert len(ada.asked) == 1


def test_the_genuine_package_asks_then_and_both_go_on(
    folder: Path, practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pasting().sits_down(monkeypatch)
    ours = UserSession()
    prompts = answers(monkeypatch, practice.package)
    GenuineUserSession()
    assert len(prompts) == 1, "it finds no login any more"
    GenuineUserSession()
    ours.refresh_token()
    assert practice.verdict(ours.token["access_token"]) == "live"
    assert practice.ledger()["reuse_events"] == 0
    assert file_of(folder, None).exists()


@pytest.mark.parametrize("says", ["no", None])
def test_without_a_yes_nothing_is_taken_and_the_person_signs_in(
    folder: Path, practice: Practice, monkeypatch: pytest.MonkeyPatch, says: str | None
) -> None:
    refusing = Pasting(says=says).sits_down(monkeypatch)
    before = file_of(folder, None).read_bytes()
    arrived = moves(practice)
    with pytest.raises(LoginRequired):
        UserSession()
    assert refusing.asked
    assert refusing.shown == [f"{practice.issuer}/auth"]
    assert moves(practice) == arrived, "nothing is sent"
    assert file_of(folder, None).read_bytes() == before


def test_whoever_insists_on_signing_in_anew_is_not_asked(
    folder: Path, practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = Pasting(practice.package).sits_down(monkeypatch)
    UserSession(auth_force=True)
    assert ada.shown == [f"{practice.issuer}/auth"]
    assert not any("fourinsight.api" in text for text in ada.told)
    assert file_of(folder, None).exists()


def test_without_anybody_to_ask_the_command_is_named_and_it_works(folder: Path, practice: Practice) -> None:
    arrived = moves(practice)
    for key in KEYS:
        with pytest.raises(LoginRequired) as raised:
            UserSession(session_key=key, interactive=False)
        said = str(raised.value)
        assert "`fourinsightctl import fourinsight-api`" in said
        assert str(file_of(folder, key)) in said
        assert raised.value.action
        assert raised.value.action.startswith("fourinsightctl login ")
        assert raised.value.action in said
    assert moves(practice) == arrived
    subprocess.run([program("fourinsightctl"), "import", "fourinsight-api"], check=True, capture_output=True)
    for key in KEYS:
        assert practice.verdict(UserSession(session_key=key, interactive=False).token["access_token"]) == "live"


@pytest.mark.parametrize("key", ["other", "Ünï/../token", "Ünï/taken-over.cödé", "Ünï", "", "nul\0"])
def test_no_other_keys_file_is_offered(folder: Path, key: str) -> None:
    login = file_of(folder, None)
    login.with_name("token.Ünï").joinpath("taken-over.cödé").write_bytes(login.read_bytes())
    with pytest.raises(LoginRequired) as raised:
        UserSession(session_key=key, interactive=False)
    assert "import" not in str(raised.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"refresh_token": "c4nary"',
        b'{"token_url": "https://elsewhere.example/token", "refresh_token": "c4nary"}',
        b"x" * (1024 * 1024 + 1),
    ],
)
def test_a_file_that_is_no_such_login_is_in_nobodys_way(
    folder: Path, practice: Practice, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    file = file_of(folder, None)
    file.write_bytes(content)
    with pytest.raises(LoginRequired) as raised:
        UserSession(interactive=False)
    assert "import" not in str(raised.value)
    ada = Pasting(practice.package).sits_down(monkeypatch)
    assert practice.verdict(UserSession().token["access_token"]) == "live"
    assert "c4nary" not in "".join(ada.told)
    assert not any("fourinsight.api" in text for text in ada.told)
    assert file.read_bytes() == content


def test_a_login_that_is_over_is_left_and_the_person_signs_in(
    folder: Path, practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = file_of(folder, None)
    login: dict[str, Any] = json.loads(file.read_text())
    login["refresh_token"] = "n0ne-of-this-server"
    file.write_text(json.dumps(login))
    ada = Pasting(practice.package).sits_down(monkeypatch)
    assert practice.verdict(UserSession().token["access_token"]) == "live"
    assert any("It is not taken over: " in text for text in ada.told), ada.told
    assert login["refresh_token"] not in "".join(ada.told)
    assert ada.shown == [f"{practice.issuer}/auth"]
    assert json.loads(file.read_text()) == login


def test_in_a_terminal(folder: Path) -> None:
    terminal = Terminal(ASK)
    terminal.reads("token holds a login of fourinsight.api.\nTake it over, instead of signing in anew\\?\n")
    terminal.reads("Type yes or no: ")
    terminal.types("perhaps\n")
    terminal.reads("(?s)perhaps.*Type yes or no: ")
    terminal.types("yes\n")
    terminal.reads("says why.\n")
    terminal.reads("Taken over as Ada .*, session default.\n")
    terminal.reads("token Bearer\n")
    assert terminal.ends() == 0
    assert not file_of(folder, None).exists()


class Agreeing(Notebook):
    """Asks openly: an answer to this is no secret."""

    hidden = False


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_in_a_notebook(folder: Path) -> None:
    notebook = Agreeing(ASK, lambda notebook, _: notebook.types("yes"))
    shown = notebook.runs()
    assert notebook.prompts == ["Type yes or no: "]
    assert "holds a login of fourinsight.api.<br>Take it over" in shown
    assert "Taken over as Ada" in shown
    assert shown.endswith("token Bearer\n")
    assert not file_of(folder, None).exists()
