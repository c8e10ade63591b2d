"""What was asked of the framework, and what it stores about it. Nothing here changes an answer."""

import json
import threading
import time

from django.http import JsonResponse
from oauth2_provider.models import get_access_token_model, get_refresh_token_model

ENDPOINTS = {
    "/o/token/": "token",
    "/o/revoke_token/": "revocation",
    "/o/device-authorization/": "device_authorization",
    "/o/userinfo/": "userinfo",
}
SENT = ("code", "code_verifier", "refresh_token", "device_code", "client_secret", "token")
ANSWERED = ("access_token", "refresh_token", "id_token", "device_code")

lock = threading.Lock()
requests: list[dict] = []
secrets: set[str] = set()


class Recorder:
    """Middleware: notes each request at the endpoints above with its answer."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        answer = self.get_response(request)
        endpoint = ENDPOINTS.get(request.path)
        if endpoint:
            self.note(endpoint, request, answer)
        return answer

    def note(self, endpoint, request, answer):
        form = request.POST
        try:
            body = json.loads(answer.content)
        except ValueError:
            body = {}
        with lock:
            requests.append(
                {
                    "at": int(time.time() * 1000),
                    "endpoint": endpoint,
                    "client_authentication": client_authentication(request),
                    "grant_type": form.get("grant_type"),
                    "refresh_token": form.get("refresh_token"),
                    "fields": sorted(form),
                    "answered": sorted(body),
                    "status": answer.status_code,
                    "error": body.get("error"),
                }
            )
            secrets.update(form[name] for name in SENT if form.get(name))
            secrets.update(body[name] for name in ANSWERED if body.get(name))


def client_authentication(request):
    """How the client proved itself."""
    if request.headers.get("Authorization", "").startswith("Basic "):
        return "basic"
    return "post" if "client_secret" in request.POST else "none"


def show(_request):
    """The ledger, and what the framework's own database holds now."""
    access_tokens = get_access_token_model().objects.select_related("application", "user").order_by("pk")
    refresh_tokens = get_refresh_token_model().objects.select_related("application", "user").order_by("pk")
    with lock:
        noted = {"requests": list(requests), "secrets": sorted(secrets)}
    return JsonResponse(
        {
            **noted,
            "access_tokens": [
                {
                    "token": token.token,
                    "client_id": token.application.client_id,
                    "user": token.user and token.user.get_username(),
                    "scope": token.scope,
                    "resource": token.resource,
                    "expires_at": int(token.expires.timestamp() * 1000),
                }
                for token in access_tokens
            ],
            "refresh_tokens": [
                {
                    "token": token.token,
                    "client_id": token.application.client_id,
                    "user": token.user.get_username(),
                    "family": str(token.token_family),
                    "revoked": token.revoked is not None,
                }
                for token in refresh_tokens
            ],
        }
    )
