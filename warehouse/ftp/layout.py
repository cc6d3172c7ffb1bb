"""Where things lie below the warehouse's root, and how they are taken away."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

from warehouse.ftp.names import is_attempt
from warehouse.ftp.statefile import sync_folder

UNTOUCHED: Final = 48 * 3600  # seconds after which leftovers go


class RootBusy(Exception):
    """Another server works on this root."""


class Layout:
    """The folders of one warehouse."""

    def __init__(self, root: Path) -> None:
        self.incoming = root / "incoming"
        self.images = root / "images"
        self.state = root / "state"
        self.unconfirmed = self.state / "unconfirmed"
        self._refused = root / "refused"
        self._trash = root / "trash"

    def prepare(self) -> None:
        """Create what is missing."""
        for folder in (self.incoming, self.images, self.unconfirmed, self._refused, self._trash):
            folder.mkdir(parents=True, exist_ok=True)

    def finish_removals(self) -> None:
        """Finish deletions that were cut. Only for who holds the root."""
        for doomed in self._trash.iterdir():
            _delete(doomed)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the root for this process; raises `RootBusy`."""
        with open(self.state / "lock", "w", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RootBusy(
                    f"another warehouse server works on {self.state.parent}: stop it first"
                ) from error
            yield

    def image(self, order: str) -> Path:
        """The published image of an order."""
        return self.images / order

    def attempt(self, user: str) -> Path:
        """The private folder of an attempt."""
        return self.incoming / user

    def marker(self, order: str) -> Path:
        """Exists while the server has yet to confirm the order's image."""
        return self.unconfirmed / order

    def set_aside(self, order: str, name: str) -> None:
        """Take an image out of `images/` without deleting it yet."""
        target = self._refused / name
        self.remove(target)
        os.utime(self.image(order))  # its 48 hours count from now
        self.image(order).rename(target)
        sync_folder(self.images)

    def remove(self, path: Path) -> None:
        """Delete a folder of ours: gone at once by its name, then for good. Nothing there is fine."""
        doomed = self._trash / uuid4().hex
        try:
            path.rename(doomed)
        except FileNotFoundError:
            return
        _delete(doomed)

    def reap(self, in_use: Callable[[str], bool]) -> list[str]:
        """Delete attempts and refused images that nobody touched for 48 hours; the names that went."""
        gone = []
        oldest = time.time() - UNTOUCHED
        attempts = [folder for folder in self.incoming.iterdir() if is_attempt(folder.name)]
        for folder in [*attempts, *self._refused.iterdir()]:
            if _last_touched(folder) < oldest and not in_use(folder.name):
                self.remove(folder)
                gone.append(folder.name)
        return gone


def _delete(doomed: Path) -> None:
    if doomed.is_symlink() or not doomed.is_dir():
        doomed.unlink()
    else:
        shutil.rmtree(doomed)


def _last_touched(folder: Path) -> float:
    try:
        touched = folder.lstat().st_mtime
        if folder.is_symlink() or not folder.is_dir():
            return touched
        return max([touched, *(entry.lstat().st_mtime for entry in folder.iterdir())])
    except FileNotFoundError:
        return time.time()  # published or removed at this very moment
