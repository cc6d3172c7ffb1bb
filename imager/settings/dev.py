"""A checkout: secrets made once under `var/`, embedded services, plain HTTP, mails to the console."""

from __future__ import annotations

import os
from pathlib import Path

from imager.env import env, kept_secret

_VAR = Path(env.str("IMAGER_VAR", default=str(Path(__file__).resolve().parent.parent.parent / "var")))
os.environ.setdefault("SECRET_KEY", kept_secret(_VAR / "secret_key"))
os.environ.setdefault("JWT_SIGNING_KEYS", kept_secret(_VAR / "jwt_signing_key"))

from imager.settings.base import *  # noqa: E402  # dev is base with a checkout's defaults

DEBUG = env.bool("DEBUG", default=True)
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", *env.list("ALLOWED_HOSTS", default=[])]
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 0
SESSION_COOKIE_SECURE = False
CSRF_COOKIE_SECURE = False
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True  # http://localhost
EMAIL_BACKEND = env.str("EMAIL_BACKEND", default="django.core.mail.backends.console.EmailBackend")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "uploads": UPLOADS,
}
WHITENOISE_USE_FINDERS = True
CATALOG_ZIMS = env.str("CATALOG_ZIMS", default="")  # a checkout asks nobody by itself
CATALOG_APPS = env.str("CATALOG_APPS", default="")
HOTSPOT_SOFTWARE = env.bool("HOTSPOT_SOFTWARE", default=False)  # the demo's base image could not run it
