"""`manage.py expire_accounts`: what the scheduler does once a day."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils.translation import ngettext

from imager.accounts.expiry import expire_accounts


class Command(BaseCommand):
    """Warns people whose account ends."""

    help = "Write to people whose account ends soon or has ended. The scheduler does it daily, too."

    @transaction.atomic
    def handle(self, *args: Any, **options: Any) -> None:
        told = expire_accounts()
        text = ngettext(
            "%(count)d account ends soon or has ended; its owner was written to.",
            "%(count)d accounts end soon or have ended; their owners were written to.",
            told,
        )
        self.stdout.write(text % {"count": told})
