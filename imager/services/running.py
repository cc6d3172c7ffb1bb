"""How other processes find the running services."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from imager.services import lock
from imager.services.errors import NotOurs, NotRunning
from imager.services.layout import Layout

DEFAULT_VAR = Path(__file__).resolve().parents[2] / "var"


@dataclass(frozen=True)
class Urls:
    """Where the services are. Both hold a password."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)


def default_var() -> Path:
    """`IMAGER_VAR`, or the folder `var` of the checkout."""
    return Path(os.environ.get("IMAGER_VAR") or DEFAULT_VAR).resolve()


def running(var: Path) -> Urls | None:
    """The addresses of the services of `var`, or None while nobody runs them."""
    layout = Layout(var.resolve())
    if not lock.is_held(layout.lock):
        return None
    try:
        state = json.loads(layout.state.read_text())
    except FileNotFoundError:
        return None  # just starting, or just ending
    except PermissionError as error:
        raise NotOurs(layout.state) from error
    return Urls(state["database_url"], state["redis_url"])


def ensure(var: Path) -> Urls:
    """The addresses of the services of `var`; `NotRunning` names how to start them."""
    found = running(var)
    if found is None:
        raise NotRunning(var.resolve())
    return found


def urls(var: Path | None = None) -> Urls:
    """`ensure`, by default for `default_var()`: what settings ask when DATABASE_URL or REDIS_URL is unset."""
    return ensure(var or default_var())
