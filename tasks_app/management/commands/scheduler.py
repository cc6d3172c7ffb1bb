"""`manage.py scheduler`: bells, sweeps, periodic work."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from tasks_app.scheduler import Scheduler


class Command(BaseCommand):
    help = "Rings the hosts' queues, sweeps each minute, does periodic work. Replicas are allowed."

    def handle(self, *args: Any, **options: Any) -> None:
        from imager.celery import app

        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        self.stdout.write("scheduler is up")
        self.stdout.flush()
        Scheduler(app, stopping).run()
