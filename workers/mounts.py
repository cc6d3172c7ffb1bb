"""Mounts and loop devices below a folder: what must be let go before the folder can be removed."""

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
    """Unmount what is mounted below `folder` or from a file in it; detach the loop devices of those files.

    All that can be, whatever cannot; HostError `not_removed` names that afterwards.
    """
    folder = folder.resolve()
    loops = list(_loops(folder))
    devices = {number for loop in loops for number in _numbers(loop)}
    stuck = [
        _unmount(target)
        for device, target in reversed(list(_mounts()))
        if device in devices or folder in (target, *target.parents)
    ]
    stuck += [_detach(Path("/dev") / loop.name) for loop in loops]
    if found := [each for each in stuck if each]:
        raise _stuck(", ".join(found))


def check_free(folder: Path) -> None:
    """HostError `not_removed` if anything is mounted below `folder`: removing it would empty that, too."""
    folder = folder.resolve()
    if mounted := [str(target) for _, target in _mounts() if folder in (target, *target.parents)]:
        raise _stuck(", ".join(mounted))


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


def _unmount(target: Path) -> str | None:
    """What keeps it, if anything does."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(target), _MNT_DETACH) == 0:
        return None
    number = ctypes.get_errno()
    return None if number in (errno.EINVAL, errno.ENOENT) else f"{target} ({os.strerror(number)})"


def _detach(device: Path) -> str | None:
    try:
        fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(fd, _LOOP_CLR_FD)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno != errno.ENXIO:  # nothing is attached any more
            return f"{device} ({error.strerror})"
    return None


def _stuck(what: str) -> HostError:
    return HostError(
        "not_removed",
        f"A builder left {what} behind, and it cannot be released, so its folder stays. Release it by hand.",
    )
