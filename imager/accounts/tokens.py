"""Tokens: simplejwt's classes over our own keys, with `kid`, `iss`, `aud`, `typ`, `role` and `epoch`.

Stock simplejwt has one key without `kid` and copies stale claims from refresh to access tokens. Here every
token is built from the account as the database has it now, and is good for its audience alone.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, TypeVar

import jwt
from django.conf import settings
from rest_framework_simplejwt import tokens as stock
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken, TokenError
from rest_framework_simplejwt.settings import api_settings

from imager import clock
from imager.accounts.keys import key_ring
from imager.accounts.models import User

ALGORITHM = "EdDSA"
T = TypeVar("T", bound=stock.Token)

NEEDED = ["iss", "aud", "sub", "exp", "iat", "jti", "typ", "epoch"]


class KeyRingBackend(TokenBackend):
    """Signs with the first key, named in `kid`; verifies by the key that `kid` names, with EdDSA alone."""

    def __init__(self) -> None:
        super().__init__(
            ALGORITHM, audience=api_settings.AUDIENCE, issuer=api_settings.ISSUER, leeway=api_settings.LEEWAY
        )

    def encode(self, payload: dict[str, Any]) -> str:
        """The signed token of `payload`, with our issuer and audience."""
        return _signed({**payload, "iss": self.issuer, "aud": self.audience})

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:  # noqa: ARG002  # there is no unverified way
        """The payload, or TokenBackendError. Always verified, whatever `verify` says."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = key_ring().public.get(kid) if isinstance(kid, str) else None
            if key is None:
                raise TokenBackendError("The token names no key of ours.")
            expected: dict[str, Any] = {"audience": self.audience, "issuer": self.issuer}
            expected["options"] = {"require": NEEDED, "strict_aud": True}
            return jwt.decode(token, key, [ALGORITHM], leeway=self.get_leeway(), **expected)
        except jwt.ExpiredSignatureError as error:
            raise TokenBackendExpiredToken("The token has expired.") from error
        except (jwt.InvalidTokenError, RecursionError) as error:  # its JSON may be nested without an end
            raise TokenBackendError("The token is invalid.") from error


def sign(claims: dict[str, Any], *, audience: str, life: timedelta) -> str:
    """A token of our issuer with `claims` for `audience`, good for `life` from now; `kid` in the header.

    Now is the database's: whoever checks it elsewhere must not depend on the clock of one web server.
    """
    now = clock.now()
    times = {"iat": int(now.timestamp()), "exp": int((now + life).timestamp())}
    return _signed({**claims, **times, "jti": uuid.uuid4().hex, "iss": settings.JWT_ISSUER, "aud": audience})


def decoded(token_class: type[T], text: str | bytes) -> T:
    """The verified token in `text`. Raises simplejwt's TokenError."""
    given: Any = text  # simplejwt's annotation names the class, and means its text
    return token_class(given)


def _signed(payload: dict[str, Any]) -> str:
    ring = key_ring()
    return jwt.encode(payload, ring.private, ALGORITHM, headers={"kid": ring.kid})


class AccessToken(stock.AccessToken):
    """What an API request carries. Claims: `sub`, `role`, `epoch`."""

    _token_backend = KeyRingBackend()

    @classmethod
    def of(cls, user: User) -> AccessToken:
        """A token for `user`, as the account is now."""
        token = cls()
        token.payload |= {"sub": str(user.pk), "role": str(user.role), "epoch": user.token_epoch}
        return token


class RefreshToken(stock.RefreshToken):
    """What is exchanged, once, for the next pair. Its row in the database decides whether it still counts."""

    _token_backend = KeyRingBackend()

    @classmethod
    def of(
        cls, user: User, *, jti: str, epoch: int, issued_at: datetime, expires_at: datetime
    ) -> RefreshToken:
        """The token of a row. The same row gives the same text again, as long as the same key signs."""
        token = cls()
        token.payload |= {"sub": str(user.pk), "epoch": epoch, "jti": jti}
        token.set_iat(at_time=issued_at)
        token.payload["exp"] = int(expires_at.timestamp())
        return token


class AnyToken(stock.UntypedToken):
    """An access or a refresh token of the API, whichever it is."""

    _token_backend = KeyRingBackend()

    def verify_token_type(self) -> None:
        """One of the two, and nothing that another use of our keys may have signed."""
        if self.payload["typ"] not in {AccessToken.token_type, RefreshToken.token_type}:
            raise TokenError("The token is of another type.")
