"""The settings of a creator host: who builds, and what recipes may reach.

`[creator]` of the host's configuration, and the environment above it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from workers.creator import rules as recipe_rules
from workers.creator.recipe import parse_size
from workers.creator.rules import Rules, rules_of
from workers.errors import HostError

MAX_IMAGE: Final = 1 << 40
_VARIABLES: Final = {
    "backend": "CREATOR_BACKEND",
    "image_creator": "IMAGER_IMAGE_CREATOR",
    "max_image": "IMAGER_MAX_IMAGE",
}


class Backend(StrEnum):
    """Who turns a recipe into an image."""

    BUILTIN = "builtin"
    IMAGE_CREATOR = "image-creator"


@dataclass(frozen=True)
class Settings:
    """`image_creator`: the program of that backend. `max_image`: bytes that its images may have."""

    backend: Backend = Backend.BUILTIN
    image_creator: str = "image-creator"
    max_image: int = MAX_IMAGE
    rules: Rules = field(default_factory=Rules)


def settings_of(
    table: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
    base: Rules | None = None,
) -> Settings:
    """HostError `bad_config` names the setting that cannot be used."""
    told = dict(table or {})
    known = {*_VARIABLES, *recipe_rules.VARIABLES}
    if unknown := sorted(set(told) - known):
        raise _bad(
            f"unknown settings in [creator]: {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )
    own = {key: told.pop(key) for key in _VARIABLES if key in told}
    own |= {key: environ[name] for key, name in _VARIABLES.items() if environ.get(name)}
    return Settings(
        backend=_backend(own.get("backend", Backend.BUILTIN)),
        image_creator=_program(own.get("image_creator", Settings.image_creator)),
        max_image=_size(own.get("max_image", MAX_IMAGE)),
        rules=rules_of(told, environ, base),
    )


def _backend(value: object) -> Backend:
    if not isinstance(value, str) or value not in set(Backend):
        raise _bad(f"backend (CREATOR_BACKEND) is {value!r}; it must be {' or '.join(Backend)}")
    return Backend(value)


def _program(value: object) -> str:
    if not isinstance(value, str) or not value or value.startswith("-"):
        raise _bad(f"image_creator is {value!r}; it must be the name or the path of a program")
    return value


def _size(value: object) -> int:
    try:
        size = parse_size(value)
    except ValueError as error:
        raise _bad(f"max_image: {error}") from error
    if size < 1:
        raise _bad(f"max_image is {value!r}; it must be above 0")
    return size


def _bad(problem: str) -> HostError:
    return HostError("bad_config", f"The settings of this creator cannot be used: {problem}.")
