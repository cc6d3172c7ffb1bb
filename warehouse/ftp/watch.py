"""The thread that keeps in touch with the server, and tidies up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from warehouse.ftp.depot import Depot
from warehouse.ftp.log import logger
from warehouse.ftp.web import Ended, ServerAway, ServerRefused

KEYS_EVERY: Final = 300.0
REAP_EVERY: Final = 3600.0
LEAVE_WITHIN: Final = 10.0
NAME: Final = "watch"


class Watch(threading.Thread):
    """Asks for ended attempts, settles unconfirmed publications, renews keys, reaps leftovers."""

    def __init__(self, depot: Depot) -> None:
        super().__init__(name=NAME, daemon=True)
        self._depot = depot
        self._log = logger(step=NAME)
        self._away = False
        self._keys_due = self._reap_due = 0.0

    def run(self) -> None:
        """Make rounds until the server stops."""
        while not self._depot.stopping.is_set():
            try:
                self.round()
                self._tidy()
            except OSError:
                # The disk: running transfers meet it too and say so; what is left undone comes round again.
                self._log.exception("round broken off")
            self._depot.stopping.wait(self._depot.config.poll_seconds)

    def round(self) -> None:
        """One round. A server that is away is logged once, not at each round."""
        try:
            self._ask()
            self._depot.publisher.settle()
        except (ServerAway, ServerRefused) as error:
            if not self._away:
                self._log.warning("the server cannot be asked what has ended", reason=str(error))
            self._away = True
        else:
            if self._away:
                self._log.info("the server answers again")
            self._away = False
            self._renew_keys()

    def _tidy(self) -> None:
        if time.monotonic() < self._reap_due:
            return
        self._reap_due = time.monotonic() + REAP_EVERY
        for name in self._depot.layout.reap(self._depot.visits.is_storing):
            self._log.info("left untouched for 48 hours, removed", folder=name)

    def _ask(self) -> None:
        depot = self._depot
        asked_at = time.monotonic()
        news = depot.web.ended(depot.ended.cursor)
        depot.time.heard(news.now)
        depot.ended.add([f"{task}.{attempt}" for task, attempt in news.attempts])
        done = self._carry_out(news, asked_at)
        # What could not be carried out is asked for again: the cursor stays.
        depot.ended.heard(news.cursor if done else depot.ended.cursor)

    def _carry_out(self, news: Ended, asked_at: float) -> bool:
        attempts = [self._end_attempt(task, attempt) for task, attempt in news.attempts]
        orders = [self._remove_order(order, asked_at) for order in news.removed]
        return all(attempts) and all(orders)

    def _end_attempt(self, task: str, attempt: int) -> bool:
        visits, user = self._depot.visits, f"{task}.{attempt}"
        if not visits.end(visits.of_attempt(task, attempt), LEAVE_WITHIN):
            self._log.warning("a session of an ended attempt does not leave yet", task=task, attempt=attempt)
            return False
        return self._remove(lambda: self._depot.forget(user), task=task)

    def _remove_order(self, order: str, asked_at: float) -> bool:
        visits = self._depot.visits
        if not visits.end(visits.of_order(order), LEAVE_WITHIN):
            self._log.warning("a session that reads a removed image does not leave yet", order=order)
            return False
        return self._remove(lambda: self._depot.remove_image(order, known_at=asked_at), order=order)

    def _remove(self, removal: Callable[[], None], **about: str) -> bool:
        try:
            removal()
        except OSError as error:
            self._log.error("cannot be removed, will be tried again", reason=str(error), **about)
            return False
        return True

    def _renew_keys(self) -> None:
        if time.monotonic() >= self._keys_due:
            self._keys_due = time.monotonic() + KEYS_EVERY
            self._depot.keys.refresh()
