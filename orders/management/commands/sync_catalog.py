"""`manage.py sync_catalog`: bring the catalogue up to date with its feeds, and tell what changed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders.catalogue.syncing import Looked, addresses, look
from orders.models import Source

SHOWN = 20


class Command(BaseCommand):
    """Each feed is taken whole or not at all; exit code 1 if one of them could not be."""

    help = "Bring the catalogue up to date with the feeds in CATALOG_ZIMS and CATALOG_APPS."

    def add_arguments(self, parser: CommandParser) -> None:
        """Other addresses, and what to do all the same."""
        parser.add_argument("--zims", metavar="ADDRESS", help="a library's feed (OPDS v2): URL or file")
        parser.add_argument("--apps", metavar="ADDRESS", help="an offspot app catalogue (JSON): URL or file")
        parser.add_argument("--afresh", action="store_true", help="also what its server calls unchanged")
        parser.add_argument(
            "--accept-less", action="store_true", help="also if it names less than half of what is known"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Look at each."""
        named = {Source.ZIMS: options["zims"], Source.APPS: options["apps"]}
        feeds = {source: address for source, address in named.items() if address} or addresses()
        if not feeds:
            raise CommandError(
                "No feed is set. Set CATALOG_ZIMS or CATALOG_APPS, or name one: sync_catalog --zims ADDRESS"
            )
        faults = 0
        for source, address in feeds.items():
            looked = look(source, address, afresh=options["afresh"], may_shrink=options["accept_less"])
            self._tell(looked)
            faults += bool(looked.fault)
        if faults:
            raise CommandError("The catalogue stays as it was where a feed could not be taken.")

    def _tell(self, looked: Looked) -> None:
        self.stdout.write(f"{looked.source}, {looked.address}: {looked.words()}")
        bad = looked.taken.bad if looked.taken else []
        for one in bad[:SHOWN]:
            self.stdout.write(f"  not taken: {one.ident}: {one.reason}")
        if len(bad) > SHOWN:
            self.stdout.write(f"  … and {len(bad) - SHOWN} more; the admin lists up to 100 of them")
