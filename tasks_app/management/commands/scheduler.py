"""`manage.py scheduler`: bells, sweeps, periodic work."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks_app import pulse
from tasks_app.scheduler import Scheduler


class Command(BaseCommand):
    help = "Rings the hosts' queues, sweeps each minute, does periodic work. Replicas are allowed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--healthy", action="store_true", help="only say whether the scheduler of this machine works"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["healthy"]:
            if ill := pulse.ill(pulse.SCHEDULER) or pulse.ill(pulse.RINGER):
                raise CommandError(ill)
            return
        self._run()

    def _run(self) -> None:
        from imager.celery import app

        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        self.stdout.write("scheduler is up")
        self.stdout.flush()
        scheduler = Scheduler(app, stopping)
        scheduler.run()
        if scheduler.broken:
            raise CommandError("the scheduler broke down: see the log above")
