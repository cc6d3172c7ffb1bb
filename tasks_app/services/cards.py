"""Cards: confirmed by an operator, permitted once, accepted or blamed. One insertion serves one unit."""

from __future__ import annotations

from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from imager import clock
from imager.api import Problem
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Card, Host, Slot, Task
from tasks_app.services import suspicion
from tasks_app.services.moving import lock, move_task
from workers.contract import Fault, Kind, PermitRequest, Trouble

BIGGEST: Final = 2**62
FASTEST: Final = 1e12  # bytes per second
LEAST: Final = 1  # a smaller rate is a standstill, and no figure to divide by


def serial_of(task: Task) -> str:
    """The serial number of the card of this attempt: order, unit, attempt, and a check digit."""
    body = f"{task.order.number}-{task.unit:02d}-{task.attempt}"
    return f"{body}-{check_digit(body)}"


def check_digit(body: str) -> str:
    """ISO 7064 MOD 11-2 over the digits of `body`: one wrong digit or two swapped neighbours change it."""
    total = 0
    for digit in body.replace("-", ""):
        total = (total + int(digit)) * 2 % 11
    check = (12 - total) % 11
    return "X" if check == 10 else str(check)  # the eleventh digit


def confirm(slot: Slot, *, diskseq: int | None, boot_id: str, by: str) -> Task:
    """The operator says: the card that I see in this slot may be wiped. The host's next waiting unit gets it.

    `diskseq` and `boot_id` are those that his page showed; if the card was changed since, nothing happens.
    """
    refuse_host(slot.host)
    while waiting := next_waiting(slot.host):
        task = _confirm(waiting, slot, diskseq=diskseq, boot_id=boot_id, by=by)
        if task:
            return task
    raise Problem(409, "nothing_waits", _("No card is needed on this host now."))


def _confirm(waiting: Task, slot: Slot, *, diskseq: int | None, boot_id: str, by: str) -> Task | None:
    """None if somebody was faster: it does not wait any more."""
    try:
        with transaction.atomic():
            task = lock(waiting.pk)
            if task.status != TaskStatus.WAITING:
                return None
            slot = Slot.objects.select_for_update().get(pk=slot.pk)
            refuse_slot(slot, task, diskseq=diskseq, boot_id=boot_id)
            at = clock.now()
            return move_task(
                task,
                TaskStatus.QUEUED,
                by=by,
                note=_("card confirmed in slot %(slot)s") % {"slot": slot.name},
                slot=slot,
                confirmed_diskseq=slot.diskseq,
                confirmed_boot_id=slot.boot_id,
                queued_at=at,
                not_before=at,
            )
    except IntegrityError:
        raise Problem(
            409, "slot_busy", _("Slot %(slot)s is busy with another card.") % {"slot": slot.name}
        ) from None


def next_waiting(host: Host) -> Task | None:
    """The unit that the next inserted card serves: orders first come, first served."""
    waiting = Task.objects.filter(host=host, kind=Kind.WRITE, status=TaskStatus.WAITING)
    return waiting.order_by("priority", "order__created_at", "unit").first()


def refuse_host(host: Host) -> None:
    """Raise if the host takes no new work: the card would lie there, confirmed and never written."""
    if host.disabled or host.draining:
        raise Problem(
            409,
            "draining",
            _("Host %(host)s takes no new work now. Ask an administrator to resume it.") % {"host": host},
        )


def refuse_slot(slot: Slot, task: Task, *, diskseq: int | None, boot_id: str) -> None:
    """Raise what keeps this slot's card from being written, in the words that the operator needs."""
    name = {"slot": slot.name}
    if slot.disabled:
        raise Problem(409, "slot_disabled", _("Slot %(slot)s is out of service.") % name)
    if slot.quarantined_at:
        raise Problem(
            409,
            "slot_quarantined",
            _("Slot %(slot)s is quarantined: look at its reader, then release it at the station.") % name,
        )
    if not slot.present:
        raise Problem(409, "no_card", _("There is no card in slot %(slot)s. Insert one.") % name)
    if (slot.diskseq, slot.boot_id) != (diskseq, boot_id):
        raise Problem(
            409,
            "card_changed",
            _("The card in slot %(slot)s was changed meanwhile. Look again, then confirm.") % name,
        )
    if slot.diskseq is None:
        raise Problem(
            409,
            "insertion_unknown",
            _("Host %(host)s cannot tell one card from the next: it needs Linux 5.15 or newer.")
            % {"host": slot.host},
        )
    if slot.used:
        raise Problem(
            409,
            "insertion_used",
            _("The card in slot %(slot)s was written before. Take it out first.") % name,
        )
    if slot.problem:
        raise Problem(
            409, "slot_problem", _("Slot %(slot)s: %(problem)s") % {**name, "problem": slot.problem}
        )
    needed = task.spec.get("image_size", 0)
    if slot.card_bytes < needed:
        raise Problem(
            409,
            "too_small",
            _("The card in slot %(slot)s holds %(has)s bytes, the image needs %(needs)s: insert a larger one")
            % {**name, "has": slot.card_bytes, "needs": needed},
        )


