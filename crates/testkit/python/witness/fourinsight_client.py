"""fourinsight.api's ClientSession: signs in at a token endpoint of ours in place of the fixed one, and renews."""

import json
import sys

from fourinsight.api import ClientSession, authenticate

given = json.loads(sys.stdin.readline())
authenticate._CONSTANTS["CLIENT_TOKEN_URL"] = given["token_endpoint"]
session = ClientSession(given["client_id"], given["client_secret"])
session.refresh_token()
print(json.dumps({"access_token": session.token["access_token"]}))
