"""`manage.py create_warehouse SLUG`: make a warehouse known, and give its server what it needs to start."""

from __future__ import annotations

import ipaddress
import os
import re
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils.translation import gettext as _

from imager.sentences import sentences
from warehouse import services
from warehouse.models import Warehouse

MAX_PORT = 65535


class Command(BaseCommand):
    """Creates or updates a warehouse. Each run makes a new secret; the old one ends."""

    help = (
        "Create or update a warehouse, make a new secret for it, and print the environment of "
        "`python -m warehouse.ftp` (or write it to --env-file)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="a-z, 0-9 and -")
        parser.add_argument("--host", required=True, help="the name by which hosts reach it")
        parser.add_argument("--port", required=True, type=int)
        parser.add_argument("--tls", action="store_true", help="it has a certificate: hosts insist on TLS")
        parser.add_argument("--local-root", type=Path, help="its folder, if this server sees it itself")
        parser.add_argument("--server-url", default=settings.PUBLIC_URL, help="how it reaches this server")
        parser.add_argument("--listen", help="address:port to listen on, if another than HOST:PORT says")
        parser.add_argument("--env-file", type=Path, help="write the environment there (mode 0600)")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            warehouse = _warehouse(options)
            secret = services.set_secret(warehouse)
            lines = _environment(warehouse, secret, options)
            if options["env_file"]:
                _write(options["env_file"], lines)
        if options["env_file"]:
            text = _("The warehouse “%(slug)s” is known; its environment is in %(path)s.")
            self.stdout.write(text % {"slug": warehouse.slug, "path": options["env_file"]})
        else:
            self.stdout.write(lines, ending="")


def _warehouse(options: dict[str, Any]) -> Warehouse:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,49}", options["slug"]):
        raise CommandError(
            _("“%(slug)s”: use a-z, 0-9 and -, at most 50 of them.") % {"slug": options["slug"]}
        )
    if not 1 <= options["port"] <= MAX_PORT:
        raise CommandError(_("Port %(port)d: use 1 to 65535.") % {"port": options["port"]})
    root = options["local_root"]
    if root is not None and not root.is_absolute():
        raise CommandError(_("--local-root %(path)s: give an absolute path.") % {"path": root})
    warehouse = Warehouse.objects.filter(slug=options["slug"]).first() or Warehouse(slug=options["slug"])
    warehouse.host, warehouse.port, warehouse.tls = options["host"], options["port"], options["tls"]
    warehouse.local_root = str(root or "")
    warehouse.active = True
    try:
        warehouse.full_clean(exclude=["secret_hash"])
    except ValidationError as error:
        raise CommandError(" ".join(chain(*sentences(error).values()))) from error
    return warehouse


def _environment(warehouse: Warehouse, secret: str, options: dict[str, Any]) -> str:
    values = {
        "WAREHOUSE_SLUG": warehouse.slug,
        "WAREHOUSE_SECRET": secret,
        "WAREHOUSE_SERVER_URL": options["server_url"],
        "WAREHOUSE_LISTEN": options["listen"] or f"{_interface(warehouse.host)}:{warehouse.port}",
    }
    if warehouse.local_root:
        values["WAREHOUSE_ROOT"] = warehouse.local_root
    lines = [f"{name}={value}" for name, value in values.items()]
    if not warehouse.local_root:
        lines.append("# WAREHOUSE_ROOT=/path/of/the/images")
    if warehouse.tls:
        lines += ["# WAREHOUSE_CERT=/path/of/chain.pem", "# WAREHOUSE_KEY=/path/of/key.pem"]
    return "\n".join(lines) + "\n"


def _interface(host: str) -> str:
    """Loopback stays loopback; everything else is reached from outside."""
    try:
        return host if ipaddress.IPv4Address(host).is_loopback else "0.0.0.0"  # noqa: S104  # hosts are remote
    except ipaddress.AddressValueError:
        return "127.0.0.1" if host == "localhost" else "0.0.0.0"  # noqa: S104


def _write(path: Path, text: str) -> None:
    """All or nothing, and readable for us alone from the first byte."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CommandError(
            _("%(path)s cannot be written: %(why)s") % {"path": path, "why": error.strerror}
        ) from error
