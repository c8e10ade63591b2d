"""A program that keeps the token of requests-oauthlib in a file: signs in where there is none, else asks an API, which
refreshes where the token is over."""

import json
import os
import sys

from requests_oauthlib import OAuth2Session

given = json.loads(sys.stdin.readline())
client = {"client_id": given["client_id"], "client_secret": given["client_secret"]}


def save(token):
    # People keep all of it, or what they use; the documentation has an example that is over at once.
    kept = {name: value for name, value in token.items() if name in given.get("keeps", token)}
    with open(given["file"], "w") as file:
        json.dump({**kept, **given.get("instead", {})}, file)


token = None
if os.path.exists(given["file"]):
    with open(given["file"]) as file:
        token = json.load(file)
session = OAuth2Session(
    given["client_id"],
    redirect_uri=given["redirect_uri"],
    scope=given["scope"],
    pkce="S256",
    token=token,
    auto_refresh_url=given["token_endpoint"],
    auto_refresh_kwargs=client,
    token_updater=save,
)
if token is None:
    authorization_url, _state = session.authorization_url(given["authorization_endpoint"])
    print(json.dumps({"authorization_uri": authorization_url}), flush=True)
    callback = sys.stdin.readline().strip()
    if not callback:
        sys.exit()
    answer = session.fetch_token(
        given["token_endpoint"], authorization_response=callback, client_secret=given["client_secret"]
    )
    save(answer)
session.get(given["api"]).raise_for_status()
print(json.dumps({"access_token": session.token["access_token"]}))
