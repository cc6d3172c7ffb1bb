"""People who go on, whatever happens: they order, cancel, confirm cards, insert new ones, retry, ship.

They are impatient: what they press, they press twice at once, and what was not answered they press again.
"""

from __future__ import annotations

import contextlib
import os
import random
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import requests

from imager.demo import seeds
from imager.demo.__main__ import order_body
from imager.demo.client import Member, Operator
from imager.stack import Line
from imager.stack.line import WRITER, insert_card
from imager.stack.processes import StackError

from . import invariants

AWAY = (requests.RequestException, StackError, psycopg.Error)  # what a killed server looks like
ARRIVED = {"physical": "ready_to_ship", "virtual": "available"}
OVER = ("ready_to_ship", "shipped", "available", "canceled", "expired")


class People:
    """Place `many` orders; some are canceled or shipped. `wanted`: the state that each order deserves."""

    def __init__(self, line: Line, sown: seeds.Seeds, chance: random.Random, many: int) -> None:
        self.line, self.sown, self.chance, self.many = line, sown, chance, many
        self.member = Member(line.url, seeds.MEMBER, sown.passwords[seeds.MEMBER])
        self.operator = Operator(line.url, seeds.STAFF, sown.passwords[seeds.STAFF])
        self.media = {kind: self.member.media(kind) for kind in ARRIVED}
        self.keys: dict[str, dict[str, Any]] = {}  # Idempotency-Key → body, of orders not yet answered
        self.placed = 0
        self.wanted: dict[str, str] = {}
        self.cancels: set[str] = set()
        self.ships: set[str] = set()
        self.did: Counter[str] = Counter()
        self.wrong: list[str] = []  # what people saw with their own eyes
        self.kept = line.var / "kept"  # written cards, with their images
        self.kept.mkdir(exist_ok=True)
        self._hands = ThreadPoolExecutor(2)

    def order(self, kind: str = "", quantity: int = 0, *, cancel: bool = False, ship: bool = False) -> None:
        """Decide on one order, and try to place it."""
        kind = kind or self.chance.choice(list(ARRIVED))
        most = 1 if kind == "virtual" else quantity or self.chance.randint(1, 2)
        key = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        body = order_body(self.sown, kind, self.media[kind], quantity=most)
        self.keys[key] = body | {"_cancel": cancel, "_ship": ship and kind == "physical"}
        self.placed += 1
        self._place(key)

    def turn(self) -> None:
        """What people do every now and then; a server that is away is asked again next time."""
        for act in (self._place_all, self._swap_cards, self._confirm, self._retry, self._cancel, self._ship):
            with contextlib.suppress(*AWAY):
                act()

    def arrived(self) -> bool:
        """Whether every order is where it should be."""
        if self.keys or len(self.wanted) < self.many:
            return False
        with contextlib.suppress(*AWAY):
            now = self._statuses()
            return all(now.get(order) == status for order, status in self.wanted.items())
        return False

    def _place_all(self) -> None:
        for key in list(self.keys):
            self._place(key)

    def _place(self, key: str) -> None:
        """Twice at once with one key: one order, told twice."""
        decided = self.keys[key]
        body = {name: value for name, value in decided.items() if not name.startswith("_")}
        answers = self._twice(
            lambda: self._post("orders/", json=body, headers={"Idempotency-Key": key}), "placed orders"
        )
        if len({answer.json()["id"] for answer in answers}) > 1:
            self.wrong.append(f"the Idempotency-Key {key} gave two orders")
        if not answers:
            return
        order, status = answers[0].json()["id"], ARRIVED[body["kind"]]
        if decided["_cancel"]:
            self.cancels.add(order)
            status = "canceled"
        elif decided["_ship"]:
            self.ships.add(order)
            status = "shipped"
        self.wanted[order] = status
        del self.keys[key]

    def _cancel(self) -> None:
        """At some moment of its way; again until the answer is clear."""
        now = self._statuses()
        for order in sorted(self.cancels):
            if now.get(order) == "canceled":
                self.cancels.discard(order)
            elif now.get(order) in ("ready_to_ship", "available") or self.chance.random() < 0.03:
                self._twice(lambda order=order: self._post(f"orders/{order}/cancel/"), "canceled orders")

    def _ship(self) -> None:
        now = self._statuses()
        for order in sorted(self.ships):
            if now.get(order) == "shipped":
                self.ships.discard(order)
            elif now.get(order) == "ready_to_ship":
                with contextlib.suppress(StackError):  # the second of the two hands is told that it is done
                    list(self._hands.map(partial(self.operator.ship, order), ("DHL 1", "DHL 2")))
                self.did["shipped orders"] += 1

    def _confirm(self) -> None:
        """Two hands on the same buttons: the slower one is told that there is nothing to confirm."""
        page = self.operator.page(f"/station/{WRITER}/")
        if "/confirm/" not in page:
            return
        hands = [self._hands.submit(self.operator.confirm_cards, WRITER) for _ in range(2)]
        for hand in hands:
            with contextlib.suppress(*AWAY):
                self.did["confirmed cards"] += len(hand.result())

    def _retry(self) -> None:
        for order, status in self._statuses().items():
            if status == "failed":
                self._twice(lambda order=order: self._post(f"orders/{order}/retry/"), "retried orders")

    def _swap_cards(self) -> None:
        """Cards that were written, or tried, are taken out and fresh ones put in; good ones are kept."""
        query = """
            SELECT slot.name, card.serial, card.order_id FROM tasks_app_slot slot
            LEFT JOIN tasks_app_card card ON card.slot_id = slot.id AND card.verdict = 'accepted'
                AND card.diskseq = slot.diskseq AND card.boot_id = slot.boot_id
            WHERE used_diskseq = slot.diskseq AND used_boot_id = slot.boot_id AND NOT EXISTS (
            SELECT FROM tasks_app_task WHERE slot_id = slot.id AND status IN ('queued', 'running'))"""
        with invariants.connect(self.line) as database:
            used = list(database.execute(query))
        for row in used:
            card = self.line.cards[row["name"]]
            if row["serial"]:
                self._keep(card, row["serial"], str(row["order_id"]))
            insert_card(card)
            self.did["swapped cards"] += 1

    def _keep(self, card: Path, serial: str, order: str) -> None:
        """The card, with the image that it should hold, whatever becomes of the order."""
        images = self.line.warehouse / "images" / order
        folder = self.kept / serial
        folder.mkdir(exist_ok=True)
        for path in [card, *(images.iterdir() if images.is_dir() else ())]:
            with contextlib.suppress(FileExistsError):
                os.link(path, folder / ("card.img" if path == card else path.name))

    def _statuses(self) -> dict[str, str]:
        with invariants.connect(self.line) as database:
            rows = database.execute("SELECT id, status FROM orders_order")
            return {str(row["id"]): row["status"] for row in rows}

    def _post(self, path: str, **extra: Any) -> requests.Response:
        return self.member.session.post(f"{self.member.api}{path}", timeout=30, **extra)

    def _twice(self, act: Callable[[], requests.Response], what: str) -> list[requests.Response]:
        """The answers that are a yes, of two calls at once; a token that ran out is got anew."""
        answers = []
        for call in [self._hands.submit(act) for _ in range(2)]:
            with contextlib.suppress(*AWAY):
                answers.append(call.result())
        if any(answer.status_code == 401 for answer in answers):
            self.member = Member(self.line.url, seeds.MEMBER, self.sown.passwords[seeds.MEMBER])
        self.wrong += [
            f"{answer.url}: {answer.status_code} {answer.text[:300]}"
            for answer in answers
            if answer.status_code == 500
        ]
        good = [answer for answer in answers if answer.ok]
        self.did[what] += bool(good)
        return good
