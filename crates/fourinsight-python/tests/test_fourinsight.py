"""What both `fourinsight.api` and this package do: every test runs with the genuine classes and with ours.

Where they differ, a test of its own says how.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import oauthlib.oauth2
import pytest
import requests
from requests.adapters import HTTPAdapter

from both import Make
from fourinsight_broker import auth_session
from seed import CLIENT_SCOPE, USER_SCOPES
from stage import Practice
from stub_api import Answer, Seen, StubApi, redirect

OK = Answer(200, {"value": [1]})


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long urllib3 would have paused between attempts."""
    pauses: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pauses.append)
    return pauses


def test_it_is_a_session_of_requests_whose_requests_are_authorized(session: Any, api: StubApi) -> None:
    assert session.get(api.on("/v1.0/Campaigns", OK), params={"a": "b"}).json() == {"value": [1]}
    [seen] = api.seen
    assert (seen.method, seen.query) == ("GET", {"a": ["b"]})
    assert seen.bearer == session.token["access_token"]
    assert seen.headers["User-Agent"] == "python-fourinsight-api/0.1.24"
    assert isinstance(session, requests.Session)


def test_every_method_and_kind_of_body(session: Any, api: StubApi) -> None:
    url = api.on("/things", OK)
    session.post(url, json={"a": 1})
    session.put(url, data={"a": "b c"}, headers={"X-Mine": "yes"})
    session.patch(url, data=b"bytes")
    session.post(url, files={"upload": ("name.txt", io.BytesIO(b"content"))})
    session.post(url, data=iter([b"one", b"two"]))
    session.delete(url)
    session.head(url)
    session.options(url)
    session.request("GET", url, None, {"X-Mine": "no"})
    methods = [seen.method for seen in api.seen]
    assert methods == ["POST", "PUT", "PATCH", "POST", "POST", "DELETE", "HEAD", "OPTIONS", "GET"]
    assert {seen.bearer for seen in api.seen} == {session.token["access_token"]}
    json_body, form, raw, upload, stream, *_, last = api.seen
    assert (json_body.body, form.body, raw.body, stream.body) == (b'{"a": 1}', b"a=b+c", b"bytes", b"onetwo")
    assert b"content" in upload.body
    assert (form.headers["X-Mine"], last.headers["X-Mine"]) == ("yes", "no")


TOKEN = {"access_token", "token_type", "expires_in", "expires_at", "scope"}


def test_the_token_is_a_dict(session: Any, kind: str, server: Practice) -> None:
    token = session.token
    assert set(token) >= TOKEN
    assert token["token_type"] == "Bearer"
    assert sorted(token["scope"]) == sorted([CLIENT_SCOPE] if kind == "client" else USER_SCOPES)
    assert 3590 <= token["expires_in"] <= 3600
    assert server.verdict(token["access_token"]) == "live"
    assert session.access_token == token["access_token"]
    assert session.authorized is True


def test_a_new_token_can_be_insisted_on(session: Any, server: Practice) -> None:
    first = session.token["access_token"]
    second = session.fetch_token()["access_token"]
    third = session.refresh_token()["access_token"]
    assert session.token["access_token"] == third
    assert len({first, second}) == 2
    assert server.verdict(third) == "live"


@pytest.mark.parametrize("status", [413, 429, 502, 503, 504])
def test_a_busy_api_is_asked_again(session: Any, api: StubApi, pauses: list[float], status: int) -> None:
    url = api.on("/busy", Answer(status), Answer(status), Answer(status), OK)
    assert session.get(url).status_code == 200
    assert len(api.seen) == 4
    assert pauses == [1.0, 2.0]
    assert len({seen.bearer for seen in api.seen}) == 1


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_after_three_more_attempts_the_last_answer_counts(
    session: Any, api: StubApi, pauses: list[float], method: str
) -> None:
    url = api.on("/busy", Answer(503))
    assert session.request(method, url, data=b"body").status_code == 503
    assert [seen.body for seen in api.seen] == [b"body"] * 4
    assert len(pauses) == 2


def test_how_long_an_api_wants_to_be_left_alone_is_respected(session: Any, api: StubApi, pauses: list[float]) -> None:
    session.get(api.on("/busy", Answer(429, None, {"Retry-After": "7"}), OK))
    assert pauses == [7]


