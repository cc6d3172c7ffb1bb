"""Who this host is: address, account and password, asked for or taken from the server's file."""

from __future__ import annotations

import getpass
import sys
from argparse import Namespace
from pathlib import Path

from rich.console import Console

from workers.config import VARIABLES, ConfigError, default_path, read_table
from workers.whost.store import change

_ASKED = {
    "url": "Address of the server",
    "host": "Name of this host",
    "email": "E-mail address of the host's account",
}


def credentials(options: Namespace, console: Console) -> int:
    """Store them. Neither the password nor a key is ever taken from the command line."""
    path = default_path()
    values = from_env_file(Path(options.from_env_file)) if options.from_env_file else _ask(path)
    change(path, **values)
    console.print(f"Saved to {path}. Check with: python -m workers.whost status")
    return 0


def from_env_file(file: Path) -> dict[str, str]:
    """The NAME=VALUE lines that `manage.py create_host` wrote."""
    names = {variable: name for name, variable in VARIABLES.items()}
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file} cannot be read: give the file that `manage.py create_host` wrote."
        ) from error
    values = {}
    for number, line in enumerate(lines, 1):
        variable, equals, value = line.strip().partition("=")
        if not line.strip() or line.startswith("#"):
            continue
        if not equals or variable not in names:
            raise ConfigError(
                f"Line {number} of {file} is not one of {', '.join(sorted(names))}: correct it."
            )
        values[names[variable]] = value
    if not values:
        raise ConfigError(f"{file} holds no settings: give the file that `manage.py create_host` wrote.")
    return values


def _ask(path: Path) -> dict[str, str]:
    if not sys.stdin.isatty():
        raise ConfigError("There is nobody to ask: give --from-env-file FILE, or start in a terminal.")
    table = read_table(path)
    values = {}
    for name, question in _ASKED.items():
        old = table.get(name, "")
        values[name] = input(f"{question}{f' [{old}]' if old else ''}: ").strip() or old
    hint = " (empty keeps the old one)" if table.get("password") else ""
    if password := getpass.getpass(f"Password{hint}: "):
        values["password"] = password
    return values
