from __future__ import annotations

import asyncio
import copy
import pickle
import shlex
from pathlib import Path

import pytest

from conftest import SignIn, StartDaemon
from fourinsight_broker import (
    AsyncSession,
    BrokerError,
    InteractionRequired,
    InvalidRequest,
    LoginRequired,
    NotRunning,
    Session,
    interaction,
    session_key_of_seed,
)
from stage import Daemon, Practice


def test_a_token_lives_and_shows_itself_only_when_asked(signed_in: SignIn) -> None:
    stage = signed_in(key="my work")
    token = stage.session.token()
    assert stage.practice.verdict(token.secret) == "live"
    assert token.session == "my work"
    assert token.expires_in is not None
    assert 3500 < token.expires_in <= 3600
    assert token.expires_at is not None
    assert token.scope == "openid offline_access"
    assert token.secret not in repr(token) + str(token)
    assert copy.copy(token) is token
    assert copy.deepcopy([token]) == [token]
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(token)


def test_a_rejected_token_is_given_to_nobody_again(signed_in: SignIn) -> None:
    stage = signed_in()
    token = stage.session.token()
    assert stage.session.reject(token)["outcome"] == "renewing"
    other = stage.session.token()
    assert other.id != token.id
    assert stage.practice.verdict(other.secret) == "live"
    answer = stage.session.reject(other, 'Bearer error="insufficient_scope", scope="files.write"')
    assert (answer["outcome"], answer["scope"]) == ("insufficient_scope", "files.write")
    assert stage.session.token().id == other.id


def test_demands_are_met(signed_in: SignIn) -> None:
    stage = signed_in()
    token = stage.session.token()
    assert stage.session.token(min_validity=60).id == token.id
    assert stage.session.token(min_validity=1e6, wait=10).id != token.id
    for scopes in ("openid", ["openid"]):
        assert stage.session.token(scopes=scopes).scope is not None
    with pytest.raises(ValueError, match="wait is no length of time"):
        stage.session.token(wait=-1)


def test_status_and_revocation(signed_in: SignIn) -> None:
    stage = signed_in()
    status = stage.session.status()
    assert (status["state"], status["profile"]) == ("signed_in", "practice")
    token = stage.session.token()
    assert token.secret not in str(status)
    assert stage.session.revoke()["revocation"] == "revoked"
    assert stage.practice.verdict(token.secret) == "revoked"
    with pytest.raises(LoginRequired):
        stage.session.token()


def test_nobody_signed_in_names_the_command(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    with pytest.raises(LoginRequired) as raised:
        Session("work").token()
    error = raised.value
    assert error.code == "login_required"
    assert error.action == "fourinsightctl login work"
    assert error.action in str(error)
    assert error.description in str(error)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(again), again.code, again.action) == (str(error), error.code, error.action)


def test_a_server_that_wants_the_person_where_nobody_can_be_asked(wanted: Session) -> None:
    for interactive in (False, None):
        with pytest.raises(InteractionRequired, match="new terms of use") as raised:
            Session("work", interactive=interactive).token()
        assert raised.value.action == "fourinsightctl login work"
        with pytest.raises(InteractionRequired):
            asyncio.run(AsyncSession("work", interactive=interactive).token())
    assert wanted.status()["state"] == "signed_in"


def test_whoever_is_there_is_asked_for_the_session_itself_only(
    wanted: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Asked(Exception):
        pass

    def asked(*_: object) -> None:
        raise Asked

    person = interaction._Nobody()
    monkeypatch.setattr(interaction, "find", lambda _: person)
    monkeypatch.setattr(interaction, "sign_in", asked)
    session = Session("work", interactive=True)
    for _ in range(2):
        with pytest.raises(Asked):
            session.token()
        with pytest.raises(InteractionRequired):
            session.token(scopes="read")
        with pytest.raises(InteractionRequired):
            session.token(claims='{"access_token": {"nbf": null}}')
    assert wanted.status()["state"] == "signed_in"


def test_a_login_where_nobody_can_be_asked(signed_in: SignIn) -> None:
    stage = signed_in(key="work")
    # Somebody is signed in: nobody is asked.
    assert stage.session.login()["identity"]["name"] == "Ada Lovelace"
    assert stage.session.login(profile="practice")["state"] == "signed_in"
    with pytest.raises(InvalidRequest, match="signed in with profile practice, not other"):
        stage.session.login(profile="other")
    for session, force in [(stage.session, True), (Session("my play"), False)]:
        with pytest.raises(LoginRequired, match="nobody can be asked here") as raised:
            session.login(force=force)
        assert raised.value.action == f"fourinsightctl login {shlex.quote(session.key)}"
    assert stage.practice.ledger()["authorization_requests"] == 2
    # For a token neither, where it may be asked for.
    with pytest.raises(LoginRequired):
        Session("play", interactive=None).token()


def test_a_client_signs_in_as_itself(practice: Practice, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(
        f'''[profiles.robot]
issuer = "{practice.issuer}"
client_id = "practice confidential"
client_secret = {{ env = "ROBOTS_SECRET" }}
flow = "client_credentials"
scopes = ["api"]
'''
    )
    secret = "s3cr3t: of~the+practice/client=100%&more"
    session = Session("robot", profile="robot")
    with pytest.raises(BrokerError) as raised:
        session.login()
    assert "ROBOTS_SECRET" in str(raised.value)
    status = session.login(client_id="practice confidential", client_secret=secret, ephemeral=True)
    assert (status["state"], status["lifetime"]) == ("signed_in", "ephemeral")
    assert practice.verdict(session.token().secret) == "live"
    assert secret not in daemon.log.read_text()


def test_a_session_goes_to_other_processes_by_its_name(signed_in: SignIn) -> None:
    stage = signed_in(key="work")
    again = pickle.loads(pickle.dumps(stage.session))  # noqa: S301
    assert repr(again) == "Session('work')"
    assert again.token().id == stage.session.token().id


def test_what_no_request_can_hold_is_refused(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    with pytest.raises(ValueError, match="session key"):
        Session("no/such").token()
    with pytest.raises(ValueError, match='no field "colour"'):
        Session().client.start_login({"colour": "red"})
    with pytest.raises(InvalidRequest):
        Session().client.start_login({"profile": "nobody's"})


def test_the_daemon_is_started_for_a_token_and_not_for_a_look(home: Daemon) -> None:
    assert not home.socket.exists()
    with pytest.raises(NotRunning):
        Session().status()
    with pytest.raises(LoginRequired):
        Session().token()
    assert Session().client.health()["status"] == "ok"
    assert Session().client.version()["api"] == "v1"


def test_locations_are_arguments_too(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in daemon.environment:
        if name.startswith("FOURINSIGHT_"):
            monkeypatch.delenv(name)
    session = Session(state_dir=daemon.state_dir, socket=Path(daemon.socket))
    assert session.client.sessions() == []


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [(None, ("default", None)), ("work", ("work", None)), ("ops/eu", ("ops-eu-69c3e1ea148", "ops/eu"))],
)
def test_the_keys_of_the_package_that_people_come_from(theirs: str | None, ours: tuple[str, str | None]) -> None:
    assert session_key_of_seed(theirs) == ours
