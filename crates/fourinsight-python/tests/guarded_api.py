"""An API on this machine that checks the bearer of each request, and remembers every request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import SignedIn, SignIn
    from stage import Practice


@dataclass
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else None


@dataclass
class Answer:
    """What is answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


class GuardedApi:
    """Answers as `answer` says."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self.answer = answer
        self.requests: list[Request] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = self._chunks()
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, body)
                api.requests.append(request)
                answer = api.answer(request)
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def _chunks(self) -> bytes:
                body = b""
                while length := int(self.rfile.readline(), 16):
                    body += self.rfile.read(length)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815 - the names that the class wants

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def bearers(self) -> list[str | None]:
        """The bearer of each request."""
        return [request.bearer for request in self.requests]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Refusals:
    """Checks each bearer with the server that issued it, and refuses those named, too."""

    def __init__(self, practice: Practice, challenge: str = 'Bearer error="invalid_token"') -> None:
        self._practice = practice
        self.challenge = challenge
        self.refused: set[str | None] = set()
        self.granted = Answer()

    def __call__(self, request: Request) -> Answer:
        bearer = request.bearer
        if bearer is None or bearer in self.refused or self._practice.verdict(bearer) != "live":
            return Answer(401, {"WWW-Authenticate": self.challenge}, b'{"refused": true}')
        return self.granted


StartGuarded = Callable[[Callable[[Request], Answer]], GuardedApi]


@pytest.fixture
def here(signed_in: SignIn) -> SignedIn:
    """Somebody is signed in to the session ``default``, whose tokens live for an hour."""
    return signed_in()


@pytest.fixture
def refusals(here: SignedIn) -> Refusals:
    """Which tokens `guarded` refuses."""
    return Refusals(here.practice)


@pytest.fixture
def guarded(start_guarded: StartGuarded, refusals: Refusals) -> GuardedApi:
    """An API that checks each bearer with the server that issued it."""
    return start_guarded(refusals)


@pytest.fixture
def start_guarded() -> Iterator[StartGuarded]:
    """Starts an API that answers so."""
    apis: list[GuardedApi] = []

    def start(answer: Callable[[Request], Answer]) -> GuardedApi:
        apis.append(GuardedApi(answer))
        return apis[-1]

    yield start
    for guarded in apis:
        guarded.stop()
