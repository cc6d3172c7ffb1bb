"""How the API's schema describes our tokens. Imported by `api`: DRF reads `authentication` too early for it."""

from __future__ import annotations

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme

from imager.accounts.authentication import TokenAuthentication


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]  # theirs
    """`Authorization: Bearer <access token>`."""

    target_class = TokenAuthentication
    name = "accessToken"
