"""What the tests run against: the real programs, each in a folder of its own."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

WORKSPACE = Path(__file__).resolve().parents[3]
PROGRAMS = "FOURINSIGHT_TEST_PROGRAMS"
TIME_LIMIT = 30.0


class MissingProgram(Exception):
    """A program that the tests need has not been built."""


def program(name: str) -> Path:
    """Find a program in the folder that FOURINSIGHT_TEST_PROGRAMS names, or where cargo puts it."""
    folder = Path(os.environ.get(PROGRAMS) or WORKSPACE / "target" / "debug")
    path = folder / name
    if not path.is_file():
        raise MissingProgram(
            f"{path} is missing: build it with `cargo build -p fourinsightd -p fourinsightctl -p testkit --bins`, "
            f"or name the folder that has it in {PROGRAMS}"
        )
    return path


def ask(url: str, body: object = None) -> Any:
    """Ask for JSON, by POST where there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIME_LIMIT) as answer:
        text = answer.read()
    return json.loads(text) if text else None


class Practice:
    """The practice authorization server, with what it has seen."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [program("practice-server"), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        ready = json.loads(self._process.stdout.readline())
        self.issuer: str = ready["issuer"]
        # The issuer of some dialects has a path.
        self._site = "/".join(self.issuer.split("/")[:3])
        self.client_id: str = ready["client_id"]
        self.config: str = ready["config"]
        """The text of a config.toml that signs in here."""

    def endpoints(self) -> dict[str, Any]:
        """Give the server's metadata, which has the addresses of its endpoints."""
        metadata: dict[str, Any] = ask(f"{self.issuer}/.well-known/openid-configuration")
        return metadata

    def authorize(self, authorization_uri: str, user: str = "ada") -> str:
        """Sign in as this user: the address at which the browser would end."""
        visit = {"authorization_uri": authorization_uri, "user": user}
        return str(ask(f"{self._site}/practice/sign-in", visit)["callback_uri"])

    def sign_in(self, authorization_uri: str, user: str = "ada") -> None:
        """Sign in as this user, and go where the browser goes."""
        callback = self.authorize(authorization_uri, user)
        with urllib.request.urlopen(callback, timeout=TIME_LIMIT) as page:
            page.read()

    def answer_device(self, verification_uri: str, user_code: str, user: str = "ada") -> None:
        """Enter a user code as this user."""
        with urllib.request.urlopen(f"{verification_uri}?user_code={user_code}", timeout=TIME_LIMIT) as shown:
            form = re.search(r"name=form value=\"([^\"]+)\"", shown.read().decode())
        assert form
        decision = urllib.parse.urlencode({"form": form[1], "user": user, "decision": "allow"}).encode()
        with urllib.request.urlopen(verification_uri, decision, timeout=TIME_LIMIT) as page:
            page.read()

    def package(self, user: str = "ada") -> str:
        """Sign in as this user at the page that ends with a package, where there is one: the package."""
        with urllib.request.urlopen(f"{self._site}/auth", timeout=TIME_LIMIT) as shown:
            page = shown.read().decode()
        form = re.search(r"name=form value=\"([^\"]+)\"", page)
        action = re.search(r"method=post action=\"([^\"]+)\"", page)
        assert form
        assert action
        decision = urllib.parse.urlencode({"form": form[1], "user": user, "decision": "allow"}).encode()
        address = urllib.parse.urljoin(self._site, html.unescape(action[1]))
        with urllib.request.urlopen(address, decision, timeout=TIME_LIMIT) as ended:
            package = re.search(r"<textarea id=package[^>]*>([^<]+)<", ended.read().decode())
        assert package
        return html.unescape(package[1])

    def verdict(self, access_token: str) -> str:
        """Tell how an access token stands: ``live``, ``expired``, ``revoked`` or ``unknown``."""
        return str(ask(f"{self._site}/practice/verdict", {"access_token": access_token})["verdict"]).lower()

    def ledger(self) -> dict[str, Any]:
        """Give the figures of what was asked and issued."""
        ledger: dict[str, Any] = ask(f"{self._site}/practice/ledger")
        return ledger

    def script(self, *faults: dict[str, Any]) -> None:
        """Say what befalls the next token requests, one each."""
        ask(f"{self._site}/practice/script", {"faults": list(faults)})

    def stop(self) -> None:
        self._process.communicate(timeout=TIME_LIMIT)


class Daemon:
    """A broker with a home of its own."""

    def __init__(self, config: str) -> None:
        # A short name: socket paths are limited to about a hundred bytes.
        self.home = Path(tempfile.mkdtemp(prefix="fi-"))
        self.state_dir = self.home / "state"
        self.socket = self.home / "s"
        self.config = self.home / "config.toml"
        self.log = self.home / "log"
        self.write_config(config)
        self._process: subprocess.Popen[str] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients and programs find it, and nothing outside of it."""
        path = f"{program('fourinsightd').parent}{os.pathsep}{os.environ['PATH']}"
        return {
            "FOURINSIGHT_STATE_DIR": str(self.state_dir),
            "FOURINSIGHT_SOCKET": str(self.socket),
            "FOURINSIGHT_CONFIG": str(self.config),
            "HOME": str(self.home),
            "PATH": path,
        }

    def write_config(self, text: str) -> None:
        self.config.write_text(text)

    def start(self) -> None:
        """Start it, and return when it is ready: then it writes a line."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program("fourinsightd")],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout
        assert self._process.stdout.readline(), f"the broker did not start:\n{self.log.read_text()}"

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process:
            self._process.terminate()
            self._process.communicate(timeout=TIME_LIMIT)
            self._process = None

    def stop_whoever_runs(self) -> None:
        """Stop it, also where a client has started it."""
        self.stop()
        subprocess.run(
            [program("fourinsightctl"), "stop"],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=TIME_LIMIT,
        )

    def remove(self) -> None:
        self.stop_whoever_runs()
        shutil.rmtree(self.home)
