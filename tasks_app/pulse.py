"""Whether the server's own processes are alive: each says so in the database, by its clock."""

from __future__ import annotations

import socket
from datetime import timedelta

from django.db.models.functions import Now

from imager import clock
from tasks_app.models import Pulse

SCHEDULER, RINGER, SERVER_WORKER = "scheduler", "scheduler-ringer", "server-worker"
EVERY = 10.0  # seconds
STALE = timedelta(seconds=90)
FORGOTTEN = timedelta(days=1)


def here() -> str:
    """This machine, or container."""
    return socket.gethostname()


def beat(role: str) -> None:
    """This process works."""
    Pulse.objects.update_or_create(role=role, place=here(), defaults={"at": Now()})


def ill(role: str) -> str:
    """What is wrong with the process of this role here; empty if nothing is."""
    last = Pulse.objects.filter(role=role, place=here()).values_list("at", flat=True).first()
    if last is None:
        return f"No {role} has run on {here()}: look into its log."
    silent = clock.now() - last
    if silent > STALE:
        return f"The {role} on {here()} is silent for {silent.total_seconds():.0f} s: look into its log."
    return ""


def forget() -> int:
    """Remove the signs of processes that are long gone. Returns how many."""
    return Pulse.objects.filter(at__lt=clock.now() - FORGOTTEN).delete()[0]
