"""`manage.py content_stats`: which content is chosen and ordered how often."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from imager.days import day
from orders.export import cell
from orders.models import Content
from orders.popularity import Popularity, most, popularity

USAGE: Final = 2
COLUMNS: Final = ("orders", "cards", "downloads", "configurations")


class Command(BaseCommand):
    """Exit codes: 0 told, 2 usage. It changes nothing."""

    help = (
        "In how many orders, cards, downloads and configurations each content is, the most popular one "
        "first, down to a tenth of it. Orders that were canceled do not count."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Of what time, which of them, and how it is told."""
        parser.add_argument("--since", type=day, help="orders from this day on, YYYY-MM-DD")
        parser.add_argument("--until", type=day, help="the last day, YYYY-MM-DD")
        parser.add_argument("--kind", choices=Content.Kind.values, help="only contents of this kind")
        parser.add_argument("--all", action="store_true", help="also what is chosen more seldom")
        shape = parser.add_mutually_exclusive_group()
        shape.add_argument("--json", action="store_true", help="as one JSON list")
        shape.add_argument("--csv", action="store_true", help="as CSV, for a spreadsheet")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Count, and tell."""
        rows = popularity(*_bounds(options["since"], options["until"]), kind=options["kind"] or "")
        rows = rows if options["all"] else most(rows)
        if options["json"]:
            told = json.dumps(
                [asdict(row) for row in rows], cls=DjangoJSONEncoder, ensure_ascii=False, indent=2
            )
            self.stdout.write(told)
        elif options["csv"]:
            self._csv(rows)
        else:
            self._text(rows)

    def _csv(self, rows: list[Popularity]) -> None:
        writer = csv.writer(self.stdout)
        writer.writerow(Popularity.__dataclass_fields__)
        writer.writerows([cell(value) for value in asdict(row).values()] for row in rows)

    def _text(self, rows: list[Popularity]) -> None:
        self.stdout.write("".join(f"{name:>15}" for name in COLUMNS) + "  content")
        for row in rows:
            counts = "".join(f"{getattr(row, name):>15}" for name in COLUMNS)
            gone = "" if row.available else " (no longer available)"
            self.stdout.write(f"{counts}  {row.title} [{row.ident}]{gone}")
        if not rows:
            self.stdout.write("No content was chosen or ordered.")


def _bounds(since: date | None, until: date | None) -> tuple[datetime | None, datetime | None]:
    """The first moment, and the first one after it all; None where there is no bound."""
    if since and until and since > until:
        raise CommandError("The first day comes after the last one: exchange them.", returncode=USAGE)
    day_after = until + timedelta(days=1) if until and until < date.max else None
    return _begin(since), _begin(day_after)


def _begin(day: date | None) -> datetime | None:
    if day is None:
        return None
    return timezone.make_aware(datetime.combine(day, time.min))
