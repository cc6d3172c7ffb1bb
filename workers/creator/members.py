"""What an archive may bring: its members, with names that stay where they belong."""

from __future__ import annotations

import fnmatch
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final

from workers.errors import JobError
from workers.imaging.sizes import exact

MOST: Final = 4_000_000
_RATIO: Final = 200  # times; more is no content, but an attack or a disk image of zeros
_HARMLESS: Final = 100 << 20  # bytes that anything may unfold to
_LONGEST_NAME, _LONGEST_PATH = 255, 4000  # bytes
_PERMISSIONS: Final = 0o1777  # neither set-user-id nor set-group-id
# What desktops leave in archives; the predecessor drops it, too.
_UNWANTED: Final = (
    "*~", ".fuse_hidden*", ".directory", ".Trash-*", ".nfs*", ".DS_Store", ".AppleDouble", ".LSOverride",
    "._*", ".DocumentRevisions-V100", ".fseventsd", ".Spotlight-V100", ".TemporaryItems", ".Trashes",
    ".VolumeIcon.icns", ".com.apple.timemachine.donotpresent", ".AppleDB", ".AppleDesktop",
    "Network Trash Folder", ".apdisk", "*.icloud", "Thumbs.db", "Thumbs.db:encryptable", "ehthumbs.db",
    "ehthumbs_vista.db", "*.stackdump", "[Dd]esktop.ini", "$RECYCLE.BIN", "*.lnk", "__MACOSX",
)  # fmt: skip


class Kind(Enum):
    FOLDER = auto()
    FILE = auto()
    LINK = auto()
    HARD = auto()


@dataclass(frozen=True)
class Member:
    """One thing in an archive. `path` is below the archive's folder; `target` that of a link."""

    path: str
    kind: Kind
    size: int = 0
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    target: str = ""
    nanoseconds: int = 0  # beyond mtime
    attributes: Mapping[str, bytes] = field(default_factory=dict)  # by their full names

    @property
    def permissions(self) -> int:
        return self.mode & _PERMISSIONS


class Members:
    """Takes members in the archive's order and refuses what must not be. `to`: the folder, below /data."""

    def __init__(self, where: str, to: str, *, packed: int, limit: int) -> None:
        self.where, self._to = where, to
        self._packed, self._limit = packed, limit
        self._kinds: dict[str, Kind] = {}
        self._turns: list[tuple[str, str]] = []  # (link, what has to be a folder for its target to be sound)
        self._unfolded = 0

    def take(self, member: Member) -> Member | None:
        """The member with its plain path, None for what is left out; JobError `bad_archive`, `too_large`."""
        path = self._plain(member.path)
        if not path or is_unwanted(path):
            return None
        self._check_place(path, member.kind)
        target = self._target(path, member) if member.kind in {Kind.LINK, Kind.HARD} else ""
        if target is None:
            return None
        self._kinds[path] = member.kind
        if len(self._kinds) > MOST:
            raise self.bad(f"more than {MOST} members", "make it smaller")
        if member.kind is Kind.FILE:
            self.unfold(member.size)
        return replace(member, path=path, target=target)

    def finish(self) -> None:
        """All have been taken; JobError `bad_archive` for links that may lead out by way of others."""
        for link, folder in self._turns:
            if self._kinds.get(folder) is not Kind.FOLDER:
                raise self.bad(
                    f"the link {link!r} goes up from {folder!r}, which is no folder of it, so that nobody "
                    "knows where it leads"
                )

    def unfold(self, count: int) -> None:
        """`count` more bytes come out; JobError `too_large` when that is more than anything sound."""
        self._unfolded += count
        if self._unfolded > max(_HARMLESS, _RATIO * self._packed):
            raise JobError(
                "too_large",
                f"{self.where} unfolds to more than {_RATIO} times its {exact(self._packed)}; "
                "this is refused as a bomb, pack the content in another way",
            )
        if self._unfolded > self._limit:
            raise JobError(
                "too_large",
                f"{self.where} unfolds to more than {exact(self._limit)}, the limit; use a smaller archive",
            )

    def bad(self, problem: str, remedy: str = "pack it anew without that") -> JobError:
        """The archive cannot be used."""
        return JobError("bad_archive", f"{self.where} cannot be unpacked: {problem}; {remedy}")

    def _plain(self, name: str) -> str:
        shown = name.encode("utf-8", "replace").decode()[:200]
        if name.startswith("/"):
            raise self.bad(f"{shown!r} is an absolute path")
        parts = [part for part in name.split("/") if part not in {"", "."}]
        if ".." in parts:
            raise self.bad(f"{shown!r} leads out of it")
        if any(ord(char) < 32 or ord(char) == 127 for char in name):
            raise self.bad(f"{shown!r} holds control characters")
        whole = posixpath.join(self._to, *parts)
        raw = whole.encode("utf-8", "surrogateescape")
        if len(raw) > _LONGEST_PATH or any(len(part) > _LONGEST_NAME for part in raw.split(b"/")):
            raise self.bad(f"{shown!r} is too long (a name has at most {_LONGEST_NAME} bytes)")
        return "/".join(parts)

    def _check_place(self, path: str, kind: Kind) -> None:
        known = self._kinds.get(path)
        if known is not None and not (known is kind is Kind.FOLDER):
            raise self.bad(f"{path!r} is in it twice")
        above = posixpath.dirname(path)
        while above:
            if self._kinds.get(above, Kind.FOLDER) is not Kind.FOLDER:
                raise self.bad(f"{path!r} lies below {above!r}, which is no folder")
            self._kinds.setdefault(above, Kind.FOLDER)
            above = posixpath.dirname(above)

    def _target(self, path: str, member: Member) -> str | None:
        """A link's target; None if it was left out itself."""
        if member.kind is Kind.HARD:
            plain = self._plain(member.target)
            if is_unwanted(plain):
                return None
            if self._kinds.get(plain) not in {Kind.FILE, Kind.HARD}:
                raise self.bad(f"{path!r} is a hard link to {plain!r}, which is no file before it")
            return plain
        goal = posixpath.normpath(posixpath.join(self._to, posixpath.dirname(path), member.target))
        if not member.target or "\0" in member.target or len(member.target.encode(errors="replace")) > 4000:
            raise self.bad(f"the link {path!r} has no usable target")
        if goal != "/data" and not goal.startswith("/data/"):
            raise self.bad(f"the link {path!r} leads to {goal!r}, outside of /data")
        for folder in self._turning(path, member.target):
            if folder == "/data":
                raise self.bad(f"the link {path!r} leads out of /data on its way to {goal!r}")
            self._turns.append((path, posixpath.relpath(folder, self._to)))
        return member.target

    def _turning(self, path: str, target: str) -> Iterator[str]:
        """What `target` goes up from after it went down (a link there would lead elsewhere), and /data."""
        start = "/" if target.startswith("/") else posixpath.join(self._to, posixpath.dirname(path))
        here, down = start.rstrip("/"), 0
        for part in target.split("/"):
            if part == "..":
                if down or here == "/data":
                    yield here
                here, down = posixpath.dirname(here).rstrip("/"), max(down - 1, 0)
            elif part not in {"", "."}:
                here, down = f"{here}/{part}", down + 1


def is_unwanted(path: str) -> bool:
    """Whether a desktop has left this by accident."""
    return any(fnmatch.fnmatchcase(part, pattern) for part in path.split("/") for pattern in _UNWANTED)
