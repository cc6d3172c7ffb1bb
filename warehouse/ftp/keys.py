"""The server's public keys: cached in memory and on disk, so that logins outlive the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from warehouse.ftp import statefile
from warehouse.ftp.log import logger
from warehouse.ftp.web import ServerAway, ServerRefused

REFETCH_EVERY: Final = 30.0  # seconds between two fetches that strangers can cause

Fetch = Callable[[], dict[str, Any]]


class Keys:
    """Ed25519 keys by `kid`. Only who brings an unknown `kid` ever waits for the network."""

    def __init__(self, file: Path, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._fetch = fetch
        self._clock = clock
        self._fetching = threading.Lock()
        self._next_fetch = clock()
        self._by_kid = _usable(statefile.read(file))

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key of this name; an unknown name asks the server, at most every 30 s."""
        if kid in self._by_kid:
            return self._by_kid[kid]
        with self._fetching:
            if kid not in self._by_kid and self._clock() >= self._next_fetch:
                self._next_fetch = self._clock() + REFETCH_EVERY
                self._renew()
        return self._by_kid.get(kid)

    def refresh(self) -> None:
        """Take over the server's present set, so that a key which it withdrew is forgotten here too."""
        with self._fetching:
            self._renew()

    def _renew(self) -> None:
        try:
            answer = self._fetch()
        except (ServerAway, ServerRefused) as error:
            logger(step="keys").warning(
                "the server's keys cannot be fetched, the old ones stay", reason=str(error)
            )
            return
        usable = _usable(answer)
        if not usable:
            logger(step="keys").error("the server's key set holds no Ed25519 key, the old ones stay")
        elif list(usable) != list(self._by_kid) or statefile.read(self._file) != answer:
            statefile.write(self._file, answer)
            self._by_kid = usable


def _usable(key_set: dict[str, Any]) -> dict[str, Ed25519PublicKey]:
    rows = key_set.get("keys")
    keys: dict[str, Ed25519PublicKey] = {}
    for row in rows if isinstance(rows, list) else []:
        key = _key(row)
        if key is not None:
            keys[row["kid"]] = key
    return keys


def _key(row: object) -> Ed25519PublicKey | None:
    if not isinstance(row, dict) or row.get("kty") != "OKP" or row.get("crv") != "Ed25519":
        return None
    if not isinstance(row.get("kid"), str) or row.get("use", "sig") != "sig":
        return None
    try:
        key = PyJWK(row, algorithm="EdDSA").key
    except PyJWTError as error:
        logger(step="keys").warning("a key of the server cannot be used", kid=row["kid"], reason=str(error))
        return None
    return key if isinstance(key, Ed25519PublicKey) else None
