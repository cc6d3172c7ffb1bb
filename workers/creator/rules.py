"""What a creator host lets recipes do: which addresses they reach, whether they read its files, how much."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from workers.creator.guard import EVERYWHERE, Guard, Network, networks_of
from workers.creator.oci.reference import is_registry
from workers.errors import HostError

OFFICIAL_BASES: Final = "https://drive.hotspot.kiwix.org/base/"
MAX_FILE: Final = 1 << 40
PARALLEL: Final = 4
VARIABLES: Final = {
    "allow_networks": "IMAGER_ALLOW_NETWORKS",
    "base_mirror": "IMAGER_BASE_MIRROR",
    "max_file": "IMAGER_MAX_FILE",
    "parallel": "IMAGER_PARALLEL",
    "registry_mirrors": "IMAGER_REGISTRY_MIRRORS",
}


@dataclass(frozen=True)
class Rules:
    """`networks`: private ones that recipes may reach. `max_file`: bytes of one file, unpacked or not.

    `registry_mirrors`: pairs of a registry of container images, and who is asked instead.
    """

    networks: tuple[Network, ...] = ()
    allow_files: bool = False
    base_mirror: str = OFFICIAL_BASES
    max_file: int = MAX_FILE
    parallel: int = PARALLEL
    registry_mirrors: tuple[tuple[str, str], ...] = ()

    def guard(self) -> Guard:
        return Guard(self.networks)


# The person at the terminal is the operator: what they may read, their recipe may.
TERMINAL: Final = Rules(networks=EVERYWHERE, allow_files=True)


def rules_of(
    table: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
    base: Rules | None = None,
) -> Rules:
    """The rules of a host: `[creator]` of its configuration, and the environment above that. HostError."""
    known = base or Rules()
    told = {**(table or {}), **{key: environ[name] for key, name in VARIABLES.items() if environ.get(name)}}
    if unknown := sorted(set(told) - set(VARIABLES)):
        raise _bad(f"unknown settings: {', '.join(unknown)}; known are {', '.join(sorted(VARIABLES))}")
    mirror = str(told.get("base_mirror", known.base_mirror))
    if not mirror.startswith(("https://", "http://")):
        raise _bad(f"base_mirror is {mirror!r}; it must begin with https:// or http://")
    return Rules(
        networks=_networks(told.get("allow_networks")) or known.networks,
        allow_files=known.allow_files,
        base_mirror=mirror.rstrip("/") + "/",
        max_file=_positive("max_file", told.get("max_file", known.max_file)),
        parallel=min(_positive("parallel", told.get("parallel", known.parallel)), 32),
        registry_mirrors=_mirrors(told.get("registry_mirrors")) or known.registry_mirrors,
    )


def _networks(value: object) -> tuple[Network, ...]:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value or "")
    try:
        return networks_of(text)
    except ValueError as error:
        raise _bad(f"allow_networks: {error}; write for example 10.0.0.0/8, or all") from error


def _mirrors(value: object) -> tuple[tuple[str, str], ...]:
    """`ghcr.io=10.0.0.7:5000 …`, or a table of them."""
    pairs = (
        value.items()
        if isinstance(value, dict)
        else [each.partition("=")[::2] for each in str(value or "").split()]
    )
    found = tuple((_official(str(registry)), str(mirror)) for registry, mirror in pairs)
    for pair in found:
        if not all(map(is_registry, pair)):
            raise _bad(
                f"registry_mirrors: {'='.join(pair)!r} names no two registries; "
                "write for example ghcr.io=registry.example:5000"
            )
    return found


def _official(registry: str) -> str:
    """As references name it, of which Docker has three."""
    return "docker.io" if registry in ("index.docker.io", "registry-1.docker.io") else registry


def _positive(name: str, value: object) -> int:
    text = str(value)
    if not text.isdecimal() or int(text) < 1:
        raise _bad(f"{name} is {text!r}; it must be a whole number above 0")
    return int(text)


def _bad(problem: str) -> HostError:
    return HostError("bad_config", f"The rules for recipes of this host cannot be used: {problem}.")
