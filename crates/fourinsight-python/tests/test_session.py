from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from conftest import SignIn
from fourinsight_broker import InvalidRequest, LoginRequired, NotRunning, Session, session_key_of_seed
from stage import Daemon


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
