"""Whose fault a bad card is: one card failing in two slots is bad itself; of two in one slot, the slot is."""

from __future__ import annotations

from typing import Final

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from imager import clock
from imager.api import Problem
from tasks_app.models import Card, Slot, SlotEvent
from workers.contract import PermitRequest, Step

# What a reader, its plug or its hub may have caused as well. A forged or worn card is one in any reader.
UNSURE: Final = ("bad_blocks", "io_error", "flush_failed", "stalled")
CERTAIN: Final = ("fake_capacity", "ignores_writes")
DIFFERENT_CARDS: Final = 2
STAMPED: Final = (Step.WRITING, Step.READING_BACK)  # steps in which a card carries the stamps of this writing
_LOOK_BACK: Final = 20  # cards of a slot; nobody inserts one dud that often


def identify(body: PermitRequest, serial: str) -> str:
    """What tells this physical card from all others, as far as anybody can tell.

    Its own number where the reader passes it on (`cid:…`); else the stamp that an earlier writing left on it
    and that leads to what we called it then; else it is new to us and gets its serial number's name.
    """
    told = body.get("card", "")
    if not told:
        return f"serial:{serial}"
    kind, _colon, number = told.partition(":")
    known = Card.objects.filter(stamp=number).order_by("permitted_at").first() if kind == "stamp" else None
    return known.identity if known else told


def refuse_condemned(identity: str) -> None:
    """Raise if this very card was found bad before, wherever it was inserted."""
    failed = Card.objects.filter(identity=identity, verdict=Card.Verdict.BAD)
    certain = failed.filter(trouble__code__in=CERTAIN).first()
    slots = failed.filter(trouble__code__in=UNSURE).values("slot").distinct().count()
    if certain or slots > 1:
        raise Problem(
            409,
            "card_condemned",
            _("This card was found bad before (as %(serial)s). Throw it away and insert another one.")
            % {"serial": certain.serial if certain else failed.order_by("-permitted_at")[0].serial},
        )


def weigh(card: Card) -> None:
    """A card has just been found bad: take its slot out of service if other cards failed there, too."""
    if (card.trouble or {}).get("code") not in UNSURE or _failed_elsewhere(card):
        return
    suspects = {_suspect(card)}
    for other in _before(card):
        if other.verdict == Card.Verdict.ACCEPTED:
            break
        if (other.trouble or {}).get("code") in UNSURE and not _failed_elsewhere(other):
            suspects.add(_suspect(other))
    if len(suspects) >= DIFFERENT_CARDS:
        quarantine(card.slot, note=_("%(count)d different cards failed here.") % {"count": len(suspects)})


def quarantine(slot: Slot, *, note: str, by: str = "server") -> None:
    """No card is confirmed in this slot until staff release it."""
    fresh = Slot.objects.filter(pk=slot.pk, quarantined_at=None)
    if fresh.update(quarantined_at=clock.now(), quarantine_note=note):
        SlotEvent.objects.create(slot=slot, what=SlotEvent.What.QUARANTINED, by=by, note=note)


def release_slot(slot: Slot, *, by: str) -> None:
    """Somebody has looked at the reader: it serves again, and what failed there before counts no more."""
    with transaction.atomic():
        held = Slot.objects.filter(pk=slot.pk, quarantined_at__isnull=False)
        if not held.update(quarantined_at=None, quarantine_note=""):
            raise Problem(
                409,
                "not_quarantined",
                _("Slot %(slot)s is not quarantined; nothing was changed.") % {"slot": slot.name},
            )
        SlotEvent.objects.create(slot=slot, what=SlotEvent.What.RELEASED, by=by)


def _suspect(card: Card) -> str:
    """What counts as one card. Failing before it is stamped, one is new to us each time: its size must do."""
    step = card.facts.get("step", "")
    if card.identity == f"serial:{card.serial}" and step and step not in STAMPED:
        return f"unstamped:{card.card_bytes}"
    return card.identity


def _failed_elsewhere(card: Card) -> bool:
    others = Card.objects.filter(identity=card.identity, verdict=Card.Verdict.BAD).exclude(slot=card.slot_id)
    return others.filter(trouble__code__in=(*UNSURE, *CERTAIN)).exists()


def _before(card: Card) -> list[Card]:
    """The cards that were in this slot before, the latest first, since it was last released."""
    ended = Card.objects.filter(
        slot=card.slot_id, verdict__in=[Card.Verdict.ACCEPTED, Card.Verdict.BAD]
    ).exclude(pk=card.pk)
    released = SlotEvent.objects.filter(slot=card.slot_id, what=SlotEvent.What.RELEASED)
    if since := released.aggregate(at=Max("at"))["at"]:
        ended = ended.filter(ended_at__gt=since)
    return list(ended.order_by("-ended_at")[:_LOOK_BACK])
