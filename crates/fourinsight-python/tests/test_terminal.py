from __future__ import annotations

import os
import re

import pytest

from conftest import SignIn, StartDaemon
from fourinsight_broker import Session
from stage import Daemon, Practice
from terminal import Terminal

ASK = """
from fourinsight_broker import Session
session = Session("work", interactive=None)
print("token of", session.token().session)
"""

URI = r"\n(http://\S+)\n"


def test_a_person_signs_in_where_the_script_runs(daemon: Daemon, practice: Practice) -> None:
    terminal = Terminal(ASK)
    uri = terminal.reads(URI)[1]
    practice.sign_in(uri)
    terminal.reads(r"Signed in as Ada.*, session work\.\n")
    terminal.reads("token of work\n")
    assert terminal.ends() == 0
    assert Session("work").token().session == "work"
    assert daemon.socket.exists()


ASK_ASYNC = """
import asyncio
from fourinsight_broker import AsyncSession
print("token of", asyncio.run(AsyncSession("work", interactive=None).token()).session)
"""


@pytest.mark.parametrize("ask", [ASK, ASK_ASYNC])
def test_a_person_signs_in_again_where_the_server_wants_to_ask_them(
    wanted: Session, practice: Practice, ask: str
) -> None:
    terminal = Terminal(ask)
    practice.sign_in(terminal.reads(URI)[1])
    terminal.reads("token of work\n")
    assert terminal.ends() == 0
    assert wanted.token().secret == "token 2"


def test_what_is_pasted_is_not_shown(daemon: Daemon, practice: Practice) -> None:
    terminal = Terminal(ASK)
    uri = terminal.reads(URI)[1]
    terminal.reads("It is not shown")
    # Wrong, and corrected.
    terminal.types("http://nonsense.example/?code=1\n")
    terminal.reads(r"(?s)It is not shown.*It is not shown")
    callback = practice.authorize(uri)
    terminal.types(f"typo\x15 {callback}x\x7f \n")
    terminal.reads("token of work\n")
    assert terminal.ends() == 0
    code = re.search(r"code=([^&]+)", callback)
    assert code
    assert code[1] not in terminal.shown
    assert "nonsense" not in terminal.shown
    assert daemon.socket.exists()


@pytest.mark.parametrize("pastes", [True, False])
def test_where_only_a_line_ends_the_wait_an_empty_one_is_no_answer_before_the_login(
    daemon: Daemon, practice: Practice, pastes: bool
) -> None:
    assert daemon.socket.exists()
    terminal = Terminal(f"from fourinsight_broker import _terminal\n_terminal._has_termios = False\n{ASK}")
    uri = terminal.reads(URI)[1]
    asked = "Enter alone once you have signed in"
    for times in range(1, 3):
        terminal.reads(f"(?s)({asked}.*){{{times}}}")
        terminal.types("\n")
    terminal.reads(f"(?s)({asked}.*){{3}}")
    if pastes:
        terminal.types(f"{practice.authorize(uri)}\n")
    else:
        practice.sign_in(uri)
        while "token of work\n" not in terminal.shown:
            # The news of it may come a little later than this line.
            times = terminal.shown.count(asked)
            terminal.types("\n")
            terminal.reads(f"(?s)({asked}.*){{{times + 1}}}|token of work\n")
    terminal.reads("token of work\n")
    assert terminal.ends() == 0


def test_an_interruption_cancels_the_attempt(daemon: Daemon, practice: Practice) -> None:
    terminal = Terminal(ASK)
    uri = terminal.reads(URI)[1]
    terminal.reads("It is not shown")
    terminal.interrupts()
    terminal.reads("KeyboardInterrupt")
    assert terminal.ends() != 0
    # Nobody listens there any more, or only to say so.
    callback = practice.authorize(uri)
    again = Terminal("import urllib.request, sys; urllib.request.urlopen(sys.stdin.readline().strip())")
    again.types(f"{callback}\n")
    assert again.ends() != 0
    assert Session("work").client.sessions() == []
    assert daemon.socket.exists()


def test_a_device_shows_its_code_alone(start_daemon: StartDaemon, practice: Practice) -> None:
    start_daemon(practice.config + 'flow = "device"\n')
    terminal = Terminal(ASK)
    uri = terminal.reads(URI)[1]
    code = terminal.reads(r"Enter this code there: (\S+)\n")[1]
    assert uri.startswith(practice.issuer)
    terminal.reads("Waiting for you to sign in to session work. $")
    practice.answer_device(uri, code)
    terminal.reads(r"session work\. \r\x1b\[KSigned in")
    terminal.reads("token of work\n")
    assert terminal.ends() == 0


def test_what_comes_of_a_paste_is_waited_for_in_sight(daemon: Daemon, practice: Practice) -> None:
    assert daemon.socket.exists()
    terminal = Terminal(ASK)
    callback = practice.authorize(terminal.reads(URI)[1])
    terminal.reads("It is not shown")
    practice.script({"point": "after_reading", "kind": {"delay": 4}})
    terminal.types(f"{callback}\n")
    terminal.reads(r"Waiting for session work to be signed in\. \r\x1b\[KSigned in")
    terminal.reads("token of work\n")
    assert terminal.ends() == 0


