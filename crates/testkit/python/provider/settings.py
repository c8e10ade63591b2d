"""What the site is set up with: Django's and django-oauth-toolkit's settings, and nothing more."""

import secrets

from jwcrypto import jwk


def settings(options: dict, folder: str, origin: str) -> dict:
    """The settings of one run, whose database lies in this folder and which answers at this origin."""
    return {
        "SECRET_KEY": secrets.token_urlsafe(32),
        "ALLOWED_HOSTS": ["127.0.0.1"],
        "ROOT_URLCONF": "urls" if options["metadata_at_root"] else "prefixed_urls",
        "USE_TZ": True,
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "LOGIN_URL": "/accounts/login/",
        "STATIC_URL": "/static/",
        "INSTALLED_APPS": [
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.messages",
            "django.contrib.sessions",
            "oauth2_provider",
        ],
        "MIDDLEWARE": [
            "ledger.Recorder",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": f"{folder}/provider.sqlite3",
                # Threads that write wait for one another.
                "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE"},
            }
        },
        # A failure of the site is told; that a request was refused is what tests are about.
        "LOGGING": {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"stderr": {"class": "logging.StreamHandler"}},
            "loggers": {
                "django": {"handlers": ["stderr"], "level": "ERROR"},
                "oauth2_provider": {"handlers": ["stderr"], "level": "ERROR"},
            },
        },
        "OAUTH2_PROVIDER": {
            "ACCESS_TOKEN_EXPIRE_SECONDS": options["access_token_life"],
            # A refresh token presented after its successor was handed out ends the whole family.
            "REFRESH_TOKEN_REUSE_PROTECTION": True,
            "REFRESH_TOKEN_EXPIRE_SECONDS": 24 * 3600,
            "OIDC_ENABLED": True,
            "OIDC_RSA_PRIVATE_KEY": jwk.JWK.generate(kty="RSA", size=2048)
            .export_to_pem(private_key=True, password=None)
            .decode(),
            "OAUTH2_VALIDATOR_CLASS": "claims.Validator",
            "OAUTH_DEVICE_VERIFICATION_URI": f"{origin}/o/device/",
            "OAUTH_DEVICE_VERIFICATION_URI_COMPLETE": lambda code: f"{origin}/o/device/?user_code={code}",
            "DEVICE_FLOW_INTERVAL": 1,
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": options["names_itself"],
            "SCOPES": {
                "openid": "Know who you are",
                "profile": "Know your name",
                "read": "Read",
                "write": "Write",
                "introspection": "Judge tokens",
            },
        },
    }
