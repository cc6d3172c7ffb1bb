"""The work of the storm: images of a few kilobytes, cards of nine megabytes; all else is the product's.

Whoever writes a card says so in a witness log that lies outside of all cards.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers import job
from workers.contract import Step
from workers.creator import steps as creating
from workers.creator.emit import Built, Label, emit
from workers.job import Job
from workers.report import Report
from workers.writer import burn as burning
from workers.writer import steps as writing
from workers.writer.burn import Source
from workers.writer.card import Card
from workers.writer.result import BurnResult

IMAGE_BYTES = 96 * 1024
CARD_BYTES = 9 * 1024 * 1024
WITNESS = "STORM_WITNESS"
SLOW = 0.04  # the share of work that takes some seconds

_current: list[Job] = []
_work = job.work
_burn = burning.burn


def install() -> None:
    """In the warm process from which the processes of attempts are forked."""
    job.work = _remember
    creating.build = _build  # type: ignore[assignment]
    creating.Finished.find = _anew  # type: ignore[method-assign]
    writing.burn = _witnessed


def image_of(folder_name: str) -> bytes:
    """The image that the attempt `<task>.<attempt>` builds: its name, then bytes that nobody else has."""
    head = f"storm {folder_name}\n".encode().ljust(512, b"\n")
    seed = hashlib.sha256(folder_name.encode()).digest()
    return head + random.Random(seed).randbytes(IMAGE_BYTES - len(head))


def built_by(start: bytes) -> str:
    """Which attempt built the image that begins like this; empty if it is none of ours."""
    line = start[:512].split(b"\n")[0].decode(errors="replace")
    return line.removeprefix("storm ") if line.startswith("storm ") else ""


def _remember(work: Job, report: Report) -> dict[str, Any]:
    _current.append(work)
    return _work(work, report)


def _pauses() -> Iterator[float]:
    total = random.uniform(1.0, 4.0) if random.random() < SLOW else random.uniform(0.02, 0.3)
    portions = 8
    yield from [total / portions] * portions


def _build(
    recipe: str,
    folder: Path,
    *,
    name: str,
    signing_key: Ed25519PrivateKey,
    report: Report,
    torrent: bool,
    **_: Any,
) -> Built:
    """What takes hours in earnest."""
    report.step(Step.BUILDING, IMAGE_BYTES)
    work = folder / "building"
    work.mkdir()
    image = work / f"{name}.img"
    whole = image_of(folder.name)
    with image.open("wb") as file:
        for number, pause in enumerate(_pauses()):
            report.check()
            file.write(whole[number * len(whole) // 8 : (number + 1) * len(whole) // 8])
            report.progress(file.tell())
            time.sleep(pause)
        file.flush()
        os.fsync(file.fileno())
    report.log(f"built {folder.name}")
    label = Label(
        name=name, recipe_sha256=hashlib.sha256(recipe.encode()).hexdigest(), contents=(), torrent=torrent
    )
    built = emit(image, folder, label, signing_key=signing_key, report=report)
    image.unlink()
    work.rmdir()
    return built


def _anew(_finished: creating.Finished, _report: Report) -> None:
    """An image names the attempt that built it, and so tells whether that is the attempt that counts."""


class _Slower:
    """A report that takes its time, so that there is a middle to be hit in."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._pauses = _pauses()

    def progress(self, done: int) -> None:
        self._report.progress(done)
        time.sleep(next(self._pauses, 0))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._report, name)


def _witnessed(source: Source, card: Card, report: Report, **options: Any) -> BurnResult:
    _say("BEGIN", card)
    result = _burn(source, card, _Slower(report), **options)
    _say("END", card)
    return result


def _say(word: str, card: Card) -> None:
    work = _current[-1]
    slot = work.spec["slot"]["name"]
    words = (word, card.identity().diskseq, work.task, work.attempt, work.order, work.spec["unit"], slot)
    log = os.open(os.environ[WITNESS], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(log, " ".join(map(str, words)).encode() + b"\n")
        os.fsync(log)
    finally:
        os.close(log)


@dataclass(frozen=True)
class Writing:
    """One time that an attempt wrote a card, from the witness log."""

    diskseq: int
    task: str
    attempt: int
    order: str
    unit: int
    slot: str
    ended: bool


def witnessed(log: Path) -> list[Writing]:
    """Everything that was written, in order; two writings that overlap show as two of one card."""
    found: dict[tuple[str, ...], Writing] = {}
    for line in log.read_text().splitlines() if log.exists() else []:
        word, *words = line.split()
        diskseq, task, attempt, order, unit, slot = words
        key = (*words, str(len(found))) if word == "BEGIN" and tuple(words) in found else tuple(words)
        found[key] = Writing(int(diskseq), task, int(attempt), order, int(unit), slot, word == "END")
    return list(found.values())