def test_another_person_is_confirmed(signed_in: SignIn) -> None:
    stage = signed_in(key="work")
    ask = 'from fourinsight_broker import Session; print(Session("work").login(force=True)["identity"]["name"])'
    for answer, name in [("no", None), ("yes", "Grace Hopper")]:
        terminal = Terminal(ask)
        stage.practice.sign_in(terminal.reads(URI)[1], "grace")
        terminal.reads(r"Before: Ada.*\nSigned in: Grace")
        terminal.reads("Type yes or no: ")
        terminal.types(f"{answer}\n")
        if name:
            terminal.reads(f"\n{name}")
            assert terminal.ends() == 0
        else:
            terminal.reads("AccessDenied")
            assert terminal.ends() == 1
            assert str(stage.session.status()["identity"]["name"]).startswith("Ada")


def test_a_waiting_call_can_be_interrupted_and_says_what_it_waits_for(signed_in: SignIn) -> None:
    # The server takes its time over the renewal.
    signed_in(key="work").practice.script({"point": "after_reading", "kind": {"delay": 20}})
    terminal = Terminal(ASK.replace("print", "session.reject(session.token())\nprint"))
    terminal.reads("Waiting for a fresh token of session work.")
    terminal.interrupts()
    terminal.reads("KeyboardInterrupt")
    assert "\r\x1b[K" in terminal.shown
    assert terminal.ends() != 0


INPUTS = [
    "sys.stdin = None",
    "sys.stdin = io.StringIO('somebody')",
    "sys.stdin = open(os.devnull)",
    "sys.stdin = open(os.devnull, 'w')",
    "sys.stdin.close()",
]
"""What programs, editors and test runners put in the place of standard input."""


@pytest.mark.parametrize("put", INPUTS)
def test_what_is_put_in_the_place_of_standard_input_stops_no_login(
    daemon: Daemon, practice: Practice, put: str
) -> None:
    terminal = Terminal(_asked_after(put))
    practice.sign_in(terminal.reads(URI)[1])
    terminal.reads("token of work\n")
    assert terminal.ends() == 0
    assert daemon.socket.exists()


PASTE = 'flow = "paste"\nredirect_uri = "https://app.example/done"\n'
PASSWORD = 'flow = "password"\nallow_legacy = true\n'


@pytest.mark.parametrize("flow", [PASTE, PASSWORD])
@pytest.mark.parametrize("put", INPUTS)
def test_where_nobody_can_type_it_is_said_what_can_be_done(
    start_daemon: StartDaemon, practice: Practice, put: str, flow: str
) -> None:
    start_daemon(practice.config + flow)
    terminal = Terminal(_asked_after(put))
    terminal.reads(r"\n[\w.]*LoginRequired: nobody can type here .*fourinsightctl login work")
    assert terminal.ends() == 1


def test_what_is_no_text_is_asked_for_again(start_daemon: StartDaemon, practice: Practice) -> None:
    start_daemon(practice.config + PASSWORD)
    terminal = Terminal(_asked_after("sys.stdin.reconfigure(encoding='utf-8', errors='strict')"))
    terminal.reads("User name: ")
    terminal.types(b"bj\xf8rn\n")
    terminal.reads("not utf-8 text, which is expected here.\nUser name: ")
    terminal.types("bjørn\n")
    terminal.reads("Password: ")
    terminal.interrupts()
    terminal.reads("KeyboardInterrupt")
    assert terminal.ends() != 0


def test_a_terminal_that_is_gone_stops_no_login(daemon: Daemon, practice: Practice) -> None:
    told = daemon.home / "told"
    os.mkfifo(told)
    terminal = Terminal(
        _asked_after(
            f"signal.signal(signal.SIGHUP, signal.SIG_IGN)\nsys.stdout = sys.stderr = open('{told}', 'w', buffering=1)"
        )
    )
    with told.open() as lines:
        uri = next(line.strip() for line in lines if line.startswith("http"))
        assert "It is not shown" in next(lines)
        terminal.hangs_up()
        practice.sign_in(uri)
        assert [line.strip() for line in lines][-1] == "token of work"
    assert terminal.ends() == 0


def _asked_after(put: str) -> str:
    """Give code that does this first and asks for a login then."""
    return f"import io, os, signal, sys\n{put}{ASK.replace('None', 'True')}"


def test_where_nobody_is_nobody_is_asked(daemon: Daemon) -> None:
    terminal = Terminal(ASK.replace('Session("work"', "Session('my work'").replace("None", "False"))
    terminal.reads("LoginRequired: .*fourinsightctl login 'my work'")
    assert terminal.ends() == 1
    assert daemon.socket.exists()
