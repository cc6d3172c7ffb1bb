"""`manage.py check_configs`: configurations that could not be ordered, or not be saved, as they are."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from imager.accounts.models import Organization
from orders.inspection import Finding, inspect

FOUND, USAGE = 1, 2
SAID: Final = {"missing": "content gone", "replaceable": "content replaced", "invalid": "field"}


class Command(BaseCommand):
    """Exit codes: 0 all hold, 1 some do not, 2 usage. It changes nothing."""

    help = (
        "List configurations whose contents went or have a replacement in the catalogue, and those with "
        "fields that would be refused today. Exit code 1 if there are any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, and how it is told."""
        parser.add_argument("--organization", metavar="SLUG", help="only those of this organization")
        parser.add_argument("--json", action="store_true", help="as one JSON list")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Look at each."""
        found = list(inspect(_organization(options["organization"])))
        if options["json"]:
            self.stdout.write(json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=2))
        else:
            self._tell(found)
        if found:
            sys.exit(FOUND)

    def _tell(self, found: list[Finding]) -> None:
        last = None
        for one in found:
            if one.configuration != last:
                self.stdout.write(f"{one.organization}: {one.name} (configuration {one.configuration})")
            last = one.configuration
            self.stdout.write(f"  {SAID[one.code]} {one.what}: {one.sentence}")
        count = len({one.configuration for one in found})
        self.stdout.write(f"{count or 'No'} configuration{'' if count == 1 else 's'} to be mended.")


def _organization(slug: str | None) -> Organization | None:
    if slug is None:
        return None
    try:
        return Organization.objects.get(slug=slug)
    except Organization.DoesNotExist as error:
        told = f"There is no organization “{slug}”. The admin lists their short names (slugs)."
        raise CommandError(told, returncode=USAGE) from error
