from __future__ import annotations

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
    practice.answer_device(uri, code)
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


INPUTS = ["None", "io.StringIO('never read')", "open(os.devnull)", "open(os.devnull, 'w')"]


@pytest.mark.parametrize("standard_input", [*INPUTS, "closed"])
def test_what_is_put_in_the_place_of_standard_input_stops_no_login(
    daemon: Daemon, practice: Practice, standard_input: str
) -> None:
    terminal = Terminal(_asked_with(standard_input))
    practice.sign_in(terminal.reads(URI)[1])
    terminal.reads("token of work\n")
    assert terminal.ends() == 0
    assert daemon.socket.exists()


@pytest.mark.parametrize("standard_input", [*INPUTS, "closed"])
def test_where_nobody_can_type_it_is_said_what_can_be_done(
    start_daemon: StartDaemon, practice: Practice, standard_input: str
) -> None:
    start_daemon(practice.config + 'flow = "paste"\nredirect_uri = "https://app.example/done"\n')
    terminal = Terminal(_asked_with(standard_input))
    terminal.reads("LoginRequired: nobody can type here .*fourinsightctl login work")
    assert terminal.ends() == 1


def _asked_with(standard_input: str) -> str:
    """Give code that asks for a login where standard input has become this."""
    put = "sys.stdin.close()" if standard_input == "closed" else f"sys.stdin = {standard_input}"
    return f"import io, os, sys\n{put}{ASK.replace('None', 'True')}"


def test_where_nobody_is_nobody_is_asked(daemon: Daemon) -> None:
    terminal = Terminal(ASK.replace('Session("work"', "Session('my work'").replace("None", "False"))
    terminal.reads("LoginRequired: .*fourinsightctl login 'my work'")
    assert terminal.ends() == 1
    assert daemon.socket.exists()
