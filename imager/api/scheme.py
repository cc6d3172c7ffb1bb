"""How the schema describes our access tokens."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """HTTP Bearer, a JWT."""

    target_class = "imager.accounts.authentication.TokenAuthentication"
    match_subclasses = True
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # its signature
        """HTTP Bearer, a JWT."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
