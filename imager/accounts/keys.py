"""The Ed25519 keys of our tokens: the first of the settings signs, all of them verify and are published."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

SEED_BYTES = 32


@dataclass(frozen=True)
class KeyRing:
    """`kid` and private key of the signer; every public key by its `kid` (the RFC 7638 thumbprint)."""

    kid: str
    private: Ed25519PrivateKey
    public: dict[str, Ed25519PublicKey]

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set (RFC 7517, RFC 8037)."""
        more = {"use": "sig", "alg": "EdDSA"}
        return {"keys": [{**_members(key), "kid": kid, **more} for kid, key in self.public.items()]}


def key_ring() -> KeyRing:
    """The ring that `settings.JWT_SIGNING_KEYS` (hexadecimal seeds) describes."""
    return _ring(tuple(settings.JWT_SIGNING_KEYS))


@lru_cache(maxsize=8)
def _ring(seeds: tuple[str, ...]) -> KeyRing:
    if not seeds:
        raise ImproperlyConfigured(
            "JWT_SIGNING_KEYS is empty: it takes a key of 64 hex digits (two while rotating)."
        )
    privates = [
        Ed25519PrivateKey.from_private_bytes(_seed(text, place)) for place, text in enumerate(seeds, 1)
    ]
    public = {thumbprint(private.public_key()): private.public_key() for private in privates}
    return KeyRing(next(iter(public)), privates[0], public)


def _seed(text: str, place: int) -> bytes:
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:  # never repeat the text itself: it is a secret
        raise ImproperlyConfigured(
            f"JWT_SIGNING_KEYS: key {place} is not {2 * SEED_BYTES} hex digits (`openssl rand -hex 32`)."
        )
    return seed


def thumbprint(key: Ed25519PublicKey) -> str:
    """RFC 7638: base64url of the SHA-256 of the key's required members in canonical JSON."""
    canonical = json.dumps(_members(key), sort_keys=True, separators=(",", ":")).encode()
    return _base64url(hashlib.sha256(canonical).digest())


def _members(key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes_raw())}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
