"""A client that signs in as itself at the practice server."""

from __future__ import annotations

CLIENT = ("practice confidential", "s3cr3t: of~the+practice/client=100%&more")

# At the practice server, by the profile that a ClientSession uses.
CONFIG = """
[profiles.4insight-service]
flow = "client_credentials"
token_endpoint = "{issuer}/token"
client_auth = "post"
scopes = "api"
"""
