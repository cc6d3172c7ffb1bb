"""The folders of a cache: entries, what is being brought in, and what is on its way out.

`entries/NAME/` holds `data`, `facts.json` and `lock`; it comes and goes by one rename, always complete.
Who uses an entry holds its `lock` shared, who removes it exclusively: the kernel frees locks of the dead.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.creator.cache.facts import Facts
from workers.locks import held

DATA: Final = "data"
_LOCK: Final = "lock"
_PATIENCE: Final = 120.0  # seconds; nobody holds the index for longer than some renames


@dataclass(frozen=True)
class Entry:
    """An entry as it lies there."""

    folder: Path
    facts: Facts

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def data(self) -> Path:
        return self.folder / DATA


class Pin:
    """Keeps an entry's folder where it is until it is let go."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def share(self) -> None:
        """From the only holder to one of several."""
        fcntl.flock(self._fd, fcntl.LOCK_SH)

    def let_go(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Shelf:
    """A cache's root folder. Any number of processes and threads may work on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries_folder, self.incoming, self._trash = root / "entries", root / "incoming", root / "trash"
        for folder in (root, self.entries_folder, self.incoming, self._trash):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in root.glob("base-*.img"):  # where base images lay before they were entries
            old.unlink(missing_ok=True)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Alone with the index: nobody else adds, removes or rewrites meanwhile."""
        with held(
            self.root / _LOCK,
            patience=_PATIENCE,
            busy=f"the cache {self.root} is busy for {_PATIENCE:.0f} s; see which process holds its lock",
        ):
            yield

    def entries(self) -> list[Entry]:
        """All complete entries, by name."""
        found = []
        for folder in sorted(self.entries_folder.iterdir()):
            facts = Facts.read(folder)
            if facts is not None and (folder / DATA).exists():
                found.append(Entry(folder, facts))
        return found

    def pin(self, folder: Path) -> Pin | None:
        """Keep the entry in `folder`; None if it has gone, or goes this moment."""
        return _lock(folder, fcntl.LOCK_SH)

    def is_pinned(self, folder: Path) -> bool:
        pin = _lock(folder, fcntl.LOCK_EX)
        if pin is None:
            return folder.exists()
        pin.let_go()
        return False

    def new_folder(self) -> tuple[Path, Pin]:
        """An empty folder for something that comes in. It is swept away once its pin is let go."""
        with self.changing():
            self._sweep()
            folder = self.incoming / uuid.uuid4().hex
            folder.mkdir(mode=0o700)
            (folder / _LOCK).touch(mode=0o600)
            pin = _lock(folder, fcntl.LOCK_EX)
        if pin is None:
            raise FileNotFoundError(folder)
        return folder, pin

    def place(self, folder: Path, name: str) -> Path:
        """Make a complete incoming folder an entry. Only inside `changing`."""
        target = self.entries_folder / name
        sync(folder)
        folder.rename(target)
        sync(self.entries_folder)
        return target

    def remove(self, folder: Path) -> bool:
        """Take an entry away unless it is in use. Only inside `changing`; `empty_trash` frees its space."""
        pin = _lock(folder, fcntl.LOCK_EX)
        if pin is None:
            return False
        try:
            folder.rename(self._trash / uuid.uuid4().hex)
        finally:
            pin.let_go()
        return True

    def discard(self, folder: Path) -> None:
        """Take away what was coming in and is not wanted."""
        shutil.rmtree(folder, ignore_errors=True)  # what stays is swept by the next one who comes

    def empty_trash(self) -> None:
        """Free the space of what was removed; several may do so at once."""
        for folder in self._trash.iterdir():
            shutil.rmtree(folder, ignore_errors=True)

    def remove_broken(self) -> None:
        """Take away what is no entry (no facts, no data, spoiled) and not in use. Only inside `changing`."""
        whole = {each.folder for each in self.entries() if not each.facts.spoiled}
        for folder in self.entries_folder.iterdir():
            if folder in whole or self.remove(folder) or (folder / _LOCK).exists():
                continue
            folder.rename(self._trash / uuid.uuid4().hex)  # without a lock nobody can be using it

    def _sweep(self) -> None:
        """What the dead left behind: nobody holds it any more."""
        for folder in self.incoming.iterdir():
            pin = _lock(folder, fcntl.LOCK_EX)
            if pin is not None or not (folder / _LOCK).exists():
                self.discard(folder)
            if pin is not None:
                pin.let_go()


def _lock(folder: Path, how: int) -> Pin | None:
    """The lock of the thing in `folder`, at once and while it lies there, or not at all."""
    path = folder / _LOCK
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), path.lstat()):
            return Pin(fd)
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(fd)
    return None


def sync(path: Path) -> None:
    """What was written to `path` (a file, or a folder's names) outlives a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
