"""The name of a container image, read as docker reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from workers.errors import JobError
from workers.links import is_loopback

HUB: Final = "docker.io"
_HUB_SERVER: Final = "registry-1.docker.io"
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_REGISTRY: Final = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?")


@dataclass(frozen=True)
class Reference:
    """`registry/repository:tag@digest`; a digest goes before the tag. `mirror`: who is asked instead."""

    registry: str
    repository: str
    tag: str
    digest: str
    mirror: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @property
    def wanted(self) -> str:
        """What to ask the registry for."""
        return self.digest or self.tag

    @property
    def loaded_as(self) -> str | None:
        """The name that the image has once it is loaded; a digest alone gives it none."""
        return f"{self.registry}/{self.repository}:{self.tag}" if self.tag else None

    @property
    def url(self) -> str:
        """The registry's API for this repository; plain HTTP only on this machine, as docker does it."""
        server = self.mirror or (_HUB_SERVER if self.registry == HUB else self.registry)
        scheme = "http" if is_loopback(f"http://{server}") else "https"
        return f"{scheme}://{server}/v2/{self.repository}"

    def at(self, mirrors: Mapping[str, str]) -> Reference:
        """The same image, asked for at its registry's mirror if there is one."""
        return replace(self, mirror=mirrors.get(self.registry, ""))


def is_registry(name: str) -> bool:
    """Whether it is a registry's name as it stands in an image's: `ghcr.io`, `10.0.0.7:5000`."""
    return _REGISTRY.fullmatch(name) is not None


def parse(ident: str) -> Reference:
    """`alpine`, `kiwix/kiwix-tools:3.7`, `ghcr.io/offspot/dashboard:1.7@sha256:…`; JobError `bad_image`."""
    rest, _, digest = ident.partition("@")
    first, slash, tail = rest.partition("/")
    named = bool(slash) and (any(char in first for char in ".:") or first == "localhost")
    registry, path = (first, tail) if named else (HUB, rest)
    repository, colon, tag = path.partition(":")
    if registry in {"index.docker.io", _HUB_SERVER}:
        registry = HUB
    if registry == HUB and "/" not in repository:
        repository = f"library/{repository}"
    good = (
        _REGISTRY.fullmatch(registry)
        and _REPOSITORY.fullmatch(repository)
        and (not colon or _TAG.fullmatch(tag))
        and ("@" not in ident or _DIGEST.fullmatch(digest))
    )
    if not good:
        raise JobError(
            "bad_image",
            f"{ident!r} names no container image; write for example ghcr.io/offspot/dashboard:1.7",
        )
    return Reference(registry, repository, tag or ("" if digest else "latest"), digest)
