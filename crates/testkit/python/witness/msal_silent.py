"""MSAL's silent acquisition: signs in by the device flow, then takes tokens for what it is told, one after another."""

import json
import sys

import msal

given = json.loads(sys.stdin.readline())
app = msal.PublicClientApplication(
    given["client_id"], client_capabilities=given["client_capabilities"], **given["authority"]
)
flow = app.initiate_device_flow(scopes=given["scope"])
if "user_code" not in flow:
    sys.exit(f"no user code: {flow}")
print(json.dumps({name: flow[name] for name in ("user_code", "verification_uri")}), flush=True)
sys.stdin.readline()
answer = app.acquire_token_by_device_flow(flow)
if "access_token" not in answer:
    sys.exit(f"no token: {answer}")
[account] = app.get_accounts()
for silent in given["silent"]:
    answer = app.acquire_token_silent_with_error(
        silent["scope"], account=account, claims_challenge=silent["claims"]
    )
    if "access_token" not in (answer or {}):
        sys.exit(f"nothing in silence: {answer}")
print(json.dumps({"access_token": answer["access_token"]}))
