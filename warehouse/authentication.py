"""Warehouses prove who they are by their own secret: `Authorization: Warehouse <slug>:<secret>`."""

from __future__ import annotations

import hmac

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from warehouse.models import Warehouse
from warehouse.services import hashed

SCHEME = "Warehouse"
NOBODY = hashed(
    ""
)  # no warehouse has an empty secret; compared with so that unknown slugs take the same time


class WarehouseAuthentication(BaseAuthentication):
    """`request.auth` is the Warehouse; `request.user` stays anonymous: no account stands behind it."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Warehouse] | None:
        """The warehouse whose secret it is; None without such a header; AuthenticationFailed (401)."""
        scheme, _space, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME.lower():
            return None
        slug, _colon, secret = credentials.strip().partition(":")
        warehouse = (
            Warehouse.objects.filter(slug=slug).first() if slug.isascii() and slug.isprintable() else None
        )
        expected = (warehouse and warehouse.secret_hash) or NOBODY
        if not hmac.compare_digest(hashed(secret), expected) or warehouse is None or not secret:
            text = _("Unknown warehouse or wrong secret. manage.py create_warehouse makes a new one.")
            raise AuthenticationFailed(text, "wrong_secret")
        return AnonymousUser(), warehouse

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002  # DRF's signature
        """What 401 answers ask for."""
        return SCHEME


class IsWarehouse(BasePermission):
    """Warehouses alone."""

    def has_permission(self, request: Request, view: APIView) -> bool:  # noqa: ARG002  # DRF's signature
        return isinstance(request.auth, Warehouse)


class WarehouseScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # theirs
    """How the API's schema describes it."""

    target_class = WarehouseAuthentication
    name = "warehouseSecret"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": f"{SCHEME} slug:secret",
        }
