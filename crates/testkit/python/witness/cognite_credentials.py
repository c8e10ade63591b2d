"""Cognite's SDK: loads a credential mapping, and asks it for a token where told to. What it says to a person, and what
it would open in a browser, goes to standard output as answers."""

import contextlib
import io
import json
import sys
import webbrowser

import msal.authority
from cognite.client.credentials import CredentialProvider


def answer(**said):
    print(json.dumps(said), file=answers, flush=True)


class Person(io.TextIOBase):
    """Who reads what is printed."""

    def write(self, text):
        if text.strip():
            answer(said=text.strip())
        return len(text)


class Browser(webbrowser.BaseBrowser):
    """One that leaves the page to others."""

    def open(self, url, new=0, autoraise=True):
        answer(authorization_uri=url)
        return True


answers = sys.stdout
webbrowser.register("answers", None, Browser(), preferred=True)
given = json.loads(sys.stdin.readline())
# Else MSAL asks Microsoft whether it knows the host of a client with a certificate.
msal.authority.WELL_KNOWN_AUTHORITY_HOSTS = {"127.0.0.1", "localhost"}
with contextlib.redirect_stdout(Person()):
    provider = CredentialProvider.load(given["mapping"])
    access_token = None
    if given.get("signs_in"):
        access_token = provider.authorization_header()[1].removeprefix("Bearer ")
answer(provider=type(provider).__name__, access_token=access_token)
