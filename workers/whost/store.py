"""Reading and writing the configuration file: whole, atomically, and never readable by others."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.config import (
    ConfigError,
    broker_ca_of,
    check_broker_url,
    check_signing_key,
    check_url,
    read_table,
    slots_of,
)


def change(path: Path, **values: Any) -> None:
    """Set these values in the file, check it, and replace it; other values stay. None removes one."""
    table = {**read_table(path), **values}
    write(path, {name: value for name, value in table.items() if value is not None})


def write(path: Path, table: Mapping[str, Any]) -> None:
    """Replace the file by `table` if that is a valid configuration, as far as it goes."""
    slots_of(table.get("slots", []), path)
    check_signing_key(table.get("signing_key", ""))
    check_broker_url(table.get("broker_url", ""))
    broker_ca_of(table.get("broker_ca", ""))
    if "url" in table:
        check_url(table["url"])
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(path, dumps(table).encode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}): start as its owner.") from error


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def dumps(table: Mapping[str, Any]) -> str:
    """The table as TOML: plain values first, then one [[slots]] per slot."""
    lines = [_line(name, value) for name, value in sorted(table.items()) if name != "slots"]
    for slot in table.get("slots", []):
        lines += ["", "[[slots]]", *(_line(name, value) for name, value in slot.items())]
    return "\n".join(lines) + "\n"


def _line(name: str, value: str | float) -> str:
    """JSON's words for text, numbers, true and false are TOML's, but for one character."""
    return f"{name} = " + json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
