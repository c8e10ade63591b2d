"""A real authorization server for tests: django-oauth-toolkit on Django, served by waitress on a loopback port.

Unmodified, and set up as its documentation says: its own login, consent and device pages, hashed client secrets,
rotating refresh tokens, ID tokens, revocation and introspection.

One argument: JSON settings. One line of JSON on standard output once it listens. It ends with its standard input, so
it never outlives the test that started it.
"""

import json
import os
import secrets
import socket
import sys
import threading

import django
import waitress
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

from settings import settings

PEOPLE = {"ada": ("Ada", "Lovelace"), "grace": ("Grace", "Hopper")}
# The framework takes it at any port.
REDIRECT_URIS = "http://127.0.0.1/callback http://[::1]/callback"


def main():
    options = json.loads(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    django_settings.configure(**settings(options, options["folder"], origin))
    django.setup()
    call_command("migrate", verbosity=0)
    add_people(options["password"])
    clients = add_clients()
    server = waitress.create_server(get_wsgi_application(), sockets=[listener], threads=4)
    threading.Thread(target=end_with_input, daemon=True).start()
    print(json.dumps({"issuer": f"{origin}/o", "clients": clients}), flush=True)
    server.run()


def end_with_input():
    sys.stdin.buffer.read()
    os._exit(0)


def add_people(password):
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User

    # One hash does for all: it is slow to make, on purpose.
    hashed = make_password(password)
    for login, (first, last) in PEOPLE.items():
        User.objects.create(username=login, password=hashed, first_name=first, last_name=last)


def add_clients():
    """An application has one grant type in this framework, so each way in has a client of its own."""
    return {
        "public": add_client("authorization-code", public=True, redirect_uris=REDIRECT_URIS, algorithm="RS256"),
        "confidential": add_client("authorization-code", redirect_uris=REDIRECT_URIS, algorithm="RS256"),
        "batch": add_client("client-credentials"),
        "public_device": add_client("urn:ietf:params:oauth:grant-type:device_code", public=True, algorithm="RS256"),
        "device": add_client("urn:ietf:params:oauth:grant-type:device_code", algorithm="RS256"),
        "oracle": add_client("client-credentials"),
    }


def add_client(grant_type, public=False, **fields):
    from oauth2_provider.models import get_application_model

    # Only correct encoding carries it over.
    secret = "" if public else f"{secrets.token_urlsafe(24)}~:%2B&= +/ü"
    client = get_application_model()(
        name=f"Practice ({grant_type.rsplit(':')[-1]})",
        client_type="public" if public else "confidential",
        authorization_grant_type=grant_type,
        client_secret=secret,
        **fields,
    )
    client.full_clean(exclude=["client_secret"])
    client.save()
    return {"client_id": client.client_id, "client_secret": secret or None}


if __name__ == "__main__":
    main()
