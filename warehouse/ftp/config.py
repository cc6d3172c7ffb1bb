"""The server's configuration: environment variables only, each checked before anything starts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

POLL_SECONDS: Final = 30.0
KEEP_FREE_PERCENT: Final = 5.0
CONNECTIONS: Final = 256
CONNECTIONS_PER_ADDRESS: Final = 16

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_PORTS: Final = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")


class ConfigError(Exception):
    """A variable is missing or wrong; the message names it, what is allowed, and what to do."""


@dataclass(frozen=True)
class Config:
    """Everything the process was told. The secret stays out of `repr`."""

    root: Path
    slug: str
    secret: str = field(repr=False)
    server_url: str
    host: str = "127.0.0.1"
    port: int = 2121
    port_file: Path | None = None
    passive_ports: range | None = None
    masquerade: str | None = None
    cert: Path | None = None
    key: Path | None = None
    ca_file: Path | None = None
    poll_seconds: float = POLL_SECONDS
    keep_free_percent: float = KEEP_FREE_PERCENT
    connections_per_address: int = CONNECTIONS_PER_ADDRESS

    @property
    def tls(self) -> bool:
        """Whether control and data connections must be encrypted."""
        return self.cert is not None


def load(environ: Mapping[str, str]) -> Config:
    """Read and check the configuration; raises `ConfigError` for the first wrong variable."""
    host, port = _listen(environ.get("WAREHOUSE_LISTEN") or "127.0.0.1:2121")
    cert, key = _file(environ, "WAREHOUSE_CERT"), _file(environ, "WAREHOUSE_KEY")
    if (cert is None) != (key is None):
        raise ConfigError("WAREHOUSE_CERT and WAREHOUSE_KEY belong together: set both for TLS, or neither")
    port_file = environ.get("WAREHOUSE_PORT_FILE")
    return Config(
        root=_root(environ),
        slug=_slug(environ),
        secret=_secret(environ),
        server_url=_server_url(environ),
        host=host,
        port=port,
        port_file=Path(port_file) if port_file else None,
        passive_ports=_passive_ports(environ),
        masquerade=_masquerade(environ),
        cert=cert,
        key=key,
        ca_file=_file(environ, "WAREHOUSE_CA_FILE"),
        poll_seconds=_number(environ, "WAREHOUSE_POLL_SECONDS", POLL_SECONDS, 0.05, 300),
        connections_per_address=int(
            _number(environ, "WAREHOUSE_CONNECTIONS_PER_ADDRESS", CONNECTIONS_PER_ADDRESS, 1, CONNECTIONS)
        ),
        keep_free_percent=_number(environ, "WAREHOUSE_KEEP_FREE_PERCENT", KEEP_FREE_PERCENT, 0, 99),
    )


def _need(environ: Mapping[str, str], name: str, meaning: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ConfigError(f"{name} is not set: give {meaning}")
    return value


def _root(environ: Mapping[str, str]) -> Path:
    root = Path(_need(environ, "WAREHOUSE_ROOT", "the folder that holds the images"))
    if not root.is_absolute():
        raise ConfigError(f"WAREHOUSE_ROOT is {root}: give an absolute path")
    if not root.is_dir():
        raise ConfigError(f"WAREHOUSE_ROOT is {root}, which is no folder: create it or mount it first")
    return root


def _slug(environ: Mapping[str, str]) -> str:
    slug = _need(environ, "WAREHOUSE_SLUG", "the name of this warehouse as the server knows it")
    if _SLUG.fullmatch(slug) is None:
        raise ConfigError(f"WAREHOUSE_SLUG is {slug!r}: use a-z, 0-9 and -, at most 63 characters")
    return slug


def _secret(environ: Mapping[str, str]) -> str:
    path = _file(environ, "WAREHOUSE_SECRET_FILE")
    if path is not None:
        secret = path.read_text(encoding="utf-8").strip()
    else:
        secret = _need(environ, "WAREHOUSE_SECRET", "the warehouse's secret, or WAREHOUSE_SECRET_FILE")
    if not secret.isascii() or not secret.isprintable() or " " in secret or not secret:
        raise ConfigError("the warehouse's secret is empty or holds other signs than printable ASCII")
    return secret


def _server_url(environ: Mapping[str, str]) -> str:
    url = _need(environ, "WAREHOUSE_SERVER_URL", "the address of the web server, like https://imager.example")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
        raise ConfigError("WAREHOUSE_SERVER_URL must look like https://host[:port], without user and query")
    return url.rstrip("/")


def _listen(value: str) -> tuple[str, int]:
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"WAREHOUSE_LISTEN is {value!r}: use host:port, like 0.0.0.0:2121 (port 0: any)")
    return host, int(port)


def _passive_ports(environ: Mapping[str, str]) -> range | None:
    value = environ.get("WAREHOUSE_PASSIVE_PORTS")
    if not value:
        return None
    match = _PORTS.fullmatch(value)
    first, last = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1024 <= first <= last <= 65535:
        raise ConfigError(f"WAREHOUSE_PASSIVE_PORTS is {value!r}: use first-last within 1024-65535")
    return range(first, last + 1)


def _masquerade(environ: Mapping[str, str]) -> str | None:
    value = environ.get("WAREHOUSE_MASQUERADE")
    if not value:
        return None
    try:
        return str(ipaddress.IPv4Address(value))
    except ipaddress.AddressValueError as error:
        raise ConfigError(f"WAREHOUSE_MASQUERADE is {value!r}: use the public IPv4 address") from error


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    if not value:
        return None
    path = Path(value)
    try:
        path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{name} is {path}, which cannot be read: {error.strerror}") from error
    return path


def _number(environ: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    value = environ.get(name)
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not low <= number <= high:
        raise ConfigError(f"{name} is {value!r}: use a number from {low:g} to {high:g}")
    return number
