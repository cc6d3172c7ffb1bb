"""Keys of requests that might be sent again, after a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db.models.functions import Now

from imager.accounts.models import Repeat

KEPT: Final = timedelta(days=1)


def prune_repeats() -> int:
    """Delete the rows that are older; returns how many. Safe to run at any time."""
    return Repeat.objects.filter(at__lt=Now() - KEPT).delete()[0]
