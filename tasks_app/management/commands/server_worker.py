"""`manage.py server_worker`: the Celery worker of the server itself: mails."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tasks_app import outbox, pulse


class Command(BaseCommand):
    help = "Does the server's own work (mails), as the scheduler rings for it. Replicas are allowed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--healthy", action="store_true", help="only say whether the worker of this machine works"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["healthy"]:
            if ill := pulse.ill(pulse.SERVER_WORKER):
                raise CommandError(ill)
            return
        from imager.celery import app

        app.worker_main(
            [
                "worker",
                f"--queues={outbox.SERVER_QUEUE}",
                "--pool=solo",
                "--without-gossip",
                "--without-mingle",
                "--without-heartbeat",
                "--loglevel=INFO",
            ]
        )
