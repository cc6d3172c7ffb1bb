"""What a host knows about itself: one TOML file readable by its owner alone, and the environment above it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from workers import trust
from workers.contract import MAX_SLOT_NAME
from workers.errors import HostError
from workers.links import is_loopback
from workers.writer.slots import SlotConfig

VARIABLES = {
    "url": "IMAGER_URL",
    "host": "IMAGER_HOST",
    "email": "IMAGER_EMAIL",
    "password": "IMAGER_PASSWORD",
    "broker_url": "IMAGER_BROKER_URL",
    "broker_ca": "IMAGER_BROKER_CA",
    "channel": "IMAGER_CHANNEL",
    "signing_key": "IMAGER_SIGNING_KEY",
    "data": "IMAGER_DATA",
    "ca_file": "IMAGER_CA_FILE",
}
REQUIRED = ("url", "host", "email", "password")
KNOWN = {*VARIABLES, "enabled", "slots", "creator"}
SLOT_KEYS = {"name", "port", "device", "max_bytes"}


class ConfigError(HostError):
    """The configuration of this host is missing, unsafe or wrong."""

    def __init__(self, message: str) -> None:
        super().__init__("bad_config", message)


@dataclass(frozen=True)
class Config:
    """The configuration of one host, checked. Secrets stay out of its repr."""

    url: str
    host: str
    email: str
    data: Path
    path: Path
    password: str = field(repr=False)
    broker_url: str = field(default="", repr=False)
    broker_ca: str = field(default="", repr=False)  # PEM; long, and in nobody's interest
    signing_key: str = field(default="", repr=False)
    channel: str = ""
    ca_file: Path | None = None
    enabled: bool = True
    slots: tuple[SlotConfig, ...] = ()
    creator: Mapping[str, Any] = field(default_factory=dict)  # read by `workers.creator.settings`

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never leave this process in a line of text."""
        bell = unquote(urlsplit(self.broker_url).password or "")
        return tuple(text for text in (self.password, self.broker_url, bell, self.signing_key) if text)

    def require(self, name: str) -> str:
        """The text setting `name`, which this kind of worker cannot do without."""
        value = str(getattr(self, name))
        if not value:
            raise ConfigError(
                f"{name} is not set: put `{name} = …` into {self.path}, or set {VARIABLES[name]}."
            )
        return value


def default_path() -> Path:
    """Where the configuration lies: `IMAGER_CONFIG`, else /etc for root, else below the home folder."""
    if named := os.environ.get("IMAGER_CONFIG"):
        return Path(named)
    if os.geteuid() == 0:
        return Path("/etc/imager/host.toml")
    return Path.home() / ".config/imager/host.toml"


def default_data() -> Path:
    """Where images, work folders, tokens and the journal lie unless the configuration says so."""
    return Path("/var/lib/imager") if os.geteuid() == 0 else Path.home() / ".local/share/imager"


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """The checked configuration of this host. Environment variables go before the file."""
    path = path or default_path()
    table = {**read_table(path), **_from_environment(environ)}
    missing = [name for name in REQUIRED if not table.get(name)]
    if missing:
        raise ConfigError(
            f"{path} lacks {', '.join(missing)}: run `python -m workers.whost credentials`, "
            f"or set {', '.join(VARIABLES[name] for name in missing)}."
        )
    return _checked(table, path)


def read_table(path: Path) -> dict[str, Any]:
    """The raw file, or an empty table where there is none. Refuses a file that others can read."""
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            if facts.st_mode & 0o077:
                mode = facts.st_mode & 0o777
                raise ConfigError(
                    f"{path} holds secrets but others may open it (mode {mode:04o}): run `chmod 600 {path}`."
                )
            if facts.st_uid not in (0, os.geteuid()):
                raise ConfigError(
                    f"{path} belongs to user {facts.st_uid}: run `chown {os.geteuid()} {path}`."
                )
            table = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise ConfigError(f"{path} cannot be read by user {os.geteuid()}: start as its owner.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not valid TOML ({error}): correct it or run `python -m workers.whost credentials`."
        ) from error
    if unknown := sorted(set(table) - KNOWN):
        raise ConfigError(
            f"{path} has unknown settings: {', '.join(unknown)}; known are {', '.join(sorted(KNOWN))}."
        )
    return table


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    table = {}
    for name, variable in VARIABLES.items():
        if value := environ.get(variable):
            table[name] = value
        elif file := environ.get(f"{variable}_FILE"):
            try:
                table[name] = Path(file).read_text().strip()
            except OSError as error:
                raise ConfigError(
                    f"{variable}_FILE names {file}, which cannot be read: {error.strerror}."
                ) from error
    return table


