"""Is everything right with this host? For people as a table, for programs as JSON."""

from __future__ import annotations

import json
import platform
from argparse import Namespace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from workers import __version__, places
from workers.api import ONCE, Api, ServerRefused
from workers.config import Config, ConfigError, default_path, load
from workers.contract import PROTOCOL
from workers.errors import HostError
from workers.host import WORKERS
from workers.locks import is_held
from workers.presence import slot_states
from workers.whost.slots import card_of


def status(options: Namespace, console: Console) -> int:
    """0 when configuration, server and account are all right."""
    found = look(default_path())
    if options.json:
        console.print_json(json.dumps(found))
    else:
        _show(found, console)
    return 0 if found["ok"] else HostError.exit_code


def look(path: Path) -> dict[str, Any]:
    """Everything that can be said without changing anything."""
    found: dict[str, Any] = {
        "ok": False,
        "config": {"path": str(path), "ok": True, "problem": ""},
        "versions": {"imager": __version__, "protocol": PROTOCOL, "python": platform.python_version()},
    }
    try:
        config = load(path)
    except HostError as error:
        found["config"] |= {"ok": False, "problem": error.message}
        return found
    found["enabled"] = config.enabled
    found["host"] = config.host
    found["server"] = _server(config)
    found["slots"] = slot_states(config.slots)
    found["workers"] = {name: is_held(places.locks_folder(config.data) / f"{name}.lock") for name in WORKERS}
    found["ok"] = bool(found["server"]["account"])
    return found


def _server(config: Config) -> dict[str, Any]:
    facts = {"url": config.url, "reachable": False, "account": False, "problem": ""}
    try:
        config.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with Api(config, ONCE) as api:
            api.assignments()
    except ServerRefused as refusal:
        return facts | {"reachable": True, "problem": refusal.message}
    except HostError as error:
        return facts | {"problem": error.message}
    except OSError as error:
        raise ConfigError(f"{config.data} cannot be used ({error.strerror}): start as its owner.") from error
    return facts | {"reachable": True, "account": True}


def _show(found: dict[str, Any], console: Console) -> None:
    table = Table(show_header=False)
    table.add_row("configuration", found["config"]["problem"] or found["config"]["path"])
    if "server" in found:
        table.add_row("host", f"{found['host']} ({'enabled' if found['enabled'] else 'disabled'})")
        table.add_row("server", found["server"]["problem"] or f"{found['server']['url']}, account accepted")
        running = ", ".join(name for name, runs in found["workers"].items() if runs)
        table.add_row("workers", running or "none is running")
        for state in found["slots"]:
            table.add_row(f"slot {state['name']}", state["problem"] or card_of(state))
    table.add_row("version", f"{found['versions']['imager']}, protocol {found['versions']['protocol']}")
    console.print(table)
