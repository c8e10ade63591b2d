"""What all adapters of other libraries have in common."""

from __future__ import annotations

import asyncio
import doctest
import importlib
import inspect
import pickle
import subprocess
import sys
from typing import Any

import httpx
import pytest
import requests
from cognite.client.config import global_config

import fourinsight_broker
from conftest import SignedIn
from stage import Daemon

ADAPTERS = {
    "AsyncAzureCredential": ("azure", "azure.core", "azure"),
    "AzureCredential": ("azure", "azure.core", "azure"),
    "CogniteCredentials": ("cognite", "cognite", "cognite"),
    "GoogleCredentials": ("google", "google.auth", "google"),
    "HttpxAuth": ("httpx_auth", "httpx", "httpx"),
    "OAuth2Session": ("oauth2_session", "requests", "oauthlib"),
    "RequestsAuth": ("requests_auth", "requests", "requests"),
}


@pytest.mark.parametrize("module", sorted({module for module, _, _ in ADAPTERS.values()} | {"provider", "origin"}))
def test_the_examples_run(module: str, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    assert daemon.socket.exists()
    monkeypatch.setattr(global_config, "disable_pypi_version_check", True)
    result = doctest.testmod(importlib.import_module(f"fourinsight_broker.{module}"))
    assert result.failed == 0
    assert result.attempted > 0


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_each_public_method_says_what_it_does(name: str) -> None:
    adapter = getattr(fourinsight_broker, name)
    assert "Examples\n" in (inspect.getdoc(adapter) or "")
    for method, function in inspect.getmembers(adapter, inspect.isfunction):
        if not method.startswith("_") and function.__module__.startswith("fourinsight_broker"):
            assert function.__doc__, method


@pytest.mark.parametrize("name", [*sorted(ADAPTERS), "token_provider"])
def test_it_goes_to_another_process_without_its_token(name: str, here: SignedIn) -> None:
    adapter = getattr(fourinsight_broker, name)(session_key=here.session)
    secret = here.session.token().secret
    assert given(adapter) == secret
    pickled = pickle.dumps(adapter)
    assert secret.encode() not in pickled
    assert given(pickle.loads(pickled)) == secret  # noqa: S301


def given(adapter: Any) -> str:
    """Have an adapter give a token in the way of its library."""
    if isinstance(adapter, fourinsight_broker.AzureCredential):
        return adapter.get_token().token
    if isinstance(adapter, fourinsight_broker.AsyncAzureCredential):
        return asyncio.run(adapter.get_token()).token
    if isinstance(adapter, fourinsight_broker.CogniteCredentials):
        return adapter.authorization_header()[1].removeprefix("Bearer ")
    if isinstance(adapter, fourinsight_broker.GoogleCredentials):
        adapter.refresh(None)
        return str(adapter.token)
    if isinstance(adapter, fourinsight_broker.HttpxAuth):
        signed = next(adapter.sync_auth_flow(httpx.Request("GET", "https://api.example.com/")))
        return str(signed.headers["Authorization"]).removeprefix("Bearer ")
    if isinstance(adapter, fourinsight_broker.RequestsAuth):
        request = requests.Request("GET", "https://api.example.com/", auth=adapter).prepare()
        return str(request.headers["Authorization"]).removeprefix("Bearer ")
    if isinstance(adapter, fourinsight_broker.OAuth2Session):
        return str(adapter.refresh_token()["access_token"])
    return str(adapter())


@pytest.mark.parametrize(("name", "of"), ADAPTERS.items())
def test_a_library_is_imported_when_it_is_used_and_named_where_it_is_missing(
    name: str, of: tuple[str, str, str]
) -> None:
    _module, library, extra = of
    script = f"""
import sys
before = set(sys.modules)
import fourinsight_broker
imported = {{name.partition(".")[0] for name in set(sys.modules) - before}}
assert not {{"azure", "cognite", "google", "httpx", "requests"}} & imported
assert {name!r} in dir(fourinsight_broker)
assert {name!r} not in fourinsight_broker.__all__
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {library!r}.split(".")[0]:
            raise ImportError("missing")
sys.meta_path.insert(0, Missing())
try:
    fourinsight_broker.{name}
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip().endswith(f"; pip install fourinsight-broker[{extra}]"), done.stdout


INSPECTED = """
import inspect
import pydoc
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"azure", "cognite", "google", "httpx", "oauthlib", "requests", "requests_oauthlib"}:
            raise ImportError("missing")
if sys.argv[1] == "without":
    sys.meta_path.insert(0, Missing())
import fourinsight_broker
print(pydoc.render_doc(fourinsight_broker, renderer=pydoc.plaintext))
print("members:", *(name for name, _ in inspect.getmembers(fourinsight_broker)))
from fourinsight_broker import *
assert Session and AsyncSession and token_provider
"""


@pytest.mark.parametrize("extras", ["with", "without"])
def test_help_names_everything_whatever_is_installed(extras: str) -> None:
    code = [sys.executable, "-c", INSPECTED, extras]
    done = subprocess.run(code, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    shown, _, members = done.stdout.partition("members:")
    names = (fourinsight_broker._LATER.keys() | set(fourinsight_broker.__all__)) - {"__version__"}
    assert {name for name in names if name not in shown} == set()
    needy = {*ADAPTERS, "ClientSession", "UserSession"}
    assert set(members.split()) & names == names - (needy if extras == "without" else set())
