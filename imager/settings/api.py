"""The API: who may come in, how often, and how it describes itself."""

from __future__ import annotations

import re
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from imager.env import env

_RATE: Final = re.compile(r"[1-9][0-9]*/(s|sec|m|min|h|hour|d|day)")


def _rate(name: str, default: str) -> str | None:
    rate: str = env.str(name, default=default)
    if rate and not _RATE.fullmatch(rate):
        raise ImproperlyConfigured(
            f"{name} is “{rate}”: write a number and a time, for example {default}, or nothing for no limit."
        )
    return rate or None


REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "imager.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["imager.api.parsers.BoundedJSON"],
    "DEFAULT_PAGINATION_CLASS": "imager.api.Pages",
    "DEFAULT_FILTER_BACKENDS": ["imager.api.pages.Filters"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_CLASSES": [
        "imager.api.throttles.PersonThrottle",
        "imager.api.throttles.NobodyThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        # By network address, counted by all processes together; empty: no limit.
        "login": _rate("API_RATE_LOGIN", "60/min"),
        "shop": _rate("API_RATE_SHOP", "60/min"),
        # By account, or by address where nobody is logged in, by each web process for itself.
        "user": _rate("API_RATE_USER", "600/min"),
        "anon": _rate("API_RATE_ANON", "120/min"),
    },
    "EXCEPTION_HANDLER": "imager.api.problem",
    "NUM_PROXIES": env.int("TRUSTED_PROXIES", default=0),
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Imager Service",
    "DESCRIPTION": "Orders, tasks, hosts and tokens.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,  # what is written and what is read are bodies of their own
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "imager.api.schema.tell_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "OrderKind": "orders.models.Order.Kind",
        "MediaKind": "orders.models.Media.Kind",
        "ContentKind": "orders.models.Content.Kind",
        "UploadKind": "orders.models.Upload.Kind",
        "TaskKind": ["create", "download", "write"],
    },
}
