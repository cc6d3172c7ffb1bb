"""The whole line in real processes: web, scheduler, warehouse, two creator hosts and a writer host."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import requests

from imager.demo.__main__ import order_body
from imager.demo.client import Member, Operator
from imager.demo.seeds import MEMBER, STAFF, Seeds, sow
from imager.stack import Line, start
from imager.stack.line import WRITER, insert_card
from imager.stack.processes import python
from workers.imaging import ext4_tools, mbr

pytestmark = pytest.mark.acceptance

PATIENCE = 300  # seconds until a test gives up


class World:
    """A running line with its people."""

    def __init__(self, line: Line, seeds: Seeds) -> None:
        self.line, self.seeds = line, seeds
        self.member = Member(line.url, MEMBER, seeds.passwords[MEMBER])
        self.operator = Operator(line.url, STAFF, seeds.passwords[STAFF])

    def place(self, kind: str, quantity: int = 1) -> str:
        return self.member.place(order_body(self.seeds, kind, self.member.media(kind), quantity=quantity))[
            "id"
        ]

    def wait(self, order: str, *statuses: str, confirm: bool = False) -> dict:
        """Wait until the order is in one of `statuses`, confirming cards meanwhile."""
        end = time.monotonic() + PATIENCE
        while True:
            self.line.processes.check()
            if confirm:
                self.operator.confirm_cards(WRITER)
            seen = self.member.order(order)
            if seen["status"] in statuses:
                return seen
            assert seen["status"] != "failed" or "failed" in statuses, seen["failure"]
            assert time.monotonic() < end, seen
            time.sleep(0.3)


@pytest.fixture(scope="module", params=["bells", "no-bells"])
def world(request, tmp_path_factory):
    var = tmp_path_factory.mktemp("line")
    for folder in (var, *var.parents[:2]):
        folder.chmod(0o711)  # the database's account passes through when we are root
    line = start(var, bells=request.param == "bells", creators=("creator-1", "creator-2"))
    try:
        yield World(line, sow(line))
    finally:
        line.stop()
        shutil.rmtree(var)


def went_through(order: dict) -> list[str]:
    return [row["went_to"] for row in order["history"]]


def test_an_order_of_two_cards_becomes_ready_to_ship(world):
    order = world.place("physical", quantity=2)

    world.wait(order, "writing")
    ready = world.wait(order, "ready_to_ship", confirm=True)

    assert went_through(ready) == ["placed", "creating", "downloading", "writing", "ready_to_ship"]
    assert [(s["kind"], s["unit"], s["status"]) for s in ready["stages"]] == [
        ("create", 0, "done"),
        ("download", 0, "done"),
        ("write", 1, "done"),
        ("write", 2, "done"),
    ]
    assert sorted(card["verdict"] for card in ready["cards"]) == ["accepted", "accepted"]
    for card in world.line.cards.values():
        look_at(card, world.seeds)

    world.operator.ship(order, "DHL 1")
    shipped = world.member.order(order)
    assert (shipped["status"], shipped["tracking"]) == ("shipped", "DHL 1")


def look_at(card: Path, seeds: Seeds) -> None:
    """The card's file systems are clean, and (as root) the kernel itself finds the files."""
    for number in (2, 3):
        ext4_tools.check_ext4(card, mbr.find(card, number).start)
    if os.geteuid() != 0:
        return
    data, folder = mbr.find(card, 3), card.parent / "mounted"
    folder.mkdir(exist_ok=True)
    options = f"loop,ro,offset={data.start},sizelimit={data.length}"
    subprocess.run(["mount", "-t", "ext4", "-o", options, card, folder], check=True)
    try:
        for place, served in seeds.files.items():
            assert (folder / place.removeprefix("/data/")).read_bytes() == served.path.read_bytes()
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_download_order_gets_a_link_that_answers_ranges(world):
    order = world.wait(world.place("virtual"), "available")

    whole = requests.head(order["download_url"], timeout=60)
    part = requests.get(order["download_url"], headers={"Range": "bytes=100-299"}, timeout=60)

    assert order["expires_at"]
    assert (part.status_code, len(part.content)) == (206, 200)
    assert part.headers["Content-Range"] == f"bytes 100-299/{whole.headers['Content-Length']}"
    assert requests.get(order["download_url"] + "x", timeout=60).status_code == 404


def test_a_cancel_reaches_the_working_hosts_and_nothing_is_left(world):
    order = world.place("physical")
    world.wait(order, "creating")

    api = world.member.api
    assert world.member.session.post(f"{api}orders/{order}/cancel/", timeout=30).ok

    canceled = world.member.order(order)
    assert canceled["status"] == "canceled"
    end = time.monotonic() + PATIENCE
    while world.member.order(order)["stages"][0]["status"] not in {"canceled", "done"}:
        assert time.monotonic() < end
        time.sleep(0.3)
    hosts = world.line.var / "hosts"
    while list(hosts.glob("creator-*/work/*")):
        assert time.monotonic() < end
        time.sleep(0.3)


def forget_what_was_fetched(line: Line) -> None:
    """What a creator has kept it does not fetch again."""
    for kept in (line.var / "hosts").glob("creator-*/cache"):
        line.processes.run(*python("-m", "workers.creator.cache", "--cache", str(kept), "clear"))


def test_wrong_content_fails_the_order_by_name_and_a_retry_builds_once_it_is_right(world):
    served = world.seeds.files["/data/content/zims/gutenberg_fr_contes.zim"]
    right = served.path.read_bytes()
    forget_what_was_fetched(world.line)
    served.path.write_bytes(b"\0" * len(right))
    try:
        order = world.place("virtual")
        failed = world.wait(order, "failed")
    finally:
        served.path.write_bytes(right)

    assert failed["failed_stage"] == "creating"
    assert "gutenberg_fr_contes.zim" in failed["failure"]

    assert world.member.session.post(f"{world.member.api}orders/{order}/retry/", timeout=30).ok
    done = world.wait(order, "available")
    assert done["stages"][0]["attempt"] == 2


def test_a_card_that_is_too_small_is_refused_and_another_one_serves(world):
    card = world.line.cards["A"]
    for slot in world.line.cards.values():
        slot.unlink(missing_ok=True)
    order = world.place("physical")
    world.wait(order, "writing")
    small = card.with_suffix(".small")
    with small.open("wb") as file:
        file.truncate(1_000_001_536)
    small.replace(card)

    end = time.monotonic() + PATIENCE
    while "This card is too small" not in (page := world.operator.page(f"/station/{WRITER}/")):
        assert time.monotonic() < end, page
        time.sleep(0.3)
    assert world.operator.confirm_cards(WRITER) == []
    assert world.member.order(order)["status"] == "writing"
    assert card.read_bytes()[:4096] == bytes(4096)

    insert_card(card)
    world.wait(order, "ready_to_ship", confirm=True)