def open_card(task: Task, body: PermitRequest) -> Card:
    """Register that the confirmed insertion is about to be wiped. Needs the task locked, current, wanted."""
    slot = task.slot
    if slot is None or slot.name != body["slot"]:
        raise Problem(409, "wrong_slot", _("This task was confirmed for another slot."))
    if (body["diskseq"], body["boot_id"]) != (task.confirmed_diskseq, task.confirmed_boot_id) or body[
        "diskseq"
    ] is None:
        raise Problem(409, "card_changed", _("That is not the card that was confirmed. Confirm the new one."))
    if body["card_bytes"] < task.spec.get("image_size", 0):
        raise Problem(409, "too_small", _("The card is smaller than the image."))
    serial = serial_of(task)
    identity = suspicion.identify(body, serial)
    suspicion.refuse_condemned(identity)
    try:
        with transaction.atomic():
            card = Card.objects.create(
                serial=serial,
                identity=identity,
                stamp=body.get("stamp", ""),
                task=task,
                attempt=task.attempt,
                order=task.order,
                unit=task.unit,
                host=slot.host,
                slot=slot,
                lot_id=slot.host.lot_id,
                diskseq=body["diskseq"],
                boot_id=body["boot_id"],
                card_bytes=body["card_bytes"],
            )
    except IntegrityError:
        raise Problem(409, "insertion_used", _("This card was written already. Take it out.")) from None
    occupy(task)
    return card


def follow(task: Task, body: PermitRequest) -> Card:
    """The reader of the card that is being written was reset: the same card now goes by another insertion.

    That it is the same card, the host has proved by the stamps of this very writing; that it was permitted
    to this attempt, and that the new insertion was given to nobody else, is proved here.
    """
    card = Card.objects.filter(task=task, attempt=task.attempt, verdict=Card.Verdict.WRITING).first()
    told = (body["slot"], body["boot_id"], body["follows"], body["card_bytes"])
    if not card or told != (card.slot.name, card.boot_id, card.diskseq, card.card_bytes):
        raise Problem(409, "card_changed", _("That is not the card that is being written. Confirm it anew."))
    if body["diskseq"] is None:
        raise Problem(409, "card_changed", _("An insertion without a number cannot be permitted."))
    try:
        with transaction.atomic():
            card.diskseq = body["diskseq"]
            card.save(update_fields=["diskseq"])
    except IntegrityError:
        raise Problem(409, "insertion_used", _("This card was written already. Take it out.")) from None
    task.confirmed_diskseq = body["diskseq"]
    task.save(update_fields=["confirmed_diskseq"])
    occupy(task)
    return card


def occupy(task: Task) -> None:
    """The confirmed insertion is spent: its card must be taken out before the slot serves again."""
    Slot.objects.filter(tasks=task.pk).update(
        used_diskseq=task.confirmed_diskseq, used_boot_id=task.confirmed_boot_id
    )


def accept(task: Task, result: dict[str, Any]) -> None:
    """The card was read back and is right: it is the unit's one card."""
    card = Card.objects.filter(task=task, attempt=task.attempt, verdict=Card.Verdict.WRITING).first()
    if not card:
        raise Problem(422, "no_permit", _("A card that was never permitted cannot be accepted."))
    card.verdict = Card.Verdict.ACCEPTED
    card.facts = result
    card.written_bytes = int(_figure(result, "written_bytes", most=BIGGEST) or 0)
    card.write_rate = _figure(result, "write_rate")
    card.read_rate = _figure(result, "read_rate")
    card.ended_at = clock.now()
    card.save(update_fields=["verdict", "facts", "written_bytes", "write_rate", "read_rate", "ended_at"])


def _figure(result: dict[str, Any], name: str, most: float = FASTEST) -> float | None:
    """A figure of the result, if it is one that can be: hosts are believed, not their every word."""
    value = result.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if LEAST <= value <= most else None


def blame(task: Task, trouble: Trouble) -> None:
    """The attempt failed: its card is bad if it was the card's fault, else merely half-written."""
    if trouble["fault"] != Fault.CARD:
        return _end(task, Card.Verdict.ABANDONED, trouble)
    _end(task, Card.Verdict.BAD, trouble)
    bad = Card.objects.filter(task=task, attempt=task.attempt, verdict=Card.Verdict.BAD)
    for card in bad.select_related("slot"):
        suspicion.weigh(card)
    return None


def abandon(task: Task) -> None:
    """The attempt was stopped: its card is half-written, and may be used again."""
    _end(task, Card.Verdict.ABANDONED, None)


def _end(task: Task, verdict: Card.Verdict, trouble: Trouble | None) -> None:
    unfinished = Card.objects.filter(task=task, attempt=task.attempt, verdict=Card.Verdict.WRITING)
    unfinished.update(verdict=verdict, trouble=trouble, ended_at=clock.now(), facts={"step": task.step})
