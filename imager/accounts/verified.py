"""Access tokens that this process has verified: the same one comes every few seconds for an hour.

Only what a signature proves for good is remembered. Expiry is looked at each time, and whether the account
is active and of the token's epoch is a question to the database, each time, of whoever asks here.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from typing import NamedTuple

from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings

from imager.accounts.keys import KeyRing, key_ring
from imager.accounts.tokens import AccessToken, decoded

MOST = 20_000  # tokens: some megabytes


class Claims(NamedTuple):
    """What a verified access token says. `until` is the end of its life, in seconds of the system's clock."""

    account: int
    epoch: int
    until: float


class Verified:
    """Remembers tokens by their hash, verified with one ring of keys; the oldest are forgotten first."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._ring: KeyRing | None = None
        self._kept: OrderedDict[bytes, Claims] = OrderedDict()
        self._lock = threading.Lock()

    def claims(self, token: str) -> Claims | None:
        """The claims of a token that is good now; None for any other."""
        name = hashlib.sha256(token.encode()).digest()
        ring = key_ring()
        with self._lock:
            if ring is not self._ring:  # a key that was taken out verifies nothing any more
                self._ring = ring
                self._kept.clear()
            known = self._kept.get(name)
        if known is None:
            known = _verify(token)
            if known is not None:
                self._keep(ring, name, known)
        return known if known and time.time() < known.until else None

    def _keep(self, ring: KeyRing, name: bytes, claims: Claims) -> None:
        with self._lock:
            if ring is not self._ring:
                return
            self._kept[name] = claims
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def _verify(token: str) -> Claims | None:
    try:
        payload = decoded(AccessToken, token).payload
    except TokenError:
        return None
    subject, epoch = payload["sub"], payload["epoch"]
    if not (isinstance(subject, str) and subject.isascii() and subject.isdecimal() and type(epoch) is int):
        return None
    return Claims(int(subject), epoch, payload["exp"] + api_settings.LEEWAY)


_verified = Verified()


def bearer(header: str) -> Claims | None:
    """The claims of `Authorization: Bearer <access token>`, if it is good now."""
    word, _, token = header.partition(" ")
    return _verified.claims(token) if word == "Bearer" else None
