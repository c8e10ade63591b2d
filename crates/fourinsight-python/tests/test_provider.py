from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import SignedIn, SignIn
from fourinsight_broker import LoginRequired, Session, token_provider
from stage import Daemon


def test_each_call_gives_the_present_token(here: SignedIn) -> None:
    provide = token_provider()
    first = provide()
    assert here.practice.verdict(first) == "live"
    assert provide() == first
    assert here.practice.ledger()["token_requests"] == 1
    here.session.reject(here.session.token())
    assert provide() != first
    assert here.practice.verdict(provide()) == "live"


def test_threads_share_it(here: SignedIn) -> None:
    provide = token_provider(here.session)
    together = threading.Barrier(8)

    def ask() -> set[str]:
        together.wait(30)
        return {provide() for _ in range(50)}

    with ThreadPoolExecutor(8) as threads:
        seen = [threads.submit(ask) for _ in range(8)]
        assert {token for tokens in seen for token in tokens.result()} == {here.session.token().secret}


def test_its_session_and_audience_are_named_and_its_token_is_not(here: SignedIn) -> None:
    provide = token_provider("work", scopes=["a", "b"], resource="https://api.example.com")
    assert repr(provide) == "token_provider('work', scopes='a b', resource='https://api.example.com')"
    assert repr(token_provider(here.session)) == "token_provider('default')"


def test_scopes_other_than_the_logins_have_a_token_of_their_own(signed_in: SignIn) -> None:
    stage = signed_in("1h", "--dialect", "entra")
    own, other = token_provider(), token_provider(scopes=["https://other.example/.default"])
    assert own() != other()
    assert own() == token_provider(scopes="https://api.example/.default")()
    assert stage.practice.verdict(other()) == "live"


def test_nobody_signed_in_names_the_command(daemon: Daemon) -> None:
    assert daemon.socket.exists()
    with pytest.raises(LoginRequired, match="fourinsightctl login ops"):
        token_provider(Session("ops"))()


def test_a_key_of_old_is_warned_of(monkeypatch: pytest.MonkeyPatch, daemon: Daemon) -> None:
    assert daemon.socket.exists()
    monkeypatch.setenv("COGNITE_API_KEY", "s3cr3t")
    with pytest.warns(UserWarning, match="COGNITE_API_KEY is set") as warned:
        token_provider()
    assert warned[0].filename == __file__
    assert "s3cr3t" not in str(warned[0].message)
    monkeypatch.setenv("COGNITE_API_KEY", "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        token_provider()
