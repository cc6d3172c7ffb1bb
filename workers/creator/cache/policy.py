"""The policy of a cache: which entries are kept, how many and how long. `docs/cache.md` tells it in prose."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from workers.creator.cache.facts import Kind
from workers.creator.recipe import parse_size
from workers.creator.recipe_words import words
from workers.creator.recipe_yaml import MAX_BYTES, load, show
from workers.errors import HostError, JobError

NAME: Final = "policy.yaml"
DEFAULT_SIZE: Final = 10 << 30
_SHOWN: Final = 10
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*([smhdwy]?)", re.ASCII)
_BOUNDED: Final = ("max_size", "max_age", "max_num")


def parse_duration(value: object) -> int:
    """`30d`, `4w`, `1y`, `12h`, `90m` or a number of seconds: seconds. A year has 365 days."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _DURATION.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"{value!r} is not a duration; write for example 12h, 30d, 4w or 1y")
    return round(float(found[1]) * _SECONDS[found[2] or "s"])


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from None
    return text


def _zero_is_no_limit(value: int | None) -> int | None:
    return value or None


Size = Annotated[int, BeforeValidator(parse_size), Field(ge=0)]
Duration = Annotated[int, BeforeValidator(parse_duration), Field(ge=0)]
Number = Annotated[int, Field(ge=0)]
Eviction = Literal["lru", "oldest", "newest", "largest", "smallest"]


class Limits(BaseModel):
    """What holds for a group of entries; `None`: no limit. 0 in the file means the same."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max_size: Annotated[Size | None, AfterValidator(_zero_is_no_limit)] = None
    max_age: Annotated[Duration | None, AfterValidator(_zero_is_no_limit)] = None
    max_num: Annotated[Number | None, AfterValidator(_zero_is_no_limit)] = None
    check_after: Duration | None = None
    keep_identified_versions: Annotated[Number | None, AfterValidator(_zero_is_no_limit)] = None
    eviction: Eviction = "lru"


class Filter(Limits):
    """Limits of the entries whose source matches `pattern`; with `ignore` they are not kept at all."""

    pattern: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_pattern)]
    ignore: bool = False

    def matches(self, source: str) -> bool:
        return re.search(self.pattern, source, re.IGNORECASE) is not None


class Section(Limits):
    """Limits of one kind of content, with exceptions: the first filter that matches an entry counts."""

    enabled: bool = True
    filters: Annotated[tuple[Filter, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _filters_are_within(self) -> Self:
        for number, each in enumerate(self.filters):
            _check_within(self, each, f"filters[{number}]")
        return self


class Policy(Limits):
    """The whole policy. A source belongs to `oci_images` or to `files`, where base images are, too."""

    enabled: bool = True
    max_size: Annotated[Size | None, AfterValidator(_zero_is_no_limit)] = DEFAULT_SIZE
    oci_images: Section = Section()
    files: Section = Section()

    @field_validator("oci_images", "files", mode="before")
    @classmethod
    def _empty_is_default(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _sections_are_within(self) -> Self:
        _check_within(self, self.oci_images, "oci_images")
        _check_within(self, self.files, "files")
        return self

    def section(self, kind: Kind) -> Section:
        return self.oci_images if kind is Kind.OCI_IMAGE else self.files

    def scopes(self, kind: Kind, source: str) -> list[Limits]:
        """All limits that bind an entry, the narrowest first."""
        section = self.section(kind)
        first = [each for each in section.filters if each.matches(source)][:1]
        return [*first, section, self]

    def keeps(self, kind: Kind, source: str) -> bool:
        """Whether such entries are kept and used at all."""
        narrowest = self.scopes(kind, source)[0]
        ignored = isinstance(narrowest, Filter) and narrowest.ignore
        return self.enabled and self.section(kind).enabled and not ignored

    def quiet_for(self, kind: Kind, source: str) -> int:
        """Seconds for which an entry needs no question to its server: the narrowest word on it."""
        told = (each.check_after for each in self.scopes(kind, source))
        return next((each for each in told if each is not None), 0)


_KEYS: Final = frozenset(key for part in (Policy, Section, Filter) for key in part.model_fields)


def read_policy(path: Path) -> Policy:
    """The policy in a file, the default one where there is no file; HostError `bad_policy`."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except FileNotFoundError:
        return Policy()
    except OSError as error:
        raise _bad(path, f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _bad(path, "it is not UTF-8 text") from error
    return parse_policy(text, path)


def parse_policy(text: str, path: Path) -> Policy:
    """The policy out of its text; every problem is named with its line."""
    if not any(line.strip(" -") and not line.lstrip().startswith("#") for line in text.splitlines()):
        return Policy()
    try:
        data, lines = load(text)
    except JobError as error:
        raise _bad(path, error.message.removeprefix("The recipe cannot be used: ")) from error
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        problems = []
        for each in error.errors(include_url=False):
            where = tuple(each["loc"])
            name = show(where) if where else "the policy"
            problems.append(f"line {lines.of(where)}, {name}: {words(each, _KEYS)}")
        raise _bad(path, "; ".join(problems[:_SHOWN])) from error


def _check_within(outer: Limits, inner: Limits, name: str) -> None:
    for field in _BOUNDED:
        most, wanted = getattr(outer, field), getattr(inner, field)
        if most is not None and wanted is not None and wanted > most:
            raise ValueError(f"{name}.{field} is {wanted}, above the {most} around it; lower one of them")


def _bad(path: Path, problem: str) -> HostError:
    return HostError("bad_policy", f"the cache policy {path} cannot be used: {problem}; correct that file")
