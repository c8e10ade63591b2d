"""fourinsight.api's UserSession: signs in with the package on the next line, or goes on with the token file."""

import contextlib
import json
import sys

from fourinsight.api import UserSession

json.loads(sys.stdin.readline())
# Its prompt and its instructions go to standard output, which here is for answers.
with contextlib.redirect_stdout(sys.stderr):
    session = UserSession()
print(json.dumps({"access_token": session.token["access_token"]}))
