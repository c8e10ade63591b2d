"""requests-oauthlib's backend application workflow, the client credentials grant; twice, for there is no refresh."""

import json
import sys

from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

given = json.loads(sys.stdin.readline())
client = BackendApplicationClient(client_id=given["client_id"], scope=given["scope"])
session = OAuth2Session(client=client)
for _ in range(2):
    session.fetch_token(
        token_url=given["token_endpoint"],
        client_id=given["client_id"],
        client_secret=given["client_secret"],
    )
print(json.dumps({"access_token": session.token["access_token"]}))