def test_no_other_error_method_or_place_is_asked_again(
    session: Any, api: StubApi, elsewhere: StubApi, pauses: list[float]
) -> None:
    assert session.get(api.on("/broken", Answer(500))).status_code == 500
    assert session.head(api.on("/busy", Answer(503))).status_code == 503
    assert session.get(elsewhere.on("/busy", Answer(503))).status_code == 503
    assert (len(api.seen), len(elsewhere.seen), pauses) == (2, 1, [])


def test_requests_time_out_after_100_seconds_unless_told_otherwise(
    session: Any, api: StubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeouts: list[Any] = []
    send = HTTPAdapter.send

    def noting(self: HTTPAdapter, *args: Any, **kwargs: Any) -> requests.Response:
        timeouts.append(kwargs["timeout"])
        return send(self, *args, **kwargs)

    monkeypatch.setattr(HTTPAdapter, "send", noting)
    url = api.on("/things", OK)
    session.get(url)
    session.post(url, timeout=(1, 2))
    session.delete(url, timeout=None)
    assert timeouts == [100.0, (1, 2), None]


def test_pages_are_followed_to_the_end(session: Any, api: StubApi) -> None:
    first = api.on("/pages/1", Answer(200, {"value": [1], "@odata.nextLink": f"{api.url}pages/2?skip=1"}))
    api.on("/pages/2", Answer(200, {"value": [2], "@odata.nextLink": f"{api.url}pages/3"}))
    api.on("/pages/3", Answer(200, {"value": [3]}))
    pages = session.get_pages(first, params={"top": "1"}, headers={"X-Mine": "yes"})
    assert not api.seen, "nothing is asked for before it is wanted"
    assert [page.json()["value"] for page in pages] == [[1], [2], [3]]
    assert [seen.query for seen in api.seen] == [{"top": ["1"]}, {"skip": ["1"]}, {}]
    assert [seen.headers["X-Mine"] for seen in api.seen] == ["yes", None, None]
    assert {seen.bearer for seen in api.seen} == {session.token["access_token"]}


def test_a_page_that_fails_is_given_and_ends_it(session: Any, api: StubApi) -> None:
    first = api.on("/pages/1", Answer(200, {"value": [1], "@odata.nextLink": f"{api.url}pages/2"}))
    api.on("/pages/2", Answer(404, {"@odata.nextLink": f"{api.url}pages/3"}))
    assert [page.status_code for page in session.get_pages(first)] == [200, 404]
    assert not api.at("/pages/3")


def test_the_internal_api_is_not_for_get(session: Any, api: StubApi) -> None:
    url = api.on("/internal/things", OK)
    for get in (session.get, lambda url: session.get(url=url), lambda url: list(session.get_pages(url))):
        with pytest.raises(ValueError, match=r"[Ii]nternal API"):
            get(url)
    assert not api.seen
    assert session.post(url).status_code == 200
    link = api.on("/pages", Answer(200, {"@odata.nextLink": url}))
    pages = session.get_pages(link)
    assert next(pages).status_code == 200
    with pytest.raises(ValueError, match=r"[Ii]nternal API"):
        next(pages)


@pytest.mark.parametrize(
    "url", ["http://api.example/", "HTTP://api.example/", "ftp://api.example", "/v1.0/Campaigns", ""]
)
def test_nothing_but_https_is_asked(session: Any, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.delenv("OAUTHLIB_INSECURE_TRANSPORT", raising=False)
    for ask in (session.get, session.post, lambda url: session.get(url, withhold_token=True)):
        with pytest.raises(Exception, match=r"(?i)https") as raised:
            ask(url)
        assert type(raised.value).__name__ == "InsecureTransportError"
        with pytest.raises(oauthlib.oauth2.InsecureTransportError):
            ask(url)


def test_a_request_can_go_without_the_token_or_with_something_else(session: Any, api: StubApi) -> None:
    url = api.on("/things", OK)
    session.get(url, withhold_token=True)
    session.get(url, auth=("user", "password"))
    session.get(url, headers={"Authorization": "mine"})
    without, basic, own = api.seen
    assert without.headers["Authorization"] is None
    assert basic.headers["Authorization"].startswith("Basic ")
    assert own.bearer == session.token["access_token"]


def test_a_netrc_file_does_not_take_the_tokens_place(
    session: Any, api: StubApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password c4nary")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    url = api.on("/things", OK)
    session.get(url)
    session.get(url, withhold_token=True)
    assert [seen.headers["Authorization"] for seen in api.seen] == [f"Bearer {session.token['access_token']}", None]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_within_the_origin_keeps_the_token_and_one_to_another_loses_it(
    session: Any, api: StubApi, elsewhere: StubApi, status: int
) -> None:
    elsewhere.on("/there", OK)
    api.on("/here", OK)
    assert session.get(api.on("/near", redirect("/here", status))).status_code == 200
    assert session.get(api.on("/far", redirect(f"{elsewhere.url}there", status))).status_code == 200
    token = session.token["access_token"]
    assert (api.bearers("/here"), api.bearers("/far"), elsewhere.bearers("/there")) == ([token], [token], [None])


# What follows is where they differ.


def answered_once_then_refused(status: int = 401) -> list[Callable[[Seen], Answer]]:
    """Refuses the first token that it sees, and takes any other."""
    first: list[str | None] = []

    def answer(seen: Seen) -> Answer:
        first.append(seen.bearer)
        return Answer(status, None, {"WWW-Authenticate": "Bearer"}) if seen.bearer == first[0] else OK

    return [answer]


def test_theirs_gives_up_over_a_refused_token_and_ours_asks_with_the_next_one(
    theirs: Any, ours: Any, api: StubApi, server: Practice
) -> None:
    assert theirs.get(api.on("/theirs", *answered_once_then_refused())).status_code == 401
    before = ours.token["access_token"]
    assert ours.get(api.on("/ours", *answered_once_then_refused())).status_code == 200
    assert api.bearers("/ours") == [before, ours.token["access_token"]]
    assert server.verdict(ours.token["access_token"]) == "live"


def test_a_persons_token_has_the_refresh_token_in_theirs_and_nobodys_has_it_in_ours(
    theirs: Any, ours: Any, kind: str
) -> None:
    assert ("refresh_token" in theirs.token) == (kind == "user")
    assert set(ours.token) == TOKEN


def test_theirs_asks_the_server_at_each_start_and_ours_when_there_is_need(
    make_theirs: Make, make_ours: Make, kind: str, server: Practice
) -> None:
    for make, requests_more in ((make_theirs, 3), (make_ours, 1 if kind == "client" else 0)):
        before = server.ledger()["token_requests"]
        tokens = {make().token["access_token"] for _ in range(3)}
        assert server.ledger()["token_requests"] - before == requests_more
        assert len(tokens) == max(requests_more, 1)


def test_theirs_takes_the_token_wherever_the_next_page_is_and_ours_does_not(
    theirs: Any, ours: Any, api: StubApi, elsewhere: StubApi
) -> None:
    elsewhere.on("/stolen", Answer(200, {}))
    first = api.on("/pages", Answer(200, {"@odata.nextLink": f"{elsewhere.url}stolen"}))
    assert len(list(theirs.get_pages(first))) == 2
    assert elsewhere.bearers("/stolen") == [theirs.token["access_token"]]
    assert len(list(ours.get_pages(first))) == 2
    assert elsewhere.bearers("/stolen")[1:] == [None]


def test_theirs_takes_the_token_wherever_it_is_sent_and_ours_where_it_was_sent_first(
    theirs: Any, ours: Any, api: StubApi, elsewhere: StubApi
) -> None:
    for session, carries in ((theirs, True), (ours, False)):
        token = session.token["access_token"]
        assert session.get(api.on("/first", OK)).status_code == 200
        assert session.get(elsewhere.on("/other", OK)).status_code == 200
        assert api.bearers("/first")[-1] == token
        assert elsewhere.bearers("/other")[-1] == (token if carries else None)


def test_theirs_takes_plain_http_where_a_variable_says_so_and_ours_only_on_this_machine(
    ours: Any, theirs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    sent: list[str] = []

    class Sent(Exception):
        pass

    def note(_: HTTPAdapter, request: requests.PreparedRequest, **__: Any) -> requests.Response:
        sent.append(request.headers["Authorization"])
        raise Sent

    monkeypatch.setattr(HTTPAdapter, "send", note)
    with pytest.raises(Sent):
        theirs.get("http://api.example/")
    assert len(sent) == 1
    with pytest.raises(auth_session.InsecureTransportError):
        ours.get("http://api.example/")
    assert len(sent) == 1


def test_theirs_can_be_given_a_token_and_ours_has_the_brokers(theirs: Any, ours: Any) -> None:
    theirs.token = {"access_token": "mine"}
    with pytest.raises(AttributeError):
        ours.token = {"access_token": "mine"}
