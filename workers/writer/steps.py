"""A write task: the order's image onto the card that an operator confirmed, read back and compared."""

from __future__ import annotations

import uuid
from contextlib import closing
from typing import TypedDict, cast

from workers import places
from workers.api import ServerRefused
from workers.config import Config
from workers.contract import IMAGE_SUFFIX, CardResult, PermitRequest, WriteSpec
from workers.errors import Canceled, CardError, HostError, SlotError
from workers.imaging.source import Source, open_source
from workers.job import Job
from workers.report import Report
from workers.writer.burn import burn
from workers.writer.card import BlockCard, Card, FileCard
from workers.writer.conditions import Conditions
from workers.writer.personal import facts_of, personal
from workers.writer.slots import SlotConfig, open_card, reopen
from workers.writer.stamps import left_on
from workers.writer.traffic import Traffic


class _Marks(TypedDict, total=False):
    """What a request for a permit may carry beside the insertion."""

    card: str
    stamp: str
    follows: int


def write(job: Job, report: Report) -> CardResult:
    """Every guard first, then the server's permit for this insertion, then the first byte."""
    spec = cast("WriteSpec", job.spec)
    slot = slot_named(job.config, spec["slot"]["name"])
    with closing(_image(job, spec)) as source:
        card = open_card(
            slot,
            expect_diskseq=spec["slot"]["diskseq"],
            lock_dir=places.locks_folder(job.config.data),
            image_size=source.image_size,
        )
        with card:
            report.check()
            conditions = Conditions(
                min_write_rate=spec.get("min_write_rate", 0),
                min_read_rate=spec.get("min_read_rate", 0),
                returning=_Return(job, slot, card),
            )
            serial = _permit(job, slot, card, _marks(card, conditions, report))
            report.log(f"slot {slot.name}: permit for card {serial}, {card.size()} bytes")
            own = personal(source, serial)
            result = burn(own, card, report, conditions=conditions).as_result(slot.name)
            facts = facts_of(own, serial)
            return result if facts is None else {**result, "per_card": facts}


class _Return:
    """How this slot's card comes back; a new insertion needs the server's word."""

    def __init__(self, job: Job, slot: SlotConfig, card: BlockCard | FileCard) -> None:
        self._job = job
        self._slot = slot
        self._card = card
        self._permitted = card.identity().diskseq

    def reopen(self) -> bool:
        return reopen(self._slot, self._card)

    def permitted(self) -> None:
        now = self._card.identity().diskseq
        if now != self._permitted:
            _permit(self._job, self._slot, self._card, {"follows": self._permitted or 0})
            self._permitted = now


def slot_named(config: Config, name: str) -> SlotConfig:
    """The slot of this host's configuration; SlotError `unknown_slot`."""
    for slot in config.slots:
        if slot.name == name:
            return slot
    known = ", ".join(slot.name for slot in config.slots) or "none"
    raise SlotError(
        "unknown_slot",
        f"This host has no slot {name!r} (it has: {known}): add it with `python -m workers.whost slots add`.",
    )


def _image(job: Job, spec: WriteSpec) -> Source:
    path = places.artifact(places.images_folder(job.config.data, job.order), spec["name"] + IMAGE_SUFFIX)
    if not path.exists():
        raise HostError("image_missing", f"{path} is not on this host: let the order be downloaded again.")
    return open_source(path, signing_key=spec["signing_key"])


def _marks(card: Card, conditions: Conditions, report: Report) -> _Marks:
    """What an earlier writing left on the card, and what this one will."""
    traffic = Traffic(card, report, patience=conditions.patience)
    marks: _Marks = {"stamp": conditions.number.hex()}
    if found := traffic.alone(lambda: left_on(traffic.card)):
        marks["card"] = f"stamp:{found}"
    return marks


def _permit(job: Job, slot: SlotConfig, card: Card, more: _Marks) -> str:
    asked = {
        "event_id": str(uuid.uuid4()),
        "attempt": job.attempt,
        "slot": slot.name,
        "diskseq": card.identity().diskseq,
        "boot_id": job.boot_id,
        "card_bytes": card.size(),
        **more,
    }
    try:
        return job.api.permit(job.task, cast("PermitRequest", asked))
    except ServerRefused as refusal:
        raise _named(refusal, slot) from refusal


def _named(refusal: ServerRefused, slot: SlotConfig) -> Exception:
    """Whose fault the refusal is."""
    if refusal.code == "canceled":
        return Canceled()
    if refusal.code == "too_small":
        return CardError("too_small", f"The card in slot {slot.name} is too small: {refusal.detail}")
    if refusal.code == "card_condemned":
        return CardError("card_condemned", f"The card in slot {slot.name}: {refusal.detail}")
    if refusal.code in ("insertion_used", "wrong_slot", "card_changed"):
        return SlotError(refusal.code, f"The card in slot {slot.name} may not be written: {refusal.detail}")
    return refusal
