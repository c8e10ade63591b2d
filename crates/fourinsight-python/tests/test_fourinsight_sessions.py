"""Who is signed in, and when: `UserSession` and `ClientSession` with the real broker."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from requests import ConnectionError  # noqa: A004 - as requests calls it

from conftest import SignIn, StartDaemon, sign_in_to
from fourinsight_broker import (
    AccessDenied,
    ClientSession,
    InteractionRequired,
    InvalidRequest,
    LoginRequired,
    Session,
    TemporarilyUnavailable,
    UserSession,
    interaction,
)
from fourinsight_broker import fourinsight as module
from service import CLIENT, CONFIG
from stage import Daemon, Practice
from stub_api import Answer, StubApi


class Ada:
    """Signs in at the practice server, wherever she is told to."""

    def __init__(self, sign_in: Callable[[str], object] | None = None) -> None:
        self.shown: list[str] = []
        self.waited: list[str] = []
        self._sign_in = sign_in

    def tell(self, text: str) -> None:
        pass

    def link(self, text: str, uri: str) -> None:
        assert text
        self.shown.append(uri)
        if self._sign_in:
            self._sign_in(uri)

    def ask(self, question: str) -> str:
        raise EOFError(question)

    def ask_hidden(self, question: str, news: interaction.News) -> str | None:
        if not self._sign_in:
            raise EOFError(question)
        news.wait()
        return None

    def waits(self, text: str) -> None:
        if text not in self.waited:
            self.waited.append(text)

    def waits_no_more(self) -> None:
        if self.waited and self.waited[-1]:
            self.waited.append("")


@pytest.fixture
def there_is(monkeypatch: pytest.MonkeyPatch) -> Callable[[Ada], Ada]:
    """Has this person sit at the terminal."""

    def sits(person: Ada) -> Ada:
        def find(interactive: bool | None) -> Ada | None:
            return None if interactive is False else person

        monkeypatch.setattr(interaction, "find", find)
        monkeypatch.setattr(module, "find", find)
        return person

    return sits


@pytest.fixture
def service(practice: Practice, start_daemon: StartDaemon) -> Daemon:
    return start_daemon(practice.config + CONFIG.format(issuer=practice.issuer))


def test_a_person_who_is_signed_in_is_not_asked(signed_in: SignIn, api: StubApi) -> None:
    stage = signed_in()
    session = UserSession(profile="practice")
    assert session.get(api.on("/things", Answer(200))).status_code == 200
    assert api.bearers("/things") == [stage.session.token().secret]
    assert stage.practice.ledger()["token_requests"] == 1
    session = UserSession(False, None, profile="practice")
    assert session.token["access_token"] == api.seen[0].bearer


def test_without_anybody_to_ask_the_command_is_named(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    for session_key, key in ((None, "default"), ("it's mine", r"it-s-mine-\w+"), ("ops eu", "'ops eu'")):
        with pytest.raises(LoginRequired, match="nobody can be asked") as raised:
            UserSession(session_key=session_key, interactive=False)
        assert raised.value.action
        assert re.fullmatch(f"fourinsightctl login {key} --profile 4insight", raised.value.action)
    with pytest.raises(LoginRequired) as raised:
        UserSession(True, interactive=False, profile="practice")
    assert raised.value.action == "fourinsightctl login default --profile practice --force"


def test_a_key_that_is_no_text_is_refused_in_words(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    with pytest.raises(ValueError, match="session_key has half a surrogate pair") as raised:
        UserSession(session_key="ops\ud800", interactive=False)
    assert type(raised.value) is ValueError
    for key in ("ops\U0001f600", "ops\udc80"):
        with pytest.raises(LoginRequired):
            UserSession(session_key=key, interactive=False)


def test_a_person_is_asked_once_for_each_key(
    practice: Practice, daemon: Daemon, there_is: Callable[[Ada], Ada]
) -> None:
    assert daemon.socket.exists()
    ada = there_is(Ada(practice.sign_in))
    for session_key in ("ops/eu", None, "ops/eu", "default"):
        session = UserSession(session_key=session_key, profile="practice")
        assert practice.verdict(session.token["access_token"]) == "live"
    assert len(ada.shown) == 3
    known = {status["session"]: status.get("original_key") for status in Session().client.sessions()}
    assert known == {"default": None, "ops-eu-69c3e1ea148": "ops/eu", "default-1": "default"}


def test_a_login_can_be_insisted_on(signed_in: SignIn, there_is: Callable[[Ada], Ada]) -> None:
    stage = signed_in()
    ada = there_is(Ada(stage.practice.sign_in))
    before = stage.session.token().secret
    session = UserSession(auth_force=True, profile="practice")
    assert "prompt=login" in ada.shown[0]
    assert session.token["access_token"] != before
    assert session.fetch_token()["access_token"] not in (before, None)
    assert len(ada.shown) == 2
    assert stage.session.status()["profile"] == "practice"


def test_a_login_that_has_ended_is_renewed_by_the_person_in_the_middle_of_the_work(
    signed_in: SignIn, there_is: Callable[[Ada], Ada], api: StubApi
) -> None:
    stage = signed_in()
    session = UserSession(profile="practice")
    stage.session.revoke()
    url = api.on("/things", Answer(200))
    with pytest.raises(LoginRequired):
        UserSession(interactive=False)
    assert not session.authorized
    there_is(Ada(stage.practice.sign_in))
    assert session.get(url).status_code == 200
    assert UserSession(profile="practice").get(url).status_code == 200
    assert session.authorized


def test_a_server_that_wants_the_person_is_answered_by_them_in_the_middle_of_the_work(
    wanted: Session, practice: Practice, there_is: Callable[[Ada], Ada]
) -> None:
    with pytest.raises(InteractionRequired, match=r"new terms of use.*; run `fourinsightctl login work") as raised:
        UserSession(session_key="work", profile="practice", interactive=False)
    assert raised.value.action == "fourinsightctl login work --profile practice"
    ada = there_is(Ada(practice.sign_in))
    session = UserSession(session_key="work", profile="practice")
    wanted.reject(wanted.token())
    assert session.access_token == "token 3"
    assert len(ada.shown) == 2


def test_no_token_of_another_server_goes_to_4insight(signed_in: SignIn, there_is: Callable[[Ada], Ada]) -> None:
    stage = signed_in()
    ada = there_is(Ada(stage.practice.sign_in))
    said = (
        "session default is signed in with profile practice, not 4insight, .*another session_key, "
        "or profile='practice' if .*`fourinsightctl login default --profile 4insight --force`"
    )
    named: list[dict[str, Any]] = [{}, {"auth_force": True}, {"profile": "4insight"}]
    for arguments in named:
        with pytest.raises(InvalidRequest, match=said):
            UserSession(**arguments)
    with pytest.raises(InvalidRequest, match="signed in with profile practice, not other"):
        UserSession(profile="other")
    # Nor where the broker has to be started.
    stage.daemon.stop()
    with pytest.raises(InvalidRequest, match=said):
        UserSession()
    assert ada.shown == []
    assert UserSession(profile="practice").access_token == stage.session.token().secret


def test_a_login_of_another_profile_is_replaced_where_both_are_named(
    practice: Practice, start_daemon: StartDaemon, there_is: Callable[[Ada], Ada]
) -> None:
    other = practice.config.partition("\n")[2].replace("[profiles.practice]", "[profiles.other]")
    start_daemon(practice.config + other)
    sign_in_to(Session(), practice)
    there_is(Ada(practice.sign_in))
    session = UserSession(True, profile="other")
    assert practice.verdict(session.access_token) == "live"
    assert Session().status()["profile"] == "other"


def test_a_profile_of_4insights_preset_needs_no_naming(signed_in: SignIn) -> None:
    stage = signed_in()
    stage.daemon.write_config('[profiles.practice]\npreset = "4insight"\n')
    stage.daemon.stop()
    stage.daemon.start()
    session = UserSession()
    assert stage.practice.verdict(session.access_token) == "live"


def test_without_a_profile_it_is_4insights_page(start_daemon: StartDaemon, there_is: Callable[[Ada], Ada]) -> None:
    assert start_daemon("").socket.exists()
    ada = there_is(Ada())
    with pytest.raises(LoginRequired):
        UserSession()
    assert ada.shown == ["https://4insight.io/auth"]


def test_a_client_signs_in_when_its_session_is_made(service: Daemon, practice: Practice) -> None:
    assert service.socket.exists()
    for secret in ("c4nary", CLIENT[1] + " ", ""):
        with pytest.raises(AccessDenied) as raised:
            ClientSession(CLIENT[0], secret)
        assert not secret or secret not in str(raised.value)
    first = ClientSession(*CLIENT)
    with pytest.raises(AccessDenied):
        ClientSession(CLIENT[0], "wrong")
    second = ClientSession(client_id=CLIENT[0], client_secret=CLIENT[1])
    assert first.token["access_token"] == second.token["access_token"]
    assert ClientSession(*CLIENT, scopes="read").token["access_token"] != first.token["access_token"]
    assert practice.verdict(first.token["access_token"]) == "live"
    [plain, read] = Session().client.sessions()
    assert {plain["lifetime"], read["lifetime"]} == {"ephemeral"}


def test_many_that_start_together_are_one_login(service: Daemon, practice: Practice) -> None:
    assert service.socket.exists()
    with ThreadPoolExecutor(16) as pool:
        sessions = list(pool.map(lambda _: ClientSession(*CLIENT), range(32)))
    assert len({session.token["access_token"] for session in sessions}) == 1
    assert practice.ledger()["token_requests"] == 1


def test_a_client_goes_on_when_the_broker_starts_anew(service: Daemon, practice: Practice, api: StubApi) -> None:
    session = ClientSession(*CLIENT)
    token = session.token["access_token"]
    url = api.on("/things", lambda seen: Answer(401 if seen.bearer == token else 200))
    service.stop()
    for path in service.state_dir.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert CLIENT[1].encode() not in content
            assert token.encode() not in content
    service.start()
    assert Session().client.sessions() == []
    assert session.get(url).status_code == 200
    assert api.bearers("/things") == [session.token["access_token"]]
    assert practice.verdict(session.token["access_token"]) == "live"
    service.stop()
    assert session.get(url).status_code == 200, "it also starts the broker"


def test_a_client_whose_server_is_away_is_told_so(service: Daemon, practice: Practice) -> None:
    assert service.socket.exists()
    practice.stop()
    with pytest.raises(TemporarilyUnavailable):
        ClientSession(*CLIENT)


def test_a_client_session_is_not_a_name_that_somebody_can_choose(service: Daemon) -> None:
    assert service.socket.exists()
    name = ClientSession(*CLIENT)._key
    service.stop()
    service.start()
    assert ClientSession(*CLIENT)._key != name


CANARY = "s3cret-c4nary"


def ours_that_know(secret: str, error: BaseException | None) -> list[str]:
    """Name the variables of this package in which a traceback shows the secret."""
    found: list[str] = []
    while error:
        assert secret not in repr(error)
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        found += [
            f"{frame.name}: {name}"
            for frame in shown.stack
            if Path(frame.filename).parent.name == "fourinsight_broker"
            for name, value in (frame.locals or {}).items()
            if secret in value
        ]
        error = error.__context__
    return found


def test_no_traceback_shows_the_secret_in_a_variable_of_ours(service: Daemon, practice: Practice) -> None:
    assert service.socket.exists()
    with pytest.raises(AccessDenied) as denied:
        ClientSession(CLIENT[0], CANARY)
    assert ours_that_know(CANARY, denied.value) == []
    with pytest.raises(ValueError, match="client_secret has half a surrogate pair") as broken:
        ClientSession(CLIENT[0], f"{CANARY}\udc80")
    assert ours_that_know(CANARY, broken.value) == []
    session = ClientSession(*CLIENT)
    for ask in (session.get, lambda url, **more: list(session.get_pages(url, **more))):
        with pytest.raises(ConnectionError) as nobody:
            ask("http://127.0.0.1:1/", client_secret=CANARY)
        assert ours_that_know(CANARY, nobody.value) == []
    practice.stop()
    with pytest.raises(TemporarilyUnavailable) as away:
        ClientSession(CLIENT[0], CANARY)
    assert ours_that_know(CANARY, away.value) == []


def test_a_client_that_has_to_wait_says_what_for(
    service: Daemon, practice: Practice, there_is: Callable[[Ada], Ada]
) -> None:
    assert service.socket.exists()
    ada = there_is(Ada())
    practice.script({"point": "after_reading", "kind": {"delay": 3}})
    session = ClientSession(*CLIENT)
    assert ada.waited == [f"Waiting for client {CLIENT[0]} to be signed in.", ""]
    ada.waited.clear()
    assert session.token
    assert ada.waited == [], "what takes microseconds is not mentioned"
    practice.script({"point": "after_reading", "kind": {"delay": 3}})
    session.refresh_token()
    assert ada.waited == [f"Waiting for a fresh token of client {CLIENT[0]}.", ""]


def test_a_revoked_secret_shows_when_its_token_is_refused(
    start_daemon: StartDaemon, practice: Practice, api: StubApi
) -> None:
    granted = Answer(200, {"access_token": "first", "token_type": "Bearer", "expires_in": 3600})
    refused = Answer(401, {"error": "invalid_client"})
    token_endpoint = api.on("/token", granted, refused)
    config = CONFIG.format(issuer=practice.issuer).replace(f"{practice.issuer}/token", token_endpoint)
    assert start_daemon(practice.config + config).socket.exists()
    ClientSession(*CLIENT)
    session = ClientSession(*CLIENT)
    assert len(api.at("/token")) == 1, "the broker has it open"
    url = api.on("/things", Answer(401))
    assert session.get(url).status_code == 401
    assert api.bearers("/things") == ["first"]
    with pytest.raises(TemporarilyUnavailable, match="invalid_client"):
        session.get(url)
    with pytest.raises(AccessDenied):
        ClientSession(*CLIENT)
