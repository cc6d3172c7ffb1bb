"""Signed calls: `Imager-Signature: t=<seconds since 1970>,v1=<HMAC-SHA-256 of "t.body" in hex>`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db.models.functions import Now

from imager import clock
from imager.accounts.models import ShopSignature

TOLERANCE: Final = 300  # seconds that the caller's clock may be off


class Unsigned(Exception):
    """Not signed by anybody whom we know, or not now. `code` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def sign(body: bytes, *, secret: str, at: int) -> str:
    """The header for that body."""
    return f"t={at},v1={_hmac(body, secret, str(at))}"


def check(header: str, body: bytes, *, secrets: Sequence[str]) -> str:
    """The signature, if one of the secrets made it within the last minutes. Raises Unsigned."""
    parts = dict(part.strip().partition("=")[::2] for part in header.split(","))
    at, given = parts.get("t", ""), parts.get("v1", "")
    if not (at.isascii() and at.isdecimal() and len(at) < 12 and given.isascii()):
        raise Unsigned("signature_missing")
    good = [
        hmac.compare_digest(_hmac(body, secret, at), given) for secret in secrets
    ]  # all, in the same time
    if not any(good):
        raise Unsigned("signature_wrong")
    if abs(_now().timestamp() - int(at)) > TOLERANCE:
        raise Unsigned("signature_old")
    return given


def spend(signature: str) -> None:
    """Take it, once for all. Raises Unsigned."""
    _row, fresh = ShopSignature.objects.get_or_create(signature=signature)
    if not fresh:
        raise Unsigned("signature_used")


def prune_signatures() -> int:
    """Delete those that would be too old by now; returns how many. Safe to run at any time."""
    over = ShopSignature.objects.filter(at__lt=Now() - timedelta(seconds=3 * TOLERANCE))
    return over.delete()[0]


def _now() -> datetime:
    return clock.now()


def _hmac(body: bytes, secret: str, at: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
