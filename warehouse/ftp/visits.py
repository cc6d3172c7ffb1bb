"""Who is logged in, and how a visit is told to end from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable

from warehouse.ftp.tickets import Ticket
from workers.contract import Right


class Visit:
    """One login. `leave` is asked for by anybody; the session's own thread looks and obeys."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.leave = threading.Event()


class Visits:
    """All present logins."""

    def __init__(self) -> None:
        self._present: set[Visit] = set()
        self._changed = threading.Condition()

    def enter(self, ticket: Ticket) -> Visit:
        """A login begins."""
        visit = Visit(ticket)
        with self._changed:
            self._present.add(visit)
        return visit

    def left(self, visit: Visit) -> None:
        """A login is over."""
        with self._changed:
            self._present.discard(visit)
            self._changed.notify_all()

    def of_attempt(self, task: str, attempt: int) -> Callable[[Ticket], bool]:
        """Chooses every login of an attempt, whatever its right."""
        return lambda ticket: (ticket.task, ticket.attempt) == (task, attempt)

    def of_order(self, order: str) -> Callable[[Ticket], bool]:
        """Chooses every login that reads the image of an order."""
        return lambda ticket: ticket.order == order and ticket.right is Right.READ

    def is_storing(self, user: str) -> bool:
        """Whether somebody is logged in on this attempt's private folder."""
        return any(
            visit.ticket.user == user for visit in self._chosen(lambda ticket: ticket.right is Right.STORE)
        )

    def end(self, chosen: Callable[[Ticket], bool], timeout: float) -> bool:
        """Ask the chosen logins to leave; whether all were gone in time."""
        for visit in self._chosen(chosen):
            visit.leave.set()
        with self._changed:
            return self._changed.wait_for(lambda: not self._matching(chosen), timeout)

    def _chosen(self, chosen: Callable[[Ticket], bool]) -> list[Visit]:
        with self._changed:
            return self._matching(chosen)

    def _matching(self, chosen: Callable[[Ticket], bool]) -> list[Visit]:
        return [visit for visit in self._present if chosen(visit.ticket)]
