"""`manage.py anonymize_orders`: take people out of orders that are over."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from imager import clock
from orders.leaving import anonymize
from orders.models import Order


class Command(BaseCommand):
    """Names, addresses and passwords go; what was made, and when, stays."""

    help = "Take recipients, people and passwords out of orders that are over, by number or by age."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="numbers of orders")
        parser.add_argument("--older-than", type=int, metavar="DAYS", help="all that were placed before that")

    def handle(self, *args: Any, **options: Any) -> None:
        numbers, days = options["numbers"], options["older_than"]
        if bool(numbers) == (days is not None):
            raise CommandError(_("Give either numbers of orders or --older-than DAYS."))
        if days is not None and days < 1:
            raise CommandError(_("--older-than takes 1 day or more; you gave %(days)s.") % {"days": days})
        orders = Order.objects.filter(number__in=numbers)
        if days is not None:
            orders = Order.objects.filter(created_at__lt=clock.now() - timedelta(days=days))
        done = anonymize(orders)
        text = ngettext("%(done)d order is anonymous now.", "%(done)d orders are anonymous now.", done)
        self.stdout.write(text % {"done": done})
        if len(numbers) > done:
            left = _("%(left)s of them are not there or still under way, and were left alone.")
            self.stdout.write(left % {"left": len(numbers) - done})
