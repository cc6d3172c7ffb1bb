"""The scheduler: hears NOTIFY, rings bells, sweeps each minute; needs no Redis, allows replicas."""

from __future__ import annotations

import contextlib
import logging
import threading
import time

import psycopg
from celery import Celery
from django.conf import settings
from django.db import OperationalError, connection
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from tasks_app import bells, dispatch, followers
from tasks_app.services.sweeping import sweep

log = logging.getLogger(__name__)

RING_EVERY = 5.0  # a lost NOTIFY costs this much
BROKER_PAUSE = 10.0


class Scheduler:
    """Runs until `stopping` is set."""

    def __init__(self, app: Celery, stopping: threading.Event) -> None:
        self.app = app
        self.stopping = stopping
        self.next_sweep = 0.0
        self.broker_rests_until = 0.0

    def run(self) -> None:
        """Listen, ring, sweep; a lost database connection is made again."""
        while not self.stopping.is_set():
            try:
                with self._listening() as listener:
                    self._rounds(listener)
            except (OperationalError, psycopg.OperationalError) as error:
                log.warning("database away: %s", type(error).__name__)
                connection.close()
                self.stopping.wait(1.0)

    @contextlib.contextmanager
    def _listening(self):  # type: ignore[no-untyped-def]  # a generator of psycopg connections
        parameters = connection.get_connection_params()
        parameters.pop("cursor_factory", None)
        parameters.pop("context", None)
        with psycopg.connect(**{**parameters, "autocommit": True}) as listener:
            listener.execute(f"LISTEN {dispatch.CHANNEL}")
            yield listener

    def _rounds(self, listener: psycopg.Connection[object]) -> None:
        while not self.stopping.is_set():
            self.ring()
            if time.monotonic() >= self.next_sweep:
                self.sweep()
                self.next_sweep = time.monotonic() + settings.SWEEP_EVERY
            for _bell in listener.notifies(timeout=RING_EVERY, stop_after=1):
                break

    def ring(self) -> None:
        """Ring what is due; while the broker is away, rest: hosts ask the web by themselves."""
        if time.monotonic() < self.broker_rests_until:
            return
        try:
            rung = bells.ring(self.app)
        except (BrokerError, RedisError, OSError) as error:
            log.warning("broker away, bells rest for %d s: %s", BROKER_PAUSE, type(error).__name__)
            self.broker_rests_until = time.monotonic() + BROKER_PAUSE
        else:
            if rung:
                log.info("rang %d bells", rung)

    def sweep(self) -> None:
        """The minute's work of all rooms."""
        counts = sweep()
        if any(counts.values()):
            log.info("swept: %s", counts)
        for work in followers.periodic():
            work()
