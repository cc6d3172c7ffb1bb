"""What a cache knows of an entry: one small JSON file beside the data."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

NAME: Final = "facts.json"
_MOST: Final = 1 << 16
_ZIM: Final = re.compile(r"(?P<name>.+)_(?P<version>\d{4}-\d{2}[a-z]?)\.zim", re.IGNORECASE)
_TAGGED: Final = re.compile(r"(?P<name>[^@]+):(?P<version>[^:/@]+)(@.*)?")
_NUMBERS: Final = re.compile(r"(\d+)")


class Kind(StrEnum):
    """What an entry is: a file as it was fetched, a base image unpacked, or a container image as a tar."""

    FILE = "file"
    BASE = "base"
    OCI_IMAGE = "oci_image"


class Stamp(BaseModel):
    """What the file system tells of the data when it was last verified."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int
    inode: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        facts = path.lstat()
        return cls(size=facts.st_size, inode=facts.st_ino, mtime_ns=facts.st_mtime_ns)


class Facts(BaseModel):
    """One entry. Times are seconds since 1970. `key` names the whole source, `source` is for people.

    `content` is the SHA-256 of what lies here. `digests`, by the recipe's names of algorithms, are proved
    of what arrived: of a base image, the packed file's. `validator`: what the server said of the version (an
    ETag, a date, a manifest's digest), empty if nothing. `disk`: bytes that the data takes. `spoiled`: it has
    turned out wrong, and goes as soon as nobody uses it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    kind: Kind
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    source: str
    content: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    digests: dict[str, str] = {}
    validator: str = ""
    disk: Annotated[int, Field(ge=0)]
    added: float
    checked: float
    used: float
    uses: Annotated[int, Field(ge=0)] = 0
    spoiled: bool = False
    stamp: Stamp

    @property
    def size(self) -> int:
        return self.stamp.size

    @classmethod
    def read(cls, folder: Path) -> Facts | None:
        """The facts of the entry in `folder`; None where nothing can be read out of them."""
        try:
            with (folder / NAME).open("rb") as file:
                return cls.model_validate_json(file.read(_MOST))
        except (OSError, ValidationError):
            return None

    def write(self, folder: Path) -> None:
        """Put the facts down at once: readers find the old ones or the new ones."""
        fresh = folder / f".{NAME}.{os.getpid()}"
        with fresh.open("wb") as file:
            file.write(self.model_dump_json().encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / NAME)


def version_of(kind: Kind, source: str) -> tuple[str, str] | None:
    """Name and version of content that says which version it is: a ZIM's period, a container image's tag."""
    found = (_TAGGED if kind is Kind.OCI_IMAGE else _ZIM).fullmatch(source)
    return (found["name"], found["version"]) if found else None


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts versions as people read them: 1.9 before 1.10."""
    parts = [each for each in _NUMBERS.split(version) if each]
    return tuple((1, int(each), "") if each.isdecimal() else (0, 0, each) for each in parts)
