"""The recipe of an image: the YAML format of the predecessor's builder, read strictly."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from workers.contract import BOOT_CONFIG, BOOT_PATH, MAX_BOOT_PATH, MAX_CARD_FILES, clash
from workers.creator.recipe_targets import check_targets
from workers.creator.recipe_words import words
from workers.creator.recipe_yaml import Lines, bad, load, show
from workers.imaging.per_card import check_content

DATA: Final = "/data"
IMAGES: Final = f"{DATA}/images"
ARCHIVES: Final = frozenset({"bztar", "gztar", "tar", "xztar", "zip", "zst", "zstar"})
_OFFICIAL_BASE: Final = "https://drive.hotspot.kiwix.org/base/"
_BASE_NAME: Final = "offspot-base-arm64-{version}.img"
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+[a-z0-9\-._]*")
_SHOWN: Final = 10
_DIGITS: Final = {
    "md5": 32,
    "sha-1": 40,
    "sha-224": 56,
    "sha-256": 64,
    "sha-384": 96,
    "sha-512": 128,
    "adler32": 8,
}
_UNITS: Final[dict[str, int]] = {"": 1, "b": 1} | {
    name: base**power
    for power, letter in enumerate("kmgtp", 1)
    for name, base in ((letter, 1000), (f"{letter}b", 1000), (f"{letter}ib", 1024))
}
_IDENT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]*(@[a-z0-9]+:[0-9a-f]{32,128})?")
_BOOT_PATH: Final = re.compile(BOOT_PATH)
_SIZE: Final = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([a-z]*)", re.ASCII)


def parse_size(value: object) -> int:
    """`8GB`, `8 GiB`, `1.5 MB` or a number: bytes. Decimal units unless they have an i, as cards are sold."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if not found or found[2] not in _UNITS:
        raise ValueError(f"{value!r} is not a size; write for example 8GB, 512 MiB or 8000000000")
    return round(float(found[1]) * _UNITS[found[2]])


def _check_target(to: str) -> str:
    parts = to.split("/")
    if parts[:2] != ["", "data"] or len(parts) < 3:
        raise ValueError(f"{to!r} must be a path below {DATA}, for example {DATA}/zims/name.zim")
    if any(part in {"", ".", ".."} for part in parts[1:]):
        raise ValueError(f"{to!r} must not hold empty parts, `.` or `..`; write the plain path")
    if any(ord(char) < 32 or ord(char) == 127 for char in to) or not to.isprintable():
        raise ValueError(f"{to!r} holds characters that cannot be shown; use others")
    if any(len(part.encode()) > 255 for part in parts) or len(to.encode()) > 4000:
        raise ValueError(f"{to!r} is too long; shorten it: a name has at most 255 bytes")
    if parts[2] == "lost+found":
        raise ValueError(f"{to!r}: lost+found belongs to the file system; choose another name")
    return to


