"""MSAL's confidential client: signs in as itself so many times, for MSAL renews by asking anew."""

import json
import sys

import msal

given = json.loads(sys.stdin.readline())
app = msal.ConfidentialClientApplication(
    given["client_id"], client_credential=given["client_credential"], **given["authority"]
)
for _ in range(given["times"]):
    answer = app.acquire_token_for_client(scopes=given["scope"])
    if "access_token" not in answer:
        sys.exit(f"no token: {answer}")
    app.remove_tokens_for_client()
print(json.dumps({"access_token": answer["access_token"]}))
