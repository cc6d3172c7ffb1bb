"""The people of the storm: they order, change their minds, retry, confirm cards and take them out."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import requests

from imager.demo.__main__ import ADDRESS
from imager.demo.client import Member, Operator
from imager.stack.processes import StackError
from workers.writer.identity import file_identity

from . import labour
from .line import StormLine
from .sowing import MEMBER, PASSWORD, STAFF

AWAY = (requests.RequestException, StackError, psycopg.Error)  # what a server that was killed looks like
DESERVED = {"physical": "ready_to_ship", "virtual": "available"}
CANCELS, DOUBLES, PULLS = 0.1, 0.3, 0.01
TIMEOUT = 30


class Refusal(Exception):
    """The server says no to what is right, and would say so for ever."""


class People:
    """Two threads: a member who orders, and an operator at the stations."""

    def __init__(self, line: StormLine, chance: random.Random, *, open_orders: int) -> None:
        self.line, self.chance, self.open_orders = line, chance, open_orders
        self.sown = json.loads(line.sown().read_text())
        self.did: Counter[str] = Counter()
        self.wanted: dict[str, str] = {}  # by order: the status that it deserves
        self.keys: dict[str, str] = {}  # by order: its Idempotency-Key
        self.doomed: dict[str, float] = {}  # by order: when somebody thinks better of it
        self.found: list[str] = []  # violations that are seen on the way
        self.shipped: dict[
            tuple[str, int], str
        ] = {}  # by order and unit: which attempt built what is on the card
        self.ordering = True
        self._ended = threading.Event()
        self.member = self._insist(lambda: Member(line.url, MEMBER, PASSWORD))
        self.operator = self._insist(lambda: Operator(line.url, STAFF, PASSWORD))
        self._threads = [
            threading.Thread(target=self._loop, args=(turn,), name=turn.__name__, daemon=True)
            for turn in (self._member_turn, self._operator_turn)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(TIMEOUT)

    def arrived(self) -> bool:
        """Whether every order is where it deserves to be."""
        with contextlib.suppress(psycopg.Error), self.line.database() as database:
            rows = database.execute("SELECT id, status FROM orders_order").fetchall()
            return all(self.wanted.get(str(row["id"])) == row["status"] for row in rows)
        return False

    def _insist(self, act: Callable[[], Any]) -> Any:
        """As often as it takes: half an order, or a cancel that nobody heard, would be a fault of ours."""
        while True:
            try:
                return act()
            except AWAY:
                if self._ended.wait(0.2):
                    raise

    def _loop(self, turn: Callable[[], None]) -> None:
        while not self._ended.wait(0.15):
            try:
                turn()
            except Refusal as error:
                self.found.append(str(error))
            except AWAY as error:
                self.did[f"{turn.__name__.strip('_')} broken off ({type(error).__name__})"] += 1

    # --- who orders
    def _member_turn(self) -> None:
        with self.line.database() as database:
            rows = database.execute("SELECT id, status FROM orders_order").fetchall()
        status = {str(row["id"]): row["status"] for row in rows}
        for order in [each for each, now in status.items() if now == "failed"]:
            self._retry(order)
        unfinished = [each for each, now in status.items() if self.wanted.get(each) != now]
        for _ in range(self.open_orders - len(unfinished) if self.ordering else 0):
            self._place()
        now = time.monotonic()
        for order in [each for each in unfinished if self.doomed.get(each, now) < now]:
            del self.doomed[order]
            self._cancel(order)

    def _place(self) -> None:
        kind = self.chance.choice(["physical", "physical", "virtual"])
        body: dict[str, Any] = {"configuration": self.sown["configuration"], "kind": kind}
        body |= {"media": self.sown["media"][kind], "quantity": 1, "confirm_duplicate": True}
        if kind == "physical":
            body |= {f"recipient_{field}": value for field, value in ADDRESS.items()}
            body["quantity"] = self.chance.choice([1, 1, 2, 3])
        key = str(uuid.uuid4())
        doubled = self.chance.random() < DOUBLES

        def post() -> str:
            answer = self._post("orders/", json=body, headers={"Idempotency-Key": key})
            if answer.status_code in range(400, 500) and answer.status_code != 429:
                raise Refusal(f"an order was refused: {answer.status_code} {answer.text[:200]}")
            if answer.status_code not in (200, 201):
                raise requests.RequestException(f"{answer.status_code} {answer.text[:200]}")
            return str(answer.json()["id"])

        with ThreadPoolExecutor(2) as twice:
            answers = [twice.submit(self._insist, post) for _ in range(2 if doubled else 1)]
        orders = {answer.result() for answer in answers}
        self.did["orders placed"] += 1
        self.did["orders placed twice with one key"] += doubled
        if len(orders) != 1:
            self.found.append(f"one key made {len(orders)} orders: {orders}")
        for order in orders:
            self.wanted[order] = DESERVED[kind]
            if self.chance.random() < CANCELS:
                self.doomed[order] = time.monotonic() + self.chance.uniform(0, 15)

    def _cancel(self, order: str) -> None:
        """Once it was said, it holds; when the answer is lost, the order itself tells."""
        self.wanted[order] = "canceled"

        def cancel() -> None:
            answer = self._post(f"orders/{order}/cancel/")
            if answer.status_code not in (200, 409):
                raise requests.RequestException(answer.text[:200])

        self._insist(cancel)
        self.did["orders canceled"] += 1

    def _retry(self, order: str) -> None:
        answer = self._post(f"orders/{order}/retry/")
        self.did["orders retried"] += answer.ok

    def _post(self, path: str, **options: Any) -> requests.Response:
        answer = self.member.session.post(self.member.api + path, timeout=TIMEOUT, **options)
        if answer.status_code == 401:  # an access token lasts an hour, a storm may last longer
            self.member = Member(self.line.url, MEMBER, PASSWORD)
            answer = self.member.session.post(self.member.api + path, timeout=TIMEOUT, **options)
        return answer

    # --- who stands at the readers
    def _operator_turn(self) -> None:
        query = """
            SELECT s.id, s.name, h.name AS host, s.diskseq, s.boot_id, h.automatic,
                s.used_diskseq = s.diskseq AND s.used_boot_id = s.boot_id AS used,
                EXISTS (SELECT FROM tasks_app_task t
                    WHERE t.slot_id = s.id AND t.status IN ('queued', 'running')) AS busy,
                EXISTS (SELECT FROM tasks_app_task t
                    WHERE t.host_id = h.id AND t.status = 'waiting') AS needed
            FROM tasks_app_slot s JOIN tasks_app_host h ON h.id = s.host_id WHERE s.present"""
        with self.line.database() as database:
            slots = database.execute(query).fetchall()
        for slot in slots:
            if slot["used"] and not slot["busy"]:
                self._take_out(slot)
            elif slot["busy"]:
                if self.chance.random() < PULLS:
                    self.line.insert_card(slot["host"], slot["name"])
                    self.did["cards pulled out of a busy slot"] += 1
            elif slot["needed"] and not slot["automatic"]:
                self._confirm(slot)

    def _confirm(self, slot: dict[str, Any]) -> None:
        session = self.operator.session
        fields = {"diskseq": slot["diskseq"], "boot_id": slot["boot_id"]}
        fields["csrfmiddlewaretoken"] = session.cookies["csrftoken"]
        address = f"{self.line.url}/station/{slot['host']}/{slot['name']}/confirm/"

        def press() -> int:
            answer = session.post(address, data=fields, timeout=TIMEOUT, allow_redirects=False)
            return answer.status_code

        doubled = self.chance.random() < DOUBLES
        with ThreadPoolExecutor(2) as twice:
            clicks = [twice.submit(press) for _ in range(2 if doubled else 1)]
        codes = {click.result() for click in clicks}
        self.did["cards confirmed"] += 302 in codes
        self.did["cards confirmed by a double click"] += doubled

    def _take_out(self, slot: dict[str, Any]) -> None:
        """An accepted card is looked at before it is shipped; then a fresh one comes into the slot."""
        query = """
            SELECT order_id, unit FROM tasks_app_card
            WHERE slot_id = %s AND diskseq = %s AND boot_id = %s AND verdict = 'accepted'"""
        with self.line.database() as database:
            accepted = database.execute(query, [slot["id"], slot["diskseq"], slot["boot_id"]]).fetchall()
        path = self.line.card(slot["host"], slot["name"])
        with path.open("rb") as card:
            if file_identity(str(path), card.fileno()).diskseq != slot["diskseq"]:
                return  # it was taken out before; the host has not said so yet
            content = card.read(labour.IMAGE_BYTES)
        self.line.insert_card(slot["host"], slot["name"])
        self.did["cards taken out"] += 1
        for row in accepted:
            builder = labour.built_by(content)
            if not builder or content != labour.image_of(builder):
                self.found.append(f"an accepted card does not hold its image: {row}")
            self.shipped[str(row["order_id"]), row["unit"]] = builder
