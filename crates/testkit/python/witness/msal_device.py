"""MSAL's device flow: asks for a code, takes a line when a person has entered it, polls, and then refreshes."""

import json
import sys

import msal

given = json.loads(sys.stdin.readline())
app = msal.PublicClientApplication(given["client_id"], **given["authority"])
flow = app.initiate_device_flow(scopes=given["scope"])
if "user_code" not in flow:
    sys.exit(f"no user code: {flow}")
print(json.dumps({name: flow[name] for name in ("user_code", "verification_uri")}), flush=True)
sys.stdin.readline()
answer = app.acquire_token_by_device_flow(flow)
if "access_token" not in answer:
    sys.exit(f"no token: {answer}")
[account] = app.get_accounts()
answer = app.acquire_token_silent_with_error(given["scope"], account=account, force_refresh=True)
if "access_token" not in (answer or {}):
    sys.exit(f"no refresh: {answer}")
print(json.dumps({"access_token": answer["access_token"]}))
