from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.cards import MIB, bytes_at, card_file, image
from workers.errors import JobError
from workers.imaging.devices import Devices
from workers.writer.identity import Identity
from workers.writer.one import CardOrder
from workers.writer.opening import look
from workers.writer.terms import key_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def order(path: Path, tmp_path: Path) -> CardOrder:
    plain = tmp_path / "x.img"
    plain.write_bytes(image(9 * MIB).data)
    identity = look(str(path), Devices()).identity
    return CardOrder(str(plain), None, None, str(path), identity, allow_non_removable=True)


def run(order: CardOrder) -> tuple[int, list[dict[str, Any]]]:
    """The process of one card, and what it told."""
    events, theirs = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "workers.writer.one", str(theirs)],
        stdin=subprocess.PIPE,
        pass_fds=(theirs,),
        cwd=ROOT,
    ) as process:
        os.close(theirs)
        assert process.stdin
        process.stdin.write(order.to_json().encode() + b"\n")
        process.stdin.flush()
        with open(events, encoding="utf-8") as lines:
            told = [json.loads(line) for line in lines]
        process.stdin.close()
    return process.returncode, told


def test_an_order_survives_its_way_through_the_pipe(order: CardOrder) -> None:
    assert CardOrder.from_json(order.to_json().encode()) == order


def test_it_tells_its_steps_and_its_result(order: CardOrder, path: Path) -> None:
    code, told = run(order)
    assert code == 0
    assert [each["step"] for each in told if "step" in each] == ["wiping", "writing", "reading_back"]
    assert told[-1]["result"]["slot"] == str(path)
    assert bytes_at(path, 0, 9 * MIB) == Path(order.image).read_bytes()


@pytest.mark.parametrize("diskseq", [1, None])
def test_a_card_changed_since_somebody_agreed_is_not_written(
    order: CardOrder, path: Path, diskseq: int | None
) -> None:
    code, told = run(replace(order, identity=replace(order.identity, diskseq=diskseq)))
    assert code == 5
    assert told[-1]["trouble"]["code"] == "card_changed"
    assert bytes_at(path, 0, MIB) == b"\xa5" * MIB


def test_the_guards_are_asked_again(order: CardOrder) -> None:
    code, told = run(replace(order, allow_non_removable=False))
    assert code == 5
    assert told[-1]["trouble"]["code"] == "not_removable"


def test_a_card_that_shrank_is_another(order: CardOrder, path: Path) -> None:
    card_file(path, 16 * MIB)
    assert run(order)[0] == 5


def test_an_error_of_ours_is_told_as_such(order: CardOrder) -> None:
    broken = replace(order, image="\0.img")
    code, told = run(broken)
    assert code == 1
    assert told[-1]["trouble"]["fault"] == "bug"
    assert any("Traceback" in each.get("log", "") for each in told)


def test_a_missing_image_is_the_jobs_fault(order: CardOrder) -> None:
    code, told = run(replace(order, image=order.image + ".img"))
    assert code == 3
    assert told[-1]["trouble"]["fault"] == "job"


def test_what_the_machine_refuses_is_the_hosts_fault(order: CardOrder, tmp_path: Path) -> None:
    (tmp_path / "folder.img").mkdir()
    code, told = run(replace(order, image=str(tmp_path / "folder.img")))
    assert code == 4
    assert told[-1]["trouble"]["fault"] == "host"
    assert "folder.img" in told[-1]["trouble"]["message"]


def test_keys(tmp_path: Path) -> None:
    key = "0123456789abcdef" * 4
    (tmp_path / "good").write_text(f"{key}\n")
    (tmp_path / "bad").write_text(f"{key} {key}")
    (tmp_path / "binary").write_bytes(b"\xff" * 64)
    assert key_of(None) is None
    assert key_of(key) == key_of(str(tmp_path / "good")) == key
    for name in ("bad", "binary", "none"):
        with pytest.raises(JobError) as caught:
            key_of(str(tmp_path / name))
        assert caught.value.code == "bad_key"
        assert name in caught.value.message
        assert "64 hex digits" in caught.value.message
        assert "Errno" not in caught.value.message


def test_identities_differ_by_what_matters() -> None:
    first = Identity("/dev/sdb", "8:16", 1, 2, "/sys/x", model="a")
    assert first.is_same_as(replace(first, model="b", node="/dev/disk/by-path/y"))
    assert not first.is_same_as(replace(first, number="8:32"))
