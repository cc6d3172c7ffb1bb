"""From an attempt's private folder to `images/<order>/`. Whenever it is cut, a repeat finishes the job.

In this order: hash and compare, ask the server, seal (sync, final names), leave a marker in
`state/unconfirmed/`, rename the folder, tell the server, remove the marker. A marker without its folder means
that nothing happened yet. A folder with its marker means that the server has yet to be told: every publish of
that order and the watch's rounds catch up on it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from warehouse.ftp import publication
from warehouse.ftp.incoming import Incoming
from warehouse.ftp.layout import Layout
from warehouse.ftp.log import logger
from warehouse.ftp.publication import Publication
from warehouse.ftp.refusal import NOT_ALLOWED, TRY_AGAIN, Refused
from warehouse.ftp.statefile import sync_folder
from warehouse.ftp.tickets import Ticket
from warehouse.ftp.web import ServerAway, ServerRefused, Web
from workers.contract import FileFacts, Step


class Publisher:
    """Publishes, one at a time per order."""

    def __init__(self, layout: Layout, web: Web) -> None:
        self._layout = layout
        self._web = web
        self._guard = threading.Lock()
        self._moved: dict[str, float] = {}
        self._locks: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()

    def publish(
        self, ticket: Ticket, incoming: Incoming, files: list[FileFacts], check: Callable[[], None]
    ) -> None:
        """Make these files the image of the ticket's order, or raise `Refused`. Repeating it is harmless."""
        wanted = Publication(task=ticket.task, attempt=ticket.attempt, files=files)
        with self.lock_of(ticket.order):
            if not self._is_there(ticket.order, wanted):
                with incoming.publishing():
                    incoming.verify(files, check)
                    self._ask(wanted)
                    self._move(ticket.order, incoming, wanted)
            try:
                self._confirm(ticket.order, wanted)
            except ServerAway as error:
                raise Refused(
                    TRY_AGAIN, f"stored, but not yet confirmed: {error}; repeat the command"
                ) from error
            except ServerRefused as error:
                raise Refused(NOT_ALLOWED, str(error)) from error

    def settle(self) -> None:
        """Tell the server of publications that it did not yet confirm. Raises `ServerAway`."""
        for marker in sorted(self._layout.unconfirmed.iterdir()):
            lock = self.lock_of(marker.name)
            if lock.acquire(blocking=False):
                try:
                    self._settle(marker.name)
                finally:
                    lock.release()

    def lock_of(self, order: str) -> threading.Lock:
        """The lock that whoever creates or removes `images/<order>/` holds."""
        with self._guard:
            return self._locks.setdefault(order, threading.Lock())

    def moved_at(self, order: str) -> float:
        """When this process published the order's image, by the monotonic clock; 0 if it did not."""
        return self._moved.get(order, 0.0)

    def _is_there(self, order: str, wanted: Publication) -> bool:
        folder = self._layout.image(order)
        if not os.path.lexists(folder):
            return False
        there = publication.read(folder)
        if there == wanted:
            return True
        if there and self._layout.marker(order).exists():
            # Of an attempt that ended between rename and confirmation: the server says whether it counts.
            self._settle_or_try_again(order)
            return self._is_there(order, wanted)
        owner = f"attempt {there.attempt} of task {there.task}" if there else "unknown origin"
        raise Refused(NOT_ALLOWED, f"this order already has an image ({owner})")

    def _settle_or_try_again(self, order: str) -> None:
        try:
            self._settle(order)
        except ServerAway as error:
            raise Refused(TRY_AGAIN, f"an earlier image of this order is not settled: {error}") from error

    def _settle(self, order: str) -> None:
        there = publication.read(self._layout.image(order))
        if there is None:
            self._layout.marker(order).unlink(missing_ok=True)
            return
        try:
            self._confirm(order, there)
        except ServerRefused as error:
            logger(order=order, task=there.task, step=Step.PUBLISHING).warning(
                "image set aside", reason=str(error)
            )

    def _ask(self, wanted: Publication) -> None:
        try:
            self._web.publish(wanted.task, wanted.attempt, wanted.files)
        except ServerAway as error:
            raise Refused(TRY_AGAIN, f"{error}; repeat the command") from error
        except ServerRefused as error:
            raise Refused(NOT_ALLOWED, str(error)) from error

    def _move(self, order: str, incoming: Incoming, wanted: Publication) -> None:
        incoming.seal()
        wanted.write(incoming.path)
        self._layout.marker(order).touch()
        sync_folder(self._layout.unconfirmed)
        incoming.path.rename(self._layout.image(order))
        self._moved[order] = time.monotonic()
        sync_folder(self._layout.images)
        sync_folder(self._layout.incoming)

    def _confirm(self, order: str, there: Publication) -> None:
        try:
            self._web.published(there.task, there.attempt, there.files)
        except ServerRefused:
            # Kept for a while where nobody is served from it, in case that it is missed.
            self._set_aside(order, there)
            raise
        self._layout.marker(order).unlink(missing_ok=True)

    def _set_aside(self, order: str, there: Publication) -> None:
        if not self._layout.marker(order).exists():
            return  # it was confirmed before: only the server's list of removed images takes it away
        self._layout.set_aside(order, f"{order}.{there.task}.{there.attempt}")
        self._layout.marker(order).unlink()
