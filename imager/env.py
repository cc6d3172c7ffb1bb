"""Settings from the environment: typed, loud when wrong, `NAME_FILE` accepted for secrets."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping


class _Environment(FileAwareMapping):  # type: ignore[misc]  # the library has no types for it
    """A secret's file usually ends with a newline that is no part of the secret."""

    def __getitem__(self, key: str) -> str:
        value = str(super().__getitem__(key))
        return value.rstrip("\r\n") if self.env.get(f"{key}_FILE") else value


class _Env(environ.FileAwareEnv):  # type: ignore[misc]  # neither here
    ENVIRON = _Environment()


env = _Env()


def required(name: str, hint: str) -> str:
    """The value of `name`; without it the process must not start. `hint` says what to put there."""
    value = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set: {hint} (or {name}_FILE, a file that holds it).")
    return str(value)


def kept_secret(path: Path, size: int = 32) -> str:
    """A random secret in hex (`size` bytes), made once and kept at `path` (0600). For development only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        new = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(new, "w") as file:
        file.write(secrets.token_hex(size))
    return path.read_text()
