"""requests-oauthlib's web application workflow: signs in with a code and PKCE, and lets an API call refresh."""

import json
import sys
import time

from requests_oauthlib import OAuth2Session

given = json.loads(sys.stdin.readline())
client = {"client_id": given["client_id"], "client_secret": given["client_secret"]}
session = OAuth2Session(
    given["client_id"],
    redirect_uri=given["redirect_uri"],
    scope=given["scope"],
    pkce="S256",
    auto_refresh_url=given["token_endpoint"],
    # The recipe of its documentation for servers that want the client to prove itself.
    auto_refresh_kwargs=client,
    token_updater=lambda token: None,
)
authorization_url, _state = session.authorization_url(given["authorization_endpoint"])
print(json.dumps({"authorization_uri": authorization_url}), flush=True)
callback = sys.stdin.readline().strip()
session.fetch_token(
    given["token_endpoint"], authorization_response=callback, client_secret=given["client_secret"]
)
session.token = {**session.token, "expires_at": time.time() - 1}
session.get(given["api"]).raise_for_status()
print(json.dumps({"access_token": session.token["access_token"]}))
