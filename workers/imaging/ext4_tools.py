"""The programs of e2fsprogs that make and check ext4 inside an image, without root."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid as uuid_module
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.errors import HostError, JobError
from workers.imaging import program
from workers.imaging.ext4_super import sign_hashes
from workers.imaging.program import Check, unasked

BLOCK: Final = 4096
BYTES_PER_INODE: Final = 65536
INODE: Final = 256
SMALLEST: Final = 16 << 20

_MIB: Final = 1 << 20
_STOPPED: Final = 32  # e2fsck's word for it when a signal ended it
# Named one by one, so that the host's mke2fs.conf and the version of mke2fs change nothing.
_ALWAYS: Final = ("ext_attr", "filetype", "extent", "sparse_super", "large_file", "dir_nlink", "extra_isize")
USUAL: Final = frozenset(("has_journal", "dir_index", "64bit", "flex_bg", "huge_file", "metadata_csum"))
# What a system may have to have, or must not have, to mount it: kept as the base image has it.
CHOSEN: Final = USUAL | {"uninit_bg", "metadata_csum_seed", "large_dir"}
_SBIN: Final = os.pathsep + os.pathsep.join(("/usr/sbin", "/sbin"))  # missing in the PATH of ordinary users


@dataclass(frozen=True)
class Ext4Identity:
    """What tells one file system from another; kept when a partition is made anew."""

    label: str
    uuid: bytes
    hash_seed: bytes

    def seed(self) -> uuid_module.UUID:
        """The seed as mke2fs takes it. Of zeros it would make a random one: those follow the UUID."""
        if any(self.hash_seed):
            return uuid_module.UUID(bytes=self.hash_seed)
        return uuid_module.uuid5(uuid_module.UUID(bytes=self.uuid), "hash_seed")


def journal_size(size: int) -> int:
    """Bytes of journal for a file system of `size` bytes; all of it is written to each card."""
    if size < 256 * _MIB:
        return 4 * _MIB
    return 16 * _MIB if size < 4096 * _MIB else 64 * _MIB


def make_ext4(
    image: Path,
    offset: int,
    size: int,
    identity: Ext4Identity,
    *,
    now: int,
    inodes: int | None = None,
    source: Path | None = None,
    features: Collection[str] = USUAL,
    check: Check = unasked,
) -> None:
    """An empty ext4 of `size` bytes at byte `offset`, whose bytes depend on the arguments alone.

    The place must read as zeros: what the format leaves unwritten is taken to be zero. `inodes` is
    how many files and folders it can hold at least; one per 64 KiB if not given. With
    `source` it is not empty: it holds what that folder does. Of `features` those count that are
    `CHOSEN`; the others are the same always.
    """
    if size < SMALLEST:
        raise JobError(
            "too_small", f"an ext4 partition of {size} bytes is too small; give it at least {SMALLEST}"
        )
    extended = f"offset={offset},hash_seed={identity.seed()},root_owner=0:0,nodiscard"
    extended += ",lazy_itable_init=1,lazy_journal_init=1"
    extended += "" if source is None else ",no_copy_xattrs"
    arguments = ["-q", "-F", "-t", "ext4", "-b", str(BLOCK), "-I", str(INODE)]
    arguments += ["-N", str(inodes or size // BYTES_PER_INODE)]
    arguments += ["-O", ",".join(["none", *_ALWAYS, *sorted(CHOSEN.intersection(features))]), "-m", "0"]
    arguments += ["-J", f"size={journal_size(size) // _MIB}"] if "has_journal" in features else []
    arguments += ["-L", identity.label, "-U", str(uuid_module.UUID(bytes=identity.uuid)), "-E", extended]
    arguments += [] if source is None else ["-d", f"./{source.relative_to(image.parent)}"]
    done = _run("mke2fs", [*arguments, f"./{image.name}", f"{size // 1024}k"], image.parent, check, now=now)
    if done.returncode:
        raise HostError(
            "mke2fs_failed", f"mke2fs could not format {size} bytes (exit {done.returncode}): {_last(done)}"
        )
    sign_hashes(image, offset)


def run_debugfs(image: Path, offset: int, commands: list[str], *, now: int, check: Check = unasked) -> None:
    """Change a file system by debugfs, which says nothing if all went well."""
    script = image.with_name(f"{image.name}.debugfs")
    script.write_text("\n".join([*commands, ""]), errors="surrogateescape")
    try:
        words = ["-w", "-f", f"./{script.name}", f"./{image.name}?offset={offset}"]
        done = _run("debugfs", words, image.parent, check, now=now)
    finally:
        script.unlink()
    said = [line for line in done.stderr.splitlines() if line and not line.startswith("debugfs 1.")]
    if done.returncode or said:
        raise HostError("debugfs_failed", f"debugfs could not change a file system: {' / '.join(said[-3:])}")


def check_ext4(image: Path, offset: int, check: Check = unasked) -> None:
    """`e2fsck -fn`: JobError `bad_filesystem` with its words unless the file system is clean.

    What `check` raises ends it, here and in all of these.
    """
    done = _run("e2fsck", ["-f", "-n", f"./{image.name}?offset={offset}"], image.parent, check)
    if done.returncode & _STOPPED:
        raise HostError("program_ended", "e2fsck was told to stop before it was done; try again")
    if done.returncode:
        raise JobError(
            "bad_filesystem",
            f"the ext4 partition at byte {offset} of {image.name} is not clean "
            f"(e2fsck exit {done.returncode}): {_last(done)}",
        )


def find_program(name: str) -> str:
    """The path of a program of e2fsprogs; HostError `missing_program` without it."""
    found = shutil.which(name, path=os.environ.get("PATH", os.defpath) + _SBIN)
    if found is None:
        raise HostError(
            "missing_program", f"{name} is not installed; install the package e2fsprogs on this host"
        )
    return found


def _run(
    name: str, arguments: list[str], folder: Path, check: Check, now: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run beside the image, so that no odd character of its path reaches the program's own syntax."""
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    if now is not None:
        environment["E2FSPROGS_FAKE_TIME"] = str(now)
    return program.run([find_program(name), *arguments], folder, environment, check)


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr + done.stdout).strip().splitlines()
    return " / ".join(line.strip() for line in lines[-3:]) or "no message"
