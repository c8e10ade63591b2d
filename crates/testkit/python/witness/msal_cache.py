"""A program with MSAL's cache in a file, by the recipe of its documentation: signs one more person in by the device
flow, signs one out, or renews for all whom it finds."""

import json
import os
import sys

import msal

given = json.loads(sys.stdin.readline())
cache = msal.SerializableTokenCache()
if os.path.exists(given["cache"]):
    with open(given["cache"]) as file:
        cache.deserialize(file.read())
app = msal.PublicClientApplication(given["client_id"], token_cache=cache, **given["authority"])
if given["do"] == "sign in":
    flow = app.initiate_device_flow(scopes=given["scope"])
    if "user_code" not in flow:
        sys.exit(f"no user code: {flow}")
    print(json.dumps({name: flow[name] for name in ("user_code", "verification_uri")}), flush=True)
    sys.stdin.readline()
    answer = app.acquire_token_by_device_flow(flow)
    if "access_token" not in answer:
        sys.exit(f"no token: {answer}")
elif given["do"] == "sign out":
    for account in app.get_accounts(given["username"]):
        app.remove_account(account)
elif given["do"] == "renew":
    for account in app.get_accounts():
        answer = app.acquire_token_silent_with_error(given["scope"], account=account, force_refresh=True)
        if "access_token" not in (answer or {}):
            sys.exit(f"no refresh for {account['username']}: {answer}")
if cache.has_state_changed:
    with open(given["cache"], "w") as file:
        file.write(cache.serialize())
print(json.dumps({"usernames": sorted(account["username"] for account in app.get_accounts())}))