def _check_ident(ident: str) -> str:
    if not _IDENT.fullmatch(ident) or len(ident) > 250:
        raise ValueError(
            f"{ident[:80]!r} names no container image; write for example ghcr.io/offspot/dashboard:1.7.0"
        )
    return ident


Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0, le=1 << 50)]
MaybeSize = Annotated[Size | None, BeforeValidator(lambda value: None if value == -1 else value)]
Target = Annotated[str, AfterValidator(_check_target)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class Checksum(_Part):
    """The digest that a file must have: itself, or the URL of a page that begins with it."""

    algo: Literal["md5", "sha-1", "sha-224", "sha-256", "sha-384", "sha-512", "adler32"]
    value: Text
    kind: Literal["digest", "url"] = "digest"

    @model_validator(mode="after")
    def _is_digest(self) -> Self:
        if self.kind == "digest":
            check_digest(self.algo, self.value)
        return self


def check_digest(algo: str, value: str) -> str:
    """The digest in lower case; ValueError unless it has the form of `algo`."""
    if not re.fullmatch(rf"[0-9a-fA-F]{{{_DIGITS[algo]}}}", value):
        raise ValueError(f"{value!r} is not a digest of {algo}; write its {_DIGITS[algo]} hex digits")
    return value.lower()


class Base(_Part):
    """The image that everything is built on."""

    source: Text
    rootfs_size: Size | None = None
    checksum: Checksum | None = None

    @property
    def location(self) -> str:
        """Path or URL; a bare version number means the official base image."""
        return f"{_OFFICIAL_BASE}{self._file}" if self._official else self.source

    @property
    def expected(self) -> Checksum | None:
        """The digest to hold it to: the recipe's own, or the one published beside an official image."""
        if self.checksum or not self._official:
            return self.checksum
        return Checksum(algo="md5", value=f"{self.location}.md5", kind="url")

    def at(self, mirror: str) -> Base:
        """The same, where a version number means the base image of that name at `mirror`."""
        if not self._official:
            return self
        place = f"{mirror.rstrip('/')}/{self._file}"
        published = Checksum(algo="md5", value=f"{place}.md5", kind="url")
        return self.model_copy(update={"source": place, "checksum": self.checksum or published})

    @property
    def _file(self) -> str:
        return _BASE_NAME.format(version=self.source)

    @property
    def _official(self) -> bool:
        return _VERSION.fullmatch(self.source) is not None


class Output(_Part):
    """The image to make; `size` None, or `shrink`: as large as needed. `compress`: images always are."""

    size: Annotated[Size | None, BeforeValidator(lambda value: None if value == "auto" else value)] = None
    compress: bool | None = False
    shrink: bool | None = False

    @property
    def bytes(self) -> int | None:
        """The image's size, None: as small as it can be."""
        return None if self.shrink else self.size


class OciImage(_Part):
    """A container image to bring along, as a tar of `filesize` bytes; it unfolds to `fullsize` later."""

    ident: Annotated[str, AfterValidator(_check_ident)]
    url: Text | None = None
    filesize: Size
    fullsize: Size

    @property
    def to(self) -> str:
        """Where its tar lies: the hotspot loads all of that folder."""
        return f"{IMAGES}/{re.sub(r'[/:@]+', '_', self.ident)}.tar"


class File(_Part):
    """A file for the data partition: from a URL, or written in the recipe itself."""

    to: Target
    url: Text | None = None
    content: str | None = None
    via: Literal["direct", "base64", "bztar", "gztar", "tar", "xztar", "zip", "zst", "zstar"] = "direct"
    size: MaybeSize = None  # of an archive: what it holds, unpacked
    checksum: Checksum | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.url is None) == (self.content is None):
            raise ValueError("give either `url` or `content`, not both and not none")
        if self.via == "base64":
            self.inline()
        if self.content is not None and self.is_archive:
            raise ValueError(f"`via: {self.via}` goes with `url`, not with `content`; give its address")
        if self.content is not None and self.checksum and self.checksum.kind == "url":
            raise ValueError(
                "`checksum.kind: url` goes with `url`, not with `content`; give the digest itself"
            )
        return self

    @property
    def is_archive(self) -> bool:
        """Whether `to` is a folder that an archive is unpacked into."""
        return self.via in ARCHIVES

    def inline(self) -> bytes:
        """What `content` stands for."""
        if self.content is None:
            raise ValueError("`via: base64` goes with `content`, not with `url`; leave `via` away")
        if self.via != "base64":
            return self.content.encode()
        try:
            return base64.b64decode("".join(self.content.split()), validate=True)
        except binascii.Error as error:
            raise ValueError(
                f"`content` is not base64 ({error}); encode it anew, or leave `via` away for plain text"
            ) from error


def _check_boot_path(to: str) -> str:
    fits = len(to) <= MAX_BOOT_PATH and _BOOT_PATH.fullmatch(to)
    if not fits or to.casefold().split("/")[0] == BOOT_CONFIG:  # a file and a folder: FAT has one of a name
        raise ValueError(
            f"{to[:80]!r} must be a path on the boot partition such as serial.txt or conf/hostname, of "
            "letters, digits, dots, dashes and underscores, and not offspot.yaml"
        )
    return to


class CardFile(_Part):
    """A small file of the boot partition that is different on each card."""

    to: Annotated[str, AfterValidator(_check_boot_path)]
    content: Annotated[str, AfterValidator(check_content)]


class Recipe(_Part):
    """A whole recipe."""

    base: Base
    output: Annotated[Output, BeforeValidator(lambda value: {} if value is None else value)] = Output()
    oci_images: tuple[OciImage, ...] = Field(default=(), strict=False)
    per_card: tuple[CardFile, ...] = Field(default=(), strict=False, max_length=MAX_CARD_FILES)
    files: tuple[File, ...] = Field(default=(), strict=False)
    write_config: bool | None = False
    offspot: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _has_no_file_twice(self) -> Self:
        if twice := clash([each.to for each in self.per_card]):
            raise ValueError(
                f"two files of `per_card` have the same name, or one is the other's folder ({twice}); "
                "FAT knows no capitals"
            )
        return self


_KEYS: Final = frozenset(
    key for part in (Recipe, Base, Output, File, OciImage, Checksum) for key in part.model_fields
)


def read_recipe(text: str) -> Recipe:
    """A recipe out of its text. JobError `bad_recipe` names every problem."""
    data, lines = load(text)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise bad(_say(error, lines)) from error
    check_targets(recipe, lines)
    return recipe


def _say(error: ValidationError, lines: Lines) -> str:
    problems = []
    for each in error.errors(include_url=False):
        path = tuple(each["loc"])
        problems.append(f"line {lines.of(path)}, {show(path)}: {words(each, _KEYS)}")
    more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + more + "."
