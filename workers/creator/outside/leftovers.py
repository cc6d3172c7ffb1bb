"""Mounts and loop devices that a killed builder leaves behind: they would keep its folder busy."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from workers.errors import HostError

_MNT_DETACH: Final = 2
_LOOP_CLR_FD: Final = 0x4C01
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


def let_go(folder: Path) -> None:
    """Unmount what is mounted below `folder` or from a file in it; detach the loop devices of those files."""
    folder = folder.resolve()
    loops = list(_loops(folder))
    devices = {number for loop in loops for number in _numbers(loop)}
    for device, target in reversed(list(_mounts())):
        if device in devices or folder in target.parents:
            _unmount(target)
    for loop in loops:
        _detach(Path("/dev") / loop.name)


def _mounts() -> Iterator[tuple[str, Path]]:
    """(major:minor, mount point) in the order of mounting."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        yield words[2], Path(unescape(words[4]))


def unescape(text: str) -> str:
    r"""The kernel writes blanks of paths as `\040`."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def _loops(folder: Path) -> Iterator[Path]:
    """Loop devices below /sys/block whose file lies, or lay, in `folder`."""
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            file = backing.read_text().strip().removesuffix(" (deleted)")
        except OSError:  # detached in this moment
            continue
        if folder in Path(file).parents:
            yield backing.parents[1]


def _numbers(loop: Path) -> Iterator[str]:
    """Of the device, its partitions, and what device mapper made of them."""
    for pattern in ("dev", "loop*/dev", "holders/*/dev", "loop*/holders/*/dev"):
        for file in loop.glob(pattern):
            yield file.read_text().strip()


def _unmount(target: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(target), _MNT_DETACH) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOENT):  # gone by itself
            raise _stuck(target, number)


def _detach(device: Path) -> None:
    try:
        fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, _LOOP_CLR_FD)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno != errno.ENXIO:  # nothing is attached any more
            raise _stuck(device, error.errno or 0) from error


def _stuck(what: Path, number: int) -> HostError:
    return HostError(
        "not_removed",
        f"The builder left {what} behind, and it cannot be released: {os.strerror(number)}. "
        "Release it by hand.",
    )
