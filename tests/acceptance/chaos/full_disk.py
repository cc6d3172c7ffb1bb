"""A host's data folder on a small disk of its own, filled to the last block and freed again; needs root."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

MISSING = "only root may mount"


class SmallDisk:
    """A file system in memory at `folder`."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self._folder = folder
        self._ballast = folder / "ballast-of-the-chaos"
        folder.mkdir(parents=True, exist_ok=True)
        options = f"size={megabytes}m,mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "chaos", str(folder)], check=True)

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("ab") as file:
            piece = 64 << 20
            while piece >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, piece)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    piece //= 2

    def free(self) -> None:
        """Give it all back."""
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Unmount it."""
        subprocess.run(["umount", "--lazy", str(self._folder)], check=True)
