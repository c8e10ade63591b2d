"""requests-oauthlib's legacy application workflow, the password grant, and a refresh."""

import json
import sys

from oauthlib.oauth2 import LegacyApplicationClient
from requests_oauthlib import OAuth2Session

given = json.loads(sys.stdin.readline())
# A scope given to the session instead would never be sent.
client = LegacyApplicationClient(client_id=given["client_id"], scope=given["scope"])
session = OAuth2Session(client=client)
session.fetch_token(
    token_url=given["token_endpoint"],
    username=given["username"],
    password=given["password"],
    client_id=given["client_id"],
    client_secret=given["client_secret"],
)
session.refresh_token(
    given["token_endpoint"], client_id=given["client_id"], client_secret=given["client_secret"]
)
print(json.dumps({"access_token": session.token["access_token"]}))
