"""The server's own Celery: rings the hosts' queues by name, works on the queue `server`."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "imager.settings.dev")

app = Celery("imager")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
