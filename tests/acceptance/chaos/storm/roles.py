"""The parts of the line, as functions that a zygote's fork becomes: the product's own entry points."""

from __future__ import annotations

import functools
import os
import random
import signal
from collections.abc import Callable
from datetime import timedelta

from workers import machine

Role = Callable[..., int | None]
BEAT_EVERY = 0.4


def warm(kind: str) -> dict[str, Role]:
    """Import everything that the parts of this kind need; the parts by name."""
    return _warm_server() if kind == "server" else _warm_hosts()


def _warm_server() -> dict[str, Role]:
    import django

    django.setup()
    from django.urls import get_resolver

    import imager.celery
    import imager.wsgi

    get_resolver().url_patterns  # noqa: B018 - imports all views
    imager.celery.app.finalize()
    return {"sow": _sow, "web": _web, "scheduler": _scheduler, "server-worker": _server_worker}


def _warm_hosts() -> dict[str, Role]:

    import workers.__main__
    import workers.celery
    import workers.downloader.steps  # noqa: F401

    from . import labour, lossy

    labour.install()
    lossy.install()
    return {"worker": _worker, "warehouse": _warehouse}


def _sow(var: str) -> None:
    from .sowing import sow

    sow(var)


def _control(*, of_hosts: bool = False) -> None:
    """Hosts know no Django: a wall of the server is none of theirs."""
    from . import controls

    wall = os.environ.get("STORM_CONTROL", "")
    if (wall in controls.OF_HOSTS) is of_hosts:
        controls.switch_off(wall)


def _web(address: str) -> None:
    from gunicorn.app.base import BaseApplication

    from imager.wsgi import application
    from tasks_app.services import built

    built.HEAD_START = timedelta(seconds=2)  # type: ignore[misc]

    class Web(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            told = {
                "bind": address,
                "workers": 3,
                "threads": 4,
                "worker_class": "imager.kept.Worker",
                "post_fork": _with_master,
            }
            for name, value in told.items():
                self.cfg.set(name, value)

        def load(self) -> object:
            return application

    _control()
    Web().run()


def _with_master(_arbiter: object, _worker: object) -> None:
    """As in a container, whose first process is gunicorn's master: nobody outlives it."""
    machine.end_with(os.getppid(), signal.SIGKILL)


def _scheduler() -> None:
    from django.core.management import call_command

    from tasks_app import bells, scheduler

    _control()
    scheduler.RING_EVERY = 0.3
    scheduler.BROKER_PAUSE = 1.0
    bells.AGAIN = timedelta(seconds=2)
    call_command("scheduler")


def _server_worker() -> None:
    from imager.celery import app

    _control()
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "WARNING"]
    app.worker_main(["worker", "-Q", "server", "-P", "solo", *quiet])


def _warehouse() -> int:
    from warehouse.ftp.__main__ import main

    return main()


def _worker(name: str, seed: str) -> int:
    """A host's worker; its attempts are forked instead of started."""
    from workers import __main__ as worker
    from workers import child

    from .nursery import Nursery

    random.seed(seed)
    child._spawn = Nursery().spawn  # type: ignore[assignment]
    worker.Presence = functools.partial(worker.Presence, every=BEAT_EVERY)  # type: ignore[assignment,misc]
    _control(of_hosts=True)
    return worker.main([name])
