"""The scheduler: hears NOTIFY and rings bells; sweeps each minute, with a broker or without. Has replicas."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import psycopg
from celery import Celery
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from tasks_app import bells, chores, dispatch, followers, pulse
from tasks_app.hearing import Hearing
from tasks_app.nudges import Nudges
from tasks_app.services.sweeping import sweep
from tasks_app.stumbles import Footing

log = logging.getLogger(__name__)

RING_EVERY = 5.0  # a lost NOTIFY costs this much
BROKER_PAUSE = 10.0
DATABASE_PAUSE = 1.0


class Scheduler:
    """Runs until `stopping` is set. Two threads, so that a broker that hangs delays no sweep."""

    def __init__(self, app: Celery, stopping: threading.Event) -> None:
        self.app = app
        self.stopping = stopping
        self.nudges = Nudges(app)
        self.hearing = Hearing()
        self.next_sweep = 0.0
        self.next_sign = 0.0
        self.broker_rests_until = 0.0
        self.broken = False

    def run(self) -> None:
        """Ring in this thread, sweep in another; if either breaks, both end, and `broken` says so."""
        sweeper = threading.Thread(target=self._until_the_end, args=(self._sweeps,), name="sweeper")
        sweeper.start()
        try:
            self._until_the_end(self._bells)
        finally:
            self.stopping.set()
            sweeper.join()

    def _until_the_end(self, rounds: Callable[[], None]) -> None:
        """A lost database connection is made again."""
        try:
            while not self.stopping.is_set():
                try:
                    rounds()
                except (OperationalError, InterfaceError, psycopg.OperationalError) as error:
                    log.warning("database away: %s", type(error).__name__)
                    connection.close()
                    self.stopping.wait(DATABASE_PAUSE)
        finally:
            self.broken |= not self.stopping.is_set()
            self.stopping.set()
            connection.close()

    def _bells(self) -> None:
        with _listening() as listener:
            while not self.stopping.is_set():
                self.live()
                self.ring()
                for _bell in listener.notifies(timeout=RING_EVERY, stop_after=1):
                    break

    def _sweeps(self) -> None:
        while not self.stopping.is_set():
            pulse.beat(pulse.SCHEDULER)
            if time.monotonic() >= self.next_sweep:
                self.sweep()
                self.next_sweep = time.monotonic() + settings.SWEEP_EVERY
            self.stopping.wait(min(pulse.EVERY, max(0.0, self.next_sweep - time.monotonic())))

    def live(self) -> None:
        """Say that bells are rung, which the sweeper cannot know."""
        if time.monotonic() >= self.next_sign:
            pulse.beat(pulse.RINGER)
            self.next_sign = time.monotonic() + pulse.EVERY

    def ring(self) -> None:
        """Ring what is due; while the broker is away, rest: hosts ask the web by themselves."""
        if time.monotonic() < self.broker_rests_until:
            return
        try:
            self.nudges.ring()  # first: somebody waits for it
            rung = bells.ring(self.app)
        except bells.AWAY as error:
            log.warning("broker away, bells rest for %d s: %s", BROKER_PAUSE, type(error).__name__)
            self.broker_rests_until = time.monotonic() + BROKER_PAUSE
        else:
            if rung:
                log.info("rang %d bells", rung)

    def sweep(self) -> None:
        """The minute's work of all rooms, and what is due once an hour or a day."""
        counts = sweep(hearing=self.hearing.listen())
        if any(counts.values()):
            log.info("swept: %s", counts)
        footing = Footing("periodic")
        for work in followers.periodic():
            footing.step(_name(work), work)
        for period, work in followers.chores():
            footing.step(_name(work), partial(chores.run, _name(work), period, work))


def _name(work: Callable[[], object]) -> str:
    return f"{work.__module__}.{getattr(work, '__qualname__', type(work).__qualname__)}"[-100:]


@contextmanager
def _listening() -> Iterator[psycopg.Connection[object]]:
    parameters = connection.get_connection_params()
    parameters.pop("cursor_factory", None)
    parameters.pop("context", None)
    with psycopg.connect(**{**parameters, "autocommit": True}) as listener:
        listener.execute(f"LISTEN {dispatch.CHANNEL}")
        yield listener
