"""`manage.py order_report`: what the statistics page shows, for terminals, files and other programs."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from imager import clock
from imager.days import day
from orders.export import cell
from orders.figures import Figures, Range, figures, usual
from tasks_app.templatetags.pace import took

PARTS = ("months", "causes", "stays", "hosts")


class Command(BaseCommand):
    """Prints the figures of some time."""

    help = "Orders, cards, GB per month, failures, durations per stage and hosts' use. By default of a year."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=day, help="the first day, YYYY-MM-DD")
        parser.add_argument("--until", type=day, help="the last day, YYYY-MM-DD")
        parser.add_argument("--format", choices=["text", "json", "csv"], default="text")
        parser.add_argument("--part", choices=PARTS, default="months", help="of CSV: which table")

    def handle(self, *args: Any, **options: Any) -> None:
        default = usual(clock.now().date())
        try:
            over = Range(options["since"] or default.since, options["until"] or default.until)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        found = figures(over)
        if options["format"] == "json":
            self.stdout.write(json.dumps(asdict(found), default=str, indent=2))
        elif options["format"] == "csv":
            self._csv([asdict(row) for row in getattr(found, options["part"])])
        else:
            self._text(found)

    def _csv(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            writer = csv.writer(self.stdout)
            writer.writerow(rows[0])
            writer.writerows([cell(value) for value in row.values()] for row in rows)

    def _text(self, found: Figures) -> None:
        self.stdout.write(f"Orders placed from {found.range.since} to {found.range.until}")
        self._table("By status", [(status, count) for status, count in found.statuses.items()])
        self._table(
            "By month: orders, failed, canceled, cards verified, cards bad, GB",
            [
                (f"{row.month:%Y-%m}", row.orders, row.failed, row.canceled, row.accepted, row.bad,
                 round(row.bytes / 1e9, 1))
                for row in found.months
            ],
        )  # fmt: skip
        self._table(
            "By stage: times, half of them at most, 19 of 20 at most",
            [(stay.stage, stay.count, took(stay.p50), took(stay.p95)) for stay in found.stays],
        )
        self._table(
            "Why attempts failed: work, whose fault, cause, times",
            [(cause.kind, cause.fault, cause.code, cause.count) for cause in found.causes],
        )
        self._table(
            "By host: attempts, done, hours at work",
            [(use.host, use.attempts, use.done, round(use.hours, 1)) for use in found.hosts],
        )

    def _table(self, title: str, rows: list[tuple[Any, ...]]) -> None:
        self.stdout.write(f"\n{title}")
        for row in rows or [("—",)]:
            self.stdout.write("  " + "  ".join(f"{value!s:<14}" for value in row).rstrip())
