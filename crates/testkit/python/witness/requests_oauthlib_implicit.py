"""requests-oauthlib's mobile application workflow, the implicit grant."""

import json
import sys

from oauthlib.oauth2 import MobileApplicationClient
from requests_oauthlib import OAuth2Session

given = json.loads(sys.stdin.readline())
client = MobileApplicationClient(client_id=given["client_id"])
session = OAuth2Session(client=client, redirect_uri=given["redirect_uri"], scope=given["scope"])
authorization_url, _state = session.authorization_url(given["authorization_endpoint"])
print(json.dumps({"authorization_uri": authorization_url}), flush=True)
session.token_from_fragment(sys.stdin.readline().strip())
print(json.dumps({"access_token": session.token["access_token"]}))
