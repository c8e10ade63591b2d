"""fourinsight.api's UserSession: signs in with the package on the next line, or goes on with the token file."""

import contextlib
import json
import sys

from fourinsight.api import UserSession

given = json.loads(sys.stdin.readline())
# Its prompt and its instructions go to standard output, which here is for answers.
with contextlib.redirect_stdout(sys.stderr):
    try:
        session = UserSession(session_key=given.get("session_key"))
    except EOFError:
        session = None
print(json.dumps({"access_token": session.token["access_token"]} if session else {"asks": True}))
