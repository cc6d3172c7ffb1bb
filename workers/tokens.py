"""The pair of tokens of this host: one file, one refresher at a time, however many processes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog

from workers import machine
from workers.locks import held

MARGIN = 60.0  # seconds before its end that an access token is renewed
LOCK_PATIENCE = 120.0

_log = structlog.get_logger()


@dataclass(frozen=True)
class Grant:
    """What the server gives for a login or a refresh."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_in: float


@dataclass(frozen=True)
class _Kept:
    owner: str
    boot_id: str
    good_until: float  # uptime of that boot: no wall clock is asked
    access: str = field(repr=False)
    refresh: str = field(repr=False)

    def usable(self, refused: str) -> bool:
        same_boot = self.boot_id == machine.boot_id()
        return self.access != refused and same_boot and machine.uptime() < self.good_until


class Tokens:
    """`access()` gives a token that should work; `login` and `refresh` ask the server.

    `refresh` returns None when the server no longer takes the refresh token; then `login` is asked.
    """

    def __init__(
        self,
        folder: Path,
        account: str,
        *,
        login: Callable[[], Grant],
        refresh: Callable[[str], Grant | None],
    ) -> None:
        self._file = folder / "tokens.json"
        self._lock = folder / "tokens.lock"
        self._owner = hashlib.sha256(account.encode()).hexdigest()
        self._login = login
        self._refresh = refresh
        self._unwritten: _Kept | None = None  # newer than the file, which the disk did not take

    def access(self, refused: str = "") -> str:
        """An access token other than `refused`, renewed if need be by one process for all."""
        kept = self._read()
        if kept and kept.usable(refused):
            return kept.access
        with held(
            self._lock, patience=LOCK_PATIENCE, busy=f"{self._lock} is held by a process that hangs: stop it."
        ):
            kept = self._read()
            if kept and kept.usable(refused):
                return kept.access
            grant = (self._refresh(kept.refresh) if kept else None) or self._login()
            return self._keep(grant)

    def _read(self) -> _Kept | None:
        if self._unwritten is not None:
            return self._unwritten
        try:
            kept = _Kept(**json.loads(self._file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None  # none yet, or damaged: a login makes a new one
        return kept if kept.owner == self._owner else None

    def _keep(self, grant: Grant) -> str:
        life = max(grant.expires_in - MARGIN, grant.expires_in / 2)
        kept = _Kept(self._owner, machine.boot_id(), machine.uptime() + life, grant.access, grant.refresh)
        try:
            self._write(kept)
        except OSError as error:
            _log.warning("tokens cannot be written and are kept in memory", detail=str(error))
            self._unwritten = kept
        else:
            self._unwritten = None
        return grant.access

    def _write(self, kept: _Kept) -> None:
        fresh = self._file.with_suffix(".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
            json.dump(asdict(kept), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._file)
