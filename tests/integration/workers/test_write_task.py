"""A write task on a file that stands for a card: guards, permit, burn, and what the server hears."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.image import MIB, Image
from tests.doubles.server import Server, Task
from workers import machine
from workers.bench import Bench
from workers.contract import Kind
from workers.host import Host
from workers.presence import Presence
from workers.run import run
from workers.writer.card import FileCard
from workers.writer.slots import find
from workers.writer.stamps import left_on

STALE_BYTES = b"\xa5" * MIB * 16


@pytest.fixture
def card(tmp_path: Path) -> Path:
    card = tmp_path / "card-a.img"
    card.write_bytes(STALE_BYTES)
    return card


@pytest.fixture
def writer(host_of: Callable[[Kind], Host]) -> Host:
    return host_of(Kind.WRITE)


@pytest.fixture
def task(server: Server, image: Image, writer: Host, card: Path) -> Task:
    state = find(writer.config.slots[0])
    slot = {"name": "A", "diskseq": state["diskseq"], "size": state["size"]}
    task = server.add("write", {**image.spec, "unit": 1, "serial": "S-0001", "slot": slot})
    shutil.copytree(image.folder, writer.config.data / "images" / task.order)
    return task


def trouble(task: Task) -> tuple[Any, Any]:
    (final,) = task.finals
    assert final["outcome"] == "failed"
    return final["trouble"]["fault"], final["trouble"]["code"]


def test_a_card_from_claim_to_done(
    server: Server, task: Task, writer: Host, image: Image, card: Path
) -> None:
    run(task.id, writer)
    (final,) = task.finals
    assert final["outcome"] == "done", final
    assert card.read_bytes()[: len(image.plain)] == image.plain
    result = final["result"]
    assert (result["slot"], result["card_bytes"]) == ("A", 16 * MIB)
    assert result["written_bytes"] == len(image.plain)
    ranges = [image.plain[offset : offset + 4 * MIB] for offset in range(0, len(image.plain), 4 * MIB)]
    digests = b"".join(hashlib.sha256(part).digest() for part in ranges)
    assert result["read_back_sha256"] == hashlib.sha256(digests).hexdigest()
    (permit,) = task.permits
    assert permit == {
        "event_id": permit["event_id"],
        "attempt": 1,
        "slot": "A",
        "diskseq": task.spec["slot"]["diskseq"],
        "boot_id": machine.boot_id(),
        "card_bytes": 16 * MIB,
        "stamp": permit["stamp"],
    }
    with FileCard.open(str(card)) as written:
        assert left_on(written) == permit["stamp"], "by it the card is known again"
    assert "permit for card S-0001" in task.log


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (409, "insertion_used", "slot"),
        (409, "wrong_slot", "slot"),
        (409, "too_small", "card"),
        (403, "not_yours", "host"),
    ],
)
def test_without_a_permit_not_a_byte_changes(
    task: Task, writer: Host, card: Path, status: int, code: str, fault: str
) -> None:
    task.permit_problem = (status, code)
    run(task.id, writer)
    assert trouble(task) == (fault, code)
    assert card.read_bytes() == STALE_BYTES


def test_a_permit_refused_because_of_a_cancel_is_a_cancel(task: Task, writer: Host, card: Path) -> None:
    task.permit_problem = (409, "canceled")
    run(task.id, writer)
    assert [final["outcome"] for final in task.finals] == ["canceled"]
    assert card.read_bytes() == STALE_BYTES


def test_a_permit_whose_answer_is_lost_is_asked_for_with_the_same_event(
    server: Server, task: Task, writer: Host
) -> None:
    lost = iter(["after"])
    server.lose = lambda path: next(lost, "") if path.endswith("/permit") else ""
    run(task.id, writer)
    assert task.finals[0]["outcome"] == "done"
    assert len(task.permits) == 2
    assert len({permit["event_id"] for permit in task.permits}) == 1


def test_another_card_than_the_confirmed_one(task: Task, writer: Host, card: Path) -> None:
    card.rename(card.with_suffix(".old"))
    card.write_bytes(STALE_BYTES)
    run(task.id, writer)
    assert trouble(task) == ("slot", "card_changed")
    assert card.read_bytes() == STALE_BYTES
    assert task.permits == []


def test_a_card_that_is_too_small(task: Task, writer: Host, card: Path) -> None:
    with card.open("r+b") as file:
        file.truncate(8 * MIB)
    run(task.id, writer)
    assert trouble(task) == ("card", "too_small")
    assert task.permits == []


def test_no_card(task: Task, writer: Host, card: Path) -> None:
    card.unlink()
    run(task.id, writer)
    assert trouble(task) == ("slot", "no_card")


@pytest.mark.parametrize("answer", ["go", "cancel"])
def test_after_a_write_the_card_is_looked_at_anew(
    server: Server, task: Task, writer: Host, image: Image, card: Path, answer: str
) -> None:
    """It is the same insertion, but no longer the same contents, however the write ended."""
    label = bytearray(STALE_BYTES)
    label[510:512] = b"\x55\xaa"
    label[446:510] = bytes(64)
    card.write_bytes(label)
    presence = Presence(writer, Bench(1, lambda _: None))
    presence.beat()
    presence.beat()
    if answer == "cancel":
        task.permit_problem = (409, "canceled")
    run(task.id, writer)
    if answer == "cancel":  # whatever stopped it, may have stopped it in the middle
        with card.open("r+b") as file:
            file.write(image.plain[:MIB])
    presence.beat()
    seen = [beat["slots"][0] for beat in server.beats]
    assert [state["contents"] for state in seen] == [
        "MBR without partitions",
        "MBR without partitions",
        "nothing recognised",
    ]
    assert len({state["diskseq"] for state in seen}) == 1


def test_an_unknown_slot(task: Task, writer: Host, card: Path) -> None:
    task.spec["slot"]["name"] = "Z"
    run(task.id, writer)
    assert trouble(task) == ("slot", "unknown_slot")
    assert "it has: A" in task.finals[0]["trouble"]["message"]


def test_an_image_that_is_not_here(task: Task, writer: Host, card: Path) -> None:
    shutil.rmtree(writer.config.data / "images")
    run(task.id, writer)
    assert trouble(task) == ("host", "image_missing")
    assert card.read_bytes() == STALE_BYTES


def test_an_image_that_somebody_else_signed(task: Task, writer: Host, card: Path) -> None:
    task.spec["signing_key"] = "ab" * 32
    run(task.id, writer)
    assert trouble(task) == ("job", "bad_signature")
    assert card.read_bytes() == STALE_BYTES
    assert task.permits == []


def test_an_image_that_rotted_on_the_disk_makes_no_card(
    task: Task, writer: Host, image: Image, card: Path
) -> None:
    container = writer.config.data / "images" / task.order / image.container.name
    data = bytearray(container.read_bytes())
    data[6 * MIB] ^= 1
    container.write_bytes(data)
    run(task.id, writer)
    (final,) = task.finals
    assert final["outcome"] == "failed"
    assert card.read_bytes()[: 4 * MIB] == bytes(4 * MIB), "nobody takes this card for a good one"


def test_a_stop_lets_the_card_be_finished(task: Task, writer: Host, image: Image, card: Path) -> None:
    writer.stopping.set()
    run(task.id, writer)
    (final,) = task.finals
    assert final["outcome"] == "done"
    assert card.read_bytes()[: len(image.plain)] == image.plain
    assert task.releases == []
