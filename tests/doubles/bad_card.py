"""A bad card as a real block device: `python -m tests.doubles.bad_card FOLDER MEDIUM CLAIMED [limbo]`.

FUSE shows the medium as one file, a loop device stands on it. Orders come as JSON lines on stdin, news goes
to stdout; when stdin ends, the device is taken down, so that none outlives the test that made it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import mfusepy

from tests.doubles.bad_medium import BadMedium
from tests.doubles.cards import tool

_SET_CAPACITY: Final = 0x4C07  # LOOP_SET_CAPACITY: look again how large the file is
_PAUSE: Final = 0.01
_PATIENCE: Final = 60.0


class _Folder(mfusepy.Operations):
    """A file system of one file, `card`."""

    use_ns = True

    def __init__(self, medium: BadMedium, mounted: threading.Event) -> None:
        self._medium = medium
        self._mounted = mounted

    def init(self, path: str) -> None:
        self._mounted.set()

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        if path == "/card":
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": self._medium.size}
        raise mfusepy.FuseOSError(errno.ENOENT)

    def open(self, path: str, flags: int) -> int:
        return 1

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return self._medium.read(size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return self._medium.write(data, offset)

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._medium.flush()
        return 0

    def flush(self, path: str, fh: int) -> int:
        return 0


class BadCard:
    """The device's whole life: mounted, attached, pulled, inserted again, taken down."""

    def __init__(self, folder: Path, medium: Path, claimed: int, *, limbo: bool) -> None:
        self._folder = folder
        self._file = folder / "card"
        self._node = ""
        self._medium = BadMedium(medium, claimed=claimed, limbo=limbo, tell=_tell, on_gone=self._vanish)
        self._mounted = threading.Event()

    def serve(self) -> None:
        """Blocks until the file system is unmounted."""
        threading.Thread(target=self._obey, daemon=True).start()
        mfusepy.FUSE(
            _Folder(self._medium, self._mounted),
            str(self._folder),
            foreground=True,
            attr_timeout=0,
            entry_timeout=0,
            fsname="bad-card",
        )

    def _obey(self) -> None:
        self._mounted.wait()
        try:
            self._node = _run("losetup", "--direct-io=on", "-f", "--show", self._file)
            _run("blockdev", "--setrw", self._node)  # the node keeps what its last user set
            _tell("ready", node=self._node)
            for line in sys.stdin:
                self._take(json.loads(line))
        finally:
            self._end()

    def _take(self, order: dict[str, Any]) -> None:
        if "set" in order:
            self._medium.set(order["set"])
            _tell("set")
        elif "return" in order:
            path = Path(order["return"]) if order["return"] else None
            threading.Thread(target=self._come_back, args=(path,), daemon=True).start()

    def _vanish(self) -> None:
        """As the kernel shows an empty reader: the node stays, its size is 0."""
        self._file.stat()  # FUSE asks for the size again
        handle = os.open(self._node, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(handle, _SET_CAPACITY)
        finally:
            os.close(handle)

    def _come_back(self, path: Path | None) -> None:
        """A new insertion at the same node, once nobody holds the old one any more."""
        _run("losetup", "-d", self._node)
        until = time.monotonic() + _PATIENCE
        backing = Path(f"/sys/block/{Path(self._node).name}/loop/backing_file")
        while backing.exists() and time.monotonic() < until:
            time.sleep(_PAUSE)
        self._medium.insert(path)
        while True:
            try:
                _run("losetup", "--direct-io=on", self._node, self._file)
            except subprocess.CalledProcessError:  # somebody just looks whether it is there
                if time.monotonic() > until:
                    raise
                time.sleep(_PAUSE)
            else:
                break
        _tell("returned")

    def _end(self) -> None:
        self._medium.release()
        with contextlib.suppress(subprocess.CalledProcessError):
            if self._node:
                _run("losetup", "-d", self._node)
        _run("umount", "-l", self._folder)
        os._exit(0)  # whoever still holds the node keeps the file system alive; its requests fail now


def _run(program: str, *arguments: str | Path) -> str:
    command = [tool(program) or program, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _tell(news: str, **facts: str) -> None:
    sys.stdout.write(json.dumps({"news": news, **facts}) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    folder, medium, claimed, *rest = arguments
    BadCard(Path(folder), Path(medium), int(claimed), limbo="limbo" in rest).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
