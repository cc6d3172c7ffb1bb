"""The warehouse behind the sessions: what they share."""

from __future__ import annotations

import threading

from warehouse.ftp.config import Config
from warehouse.ftp.ended import EndedList
from warehouse.ftp.incoming import Incoming
from warehouse.ftp.keys import Keys
from warehouse.ftp.layout import Layout
from warehouse.ftp.publish import Publisher
from warehouse.ftp.refusal import GOING_AWAY, NOT_LOGGED_IN, Refused
from warehouse.ftp.tickets import verify
from warehouse.ftp.timekeeper import Timekeeper
from warehouse.ftp.visits import Visit, Visits
from warehouse.ftp.web import Web
from workers.contract import Right


class Depot:
    """Keys, ended attempts, logins, arriving and published files. Thread-safe."""

    def __init__(self, config: Config, layout: Layout) -> None:
        self.config = config
        self.layout = layout
        self.web = Web(config)
        self.keys = Keys(layout.state / "jwks.json", self.web.keys)
        self.ended = EndedList(layout.state / "ended.json")
        self.time = Timekeeper()
        self.visits = Visits()
        self.publisher = Publisher(layout, self.web)
        self.stopping = threading.Event()
        self._incoming: dict[str, Incoming] = {}
        self._lock = threading.Lock()

    def admit(self, user: str, token: str) -> Visit:
        """Begin a visit with a ticket, or raise `Refused`."""
        ticket = verify(token, user=user, find_key=self.keys.find, now=self.time.now())
        if ticket.right is Right.STORE and not self.ended.is_fresh():
            raise Refused(
                GOING_AWAY, "The warehouse has not heard from the server for 10 minutes; try again later."
            )
        # Entered first, looked up then: an attempt that ends right now is either seen here or told to leave.
        visit = self.visits.enter(ticket)
        if self.ended.has(ticket.user):
            self.visits.left(visit)
            raise Refused(NOT_LOGGED_IN, "The ticket is of an attempt that has ended.")
        return visit

    def check(self, visit: Visit) -> None:
        """Raise `Refused` when the visit has to end in the middle of its work."""
        if self.stopping.is_set():
            raise Refused(GOING_AWAY, "The warehouse is stopping; try again later.")
        if visit.leave.is_set():
            raise Refused(GOING_AWAY, "This attempt has ended.")

    def incoming(self, user: str) -> Incoming:
        """The private folder of an attempt; the same object for all its sessions."""
        with self._lock:
            if user not in self._incoming:
                path = self.layout.attempt(user)
                self._incoming[user] = Incoming(path, self.config.keep_free_percent)
            return self._incoming[user]

    def forget(self, user: str) -> None:
        """Delete what an ended attempt left behind."""
        with self._lock:
            self._incoming.pop(user, None)
        self.layout.remove(self.layout.attempt(user))

    def remove_image(self, order: str, *, known_at: float) -> None:
        """Delete the image of an order that the server gave up, unless it was published after `known_at`."""
        with self.publisher.lock_of(order):
            if self.publisher.moved_at(order) >= known_at:
                return
            self.layout.remove(self.layout.image(order))
            self.layout.marker(order).unlink(missing_ok=True)