def _checked(table: Mapping[str, Any], path: Path) -> Config:
    texts = {name: table.get(name, "") for name in VARIABLES}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise ConfigError(f"{name} in {path} must be text in quotes, not {type(value).__name__}.")
    enabled = table.get("enabled", True)
    if not isinstance(enabled, bool):
        raise ConfigError(f"enabled in {path} must be true or false.")
    creator = table.get("creator", {})
    if not isinstance(creator, dict):
        raise ConfigError(f"creator in {path} must be a table: write [creator] above its settings.")
    check_url(texts["url"])
    check_broker_url(texts["broker_url"])
    check_signing_key(texts["signing_key"])
    return Config(
        url=texts["url"].rstrip("/"),
        host=texts["host"],
        email=texts["email"],
        password=texts["password"],
        broker_url=texts["broker_url"],
        broker_ca=broker_ca_of(texts["broker_ca"]),
        signing_key=texts["signing_key"],
        channel=texts["channel"],
        data=Path(texts["data"]) if texts["data"] else default_data(),
        ca_file=_ca_file(texts["ca_file"]),
        enabled=enabled,
        slots=slots_of(table.get("slots", []), path),
        creator=creator,
        path=path,
    )


def check_url(url: str) -> None:
    """Passwords travel to the server: encrypted, or not further than this machine."""
    scheme, _, rest = url.partition("://")
    if scheme == "https" and rest:
        return
    if scheme == "http" and is_loopback(url):
        return
    raise ConfigError(
        f"url is {url!r}: it must begin with https:// (http:// is for a server on this machine only)."
    )


def check_broker_url(url: str) -> None:
    """The same goes for the broker. The message never repeats the address: it holds a password."""
    try:
        good = not url or trust.is_safe(url)
    except ValueError:
        good = False
    if not good:
        raise ConfigError(
            "broker_url must begin with rediss:// and name a host (redis:// is for a broker on this machine "
            "only): run `manage.py create_host` again, or remove it; this host then asks the server for work."
        )
    if urlsplit(url).query:  # redis would take its word over ours, even "do not look at certificates"
        raise ConfigError(
            "broker_url must not have options behind a “?”: they would overrule what this host checks. "
            "Remove them, or run `manage.py create_host` again."
        )


def broker_ca_of(text: str) -> str:
    """The certificates of the broker's authority, as PEM."""
    try:
        return trust.authorities(text)
    except ValueError as error:
        raise ConfigError(
            "broker_ca is no certificate: it is that of the broker's authority, in PEM or its base64 on one "
            f"line, as `manage.py create_host` prints it ({error})."
        ) from error


def check_signing_key(key: str) -> None:
    """An Ed25519 seed is 32 bytes in hex; the message never repeats it."""
    try:
        good = not key or len(bytes.fromhex(key)) == 32
    except ValueError:
        good = False
    if not good:
        raise ConfigError("signing_key must be 64 hex digits, as `manage.py create_host` prints it.")


def _ca_file(text: str) -> Path | None:
    if not text:
        return None
    if not Path(text).is_file():
        raise ConfigError(
            f"ca_file is {text}, but there is no such file: put the server's CA certificate there."
        )
    return Path(text)


def slots_of(rows: Any, path: Path) -> tuple[SlotConfig, ...]:
    """The slots of the file, each with a name of its own and one place."""
    if not isinstance(rows, list):
        raise ConfigError(f"slots in {path} must be a list of tables: write [[slots]] before each.")
    slots = tuple(_slot(row, path) for row in rows)
    for one in ("name", "port", "device"):
        values = [getattr(slot, one) for slot in slots if getattr(slot, one)]
        if twice := {str(value) for value in values if values.count(value) > 1}:
            raise ConfigError(
                f"{path} has two slots with the {one} {', '.join(sorted(twice))}: each needs its own."
            )
    return slots


def _slot(row: Any, path: Path) -> SlotConfig:
    if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not row["name"]:
        raise ConfigError(f'a slot in {path} has no name: add name = "A".')
    if unknown := sorted(set(row) - SLOT_KEYS):
        raise ConfigError(f"slot {row['name']} in {path} has unknown settings: {', '.join(unknown)}.")
    for key, kind in (("port", str), ("device", str), ("max_bytes", int)):
        if key in row and type(row[key]) is not kind:
            wanted = "a number" if kind is int else "text in quotes"
            raise ConfigError(f"{key} of slot {row['name']} in {path} must be {wanted}.")
    if len(row["name"]) > MAX_SLOT_NAME:
        raise ConfigError(
            f"slot {row['name']} in {path} has too long a name: at most {MAX_SLOT_NAME} characters."
        )
    return SlotConfig(**row)
