"""The server's own Celery: rings the hosts' queues by name, works on the queue `server`."""

from __future__ import annotations

import logging
import os
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imager.settings.dev")

log = logging.getLogger(__name__)

app = Celery("imager")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_ready.connect
def show_life(sender: Any, **_: object) -> None:
    """From the loop that also hears the bells: while that stands still, there is no sign of life."""
    from tasks_app import pulse

    _beat()
    sender.timer.call_repeatedly(pulse.EVERY, _beat)


def _beat() -> None:
    from django.db import DatabaseError, InterfaceError, connection

    from tasks_app import pulse

    try:
        pulse.beat(pulse.SERVER_WORKER)
    except (DatabaseError, InterfaceError) as error:
        log.warning("no sign of life: the database is away (%s)", type(error).__name__)
        connection.close()
