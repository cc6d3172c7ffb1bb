"""Tests: the real engines, started by `tests/services.py`; fast hashing; mails kept in memory."""

from __future__ import annotations

import os

os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 40)
os.environ.setdefault("JWT_SIGNING_KEYS", "11" * 32 + "," + "22" * 32)

from imager.settings.base import *  # test is base with a test's defaults

ALLOWED_HOSTS = ["*"]
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 0
SESSION_COOKIE_SECURE = False
CSRF_COOKIE_SECURE = False
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "uploads": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
}
WHITENOISE_AUTOREFRESH = True
WHITENOISE_USE_FINDERS = True
BASE_IMAGE_URL = "https://base.example/base.img.zst"
BASE_IMAGE_BYTES = 40 * 1024 * 1024
REST_FRAMEWORK = {  # tests ask more often than people; those of the limits set them themselves
    **REST_FRAMEWORK,
    "DEFAULT_THROTTLE_RATES": {
        **REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"],
        "user": None,
        "anon": None,
    },
}
CATALOG_ZIMS = CATALOG_APPS = ""
HOTSPOT_SOFTWARE = False
