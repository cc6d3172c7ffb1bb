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

from workers.creator.recipe_yaml import Lines, bad, load, show
from workers.errors import JobError

DATA: Final = "/data"
WAYS: Final = ("direct", "base64", "bztar", "gztar", "tar", "xztar", "zip")
_SUPPORTED_WAYS: Final = ("direct", "base64")
_OFFICIAL_BASE: Final = "https://drive.offspot.it/base/offspot-base-arm64-{version}.img"
_VERSION: Final = re.compile(r"\d\.\d\.\d[a-z0-9\-._]*")
_SHOWN: Final = 10
_WORDS: Final = {
    "extra_forbidden": "this key is not known; remove it or correct its spelling",
    "missing": "it is missing; add it",
    "string_type": "it must be text; put it in quotes",
    "greater_than": "it must be more than 0",
}

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
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.ASCII)


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
        raise ValueError(f"{to!r} is too long; a name has at most 255 bytes")
    if parts[2] == "lost+found":
        raise ValueError(f"{to!r}: lost+found belongs to the file system; choose another name")
    return to


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
        raise ValueError(f"{value!r} is not a digest of {algo}; it needs {_DIGITS[algo]} hex digits")
    return value.lower()


class Base(_Part):
    """The image that everything is built on."""

    source: Text
    rootfs_size: Size | None = None
    checksum: Checksum | None = None

    @property
    def location(self) -> str:
        """Path or URL; a bare version number means the official base image."""
        return _OFFICIAL_BASE.format(version=self.source) if self._official else self.source

    @property
    def expected(self) -> Checksum | None:
        """The digest to hold it to: the recipe's own, or the one published beside an official image."""
        if self.checksum or not self._official:
            return self.checksum
        return Checksum(algo="md5", value=f"{self.location}.md5", kind="url")

    @property
    def _official(self) -> bool:
        return _VERSION.fullmatch(self.source) is not None


class Output(_Part):
    """The image to make; `size` None: as large as needed. `compress` says nothing: images always are."""

    size: Annotated[Size | None, BeforeValidator(lambda value: None if value == "auto" else value)] = None
    compress: bool = False
    shrink: bool = False


class OciImage(_Part):
    """A container image to bring along."""

    ident: Text
    url: Text | None = None
    filesize: Size
    fullsize: Size


class File(_Part):
    """A file for the data partition: from a URL, or written in the recipe itself."""

    to: Target
    url: Text | None = None
    content: str | None = None
    via: Literal["direct", "base64", "bztar", "gztar", "tar", "xztar", "zip"] = "direct"
    size: MaybeSize = None
    checksum: Checksum | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.url is None) == (self.content is None):
            raise ValueError("give either `url` or `content`, not both and not none")
        if self.via == "base64":
            self.inline()
        if self.content is not None and self.checksum and self.checksum.kind == "url":
            raise ValueError("`checksum.kind: url` goes with `url`, not with `content`")
        return self

    def inline(self) -> bytes:
        """What `content` stands for."""
        if self.content is None:
            raise ValueError("`via: base64` goes with `content`, not with `url`")
        if self.via != "base64":
            return self.content.encode()
        try:
            return base64.b64decode("".join(self.content.split()), validate=True)
        except binascii.Error as error:
            raise ValueError(f"`content` is not base64: {error}") from error


class Recipe(_Part):
    """A whole recipe."""

    base: Base
    output: Output = Output()
    oci_images: tuple[OciImage, ...] = Field(default=(), strict=False)
    files: tuple[File, ...] = Field(default=(), strict=False)
    write_config: bool = False
    offspot: dict[str, Any] | None = None


def read_recipe(text: str) -> Recipe:
    """A recipe out of its text. JobError `bad_recipe` names every problem; `not_supported`: not yet."""
    data, lines = load(text)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise bad(_say(error, lines)) from error
    _check_targets(recipe, lines)
    _check_support(recipe, lines)
    return recipe


def _say(error: ValidationError, lines: Lines) -> str:
    problems = []
    for each in error.errors(include_url=False, include_input=False):
        path = tuple(each["loc"])
        words = _WORDS.get(each["type"], each["msg"].removeprefix("Value error, "))
        problems.append(f"line {lines.of(path)}, {show(path)}: {words}")
    more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
    return "; ".join(problems[:_SHOWN]) + more + "."


def _check_targets(recipe: Recipe, lines: Lines) -> None:
    """No file twice, and no file where another one needs a folder."""
    numbers: dict[str, int] = {}
    for number, file in enumerate(recipe.files):
        where = ("files", number, "to")
        if file.to in numbers:
            raise bad(
                f"line {lines.of(where)}, {show(where)}: {file.to} is used by files[{numbers[file.to]}] too."
            )
        numbers[file.to] = number
    for number, file in enumerate(recipe.files):
        parts = file.to.split("/")
        for end in range(3, len(parts)):
            above = "/".join(parts[:end])
            if above in numbers:
                where = ("files", number, "to")
                raise bad(
                    f"line {lines.of(where)}, {show(where)}: {above} is a file (files[{numbers[above]}]) "
                    "and cannot be a folder too."
                )
    if recipe.write_config and f"{DATA}/image.yaml" in numbers:
        number = numbers[f"{DATA}/image.yaml"]
        raise bad(f"files[{number}].to: `write_config` writes {DATA}/image.yaml already; drop one of them.")


def _check_support(recipe: Recipe, lines: Lines) -> None:
    missing: list[tuple[str | int, ...]] = []
    if recipe.oci_images:
        missing.append(("oci_images",))
    missing += [
        ("files", number, "via")
        for number, file in enumerate(recipe.files)
        if file.via not in _SUPPORTED_WAYS
    ]
    if recipe.output.shrink:
        missing.append(("output", "shrink"))
    if missing:
        words = ", ".join(f"{show(path)} (line {lines.of(path)})" for path in missing[:_SHOWN])
        raise JobError(
            "not_supported", f"The recipe asks for what is not supported yet: {words}; leave it out."
        )
