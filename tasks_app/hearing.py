"""Whether silence is the hosts' own: while the server was away it heard nobody, and no host pays for that."""

from __future__ import annotations

import time
from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from tasks_app.models import Host
from workers.contract import BEAT_EVERY


class Hearing:
    """Of one scheduler. It begins deaf: who knows how long the server was away before."""

    def __init__(self) -> None:
        self._looked = self._deaf = time.monotonic()

    def listen(self) -> bool:
        """Look whether hosts are heard. True when that has been so for long enough that each could speak up.

        Who could not look, as without a database, was deaf as well: the first beat afterwards is one host's.
        With a single host that is gone for good this stays False: nobody else could take its work.
        """
        lately = Now() - timedelta(seconds=max(settings.TASK_LEASE, 2 * BEAT_EVERY))
        heard = Host.objects.filter(last_seen_at__gt=lately).exists()
        at = time.monotonic()  # the answer may have been long in coming
        if not heard or at - self._looked > 2 * settings.SWEEP_EVERY:
            self._deaf = at
        self._looked = at
        enough: float = settings.TASK_LEASE + settings.SWEEP_EVERY  # so rarely do we look
        return at - self._deaf > enough
