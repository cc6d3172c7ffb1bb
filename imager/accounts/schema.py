"""How the API's schema describes our tokens. Imported by `api`, since DRF reads `authentication` too early."""

from __future__ import annotations

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]  # theirs
    """`Authorization: Bearer <access token>`."""

    target_class = "imager.accounts.authentication.TokenAuthentication"
    name = "accessToken"
