"""What the facts are called that hosts tell of images, cards and devices, and how their values read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from imager.sizes import words as size
from tasks_app.causes import CAUSES, cause
from tasks_app.templatetags.pace import rate
from tasks_app.words import FAULTS, OUTCOMES, STEPS

NAMES: Final = {
    "answer": pgettext_lazy("facts", "answer"),
    "arguments": pgettext_lazy("facts", "of what"),
    "attempt": pgettext_lazy("facts", "attempt"),
    "body": pgettext_lazy("facts", "text"),
    "boot_id": pgettext_lazy("facts", "start of the host"),
    "buckets": pgettext_lazy("facts", "calls by duration: up to 1, 2, 4, 8 … ms"),
    "calls": pgettext_lazy("facts", "calls"),
    "card": pgettext_lazy("facts", "card"),
    "card_bytes": pgettext_lazy("facts", "size of the card"),
    "cc": pgettext_lazy("facts", "copy to"),
    "code": pgettext_lazy("facts", "cause"),
    "depth": pgettext_lazy("facts", "calls at once, at the end"),
    "device": pgettext_lazy("facts", "device"),
    "diskseq": pgettext_lazy("facts", "insertion"),
    "done": pgettext_lazy("facts", "done so far"),
    "eta": pgettext_lazy("facts", "seconds left"),
    "event_id": pgettext_lazy("facts", "identifier of the report"),
    "fault": pgettext_lazy("facts", "whose fault"),
    "files": pgettext_lazy("facts", "files"),
    "follows": pgettext_lazy("facts", "insertion before"),
    "image_sha256": pgettext_lazy("facts", "SHA-256 of the image"),
    "image_size": pgettext_lazy("facts", "size of the image"),
    "length": pgettext_lazy("facts", "length"),
    "link_speed": pgettext_lazy("facts", "speed of the link, Mbit/s"),
    "log": pgettext_lazy("facts", "log"),
    "longest_ms": pgettext_lazy("facts", "longest call"),
    "mapped_bytes": pgettext_lazy("facts", "in use within the image"),
    "message": pgettext_lazy("facts", "what the host said"),
    "min_read_rate": pgettext_lazy("facts", "least speed of reading"),
    "min_write_rate": pgettext_lazy("facts", "least speed of writing"),
    "model": pgettext_lazy("facts", "model"),
    "name": pgettext_lazy("facts", "name"),
    "node": pgettext_lazy("facts", "device file"),
    "number": pgettext_lazy("facts", "number of the device"),
    "offset": pgettext_lazy("facts", "from"),
    "outcome": pgettext_lazy("facts", "outcome"),
    "over_1s": pgettext_lazy("facts", "calls over a second"),
    "p50_ms": pgettext_lazy("facts", "half of the calls: at most"),
    "p99_ms": pgettext_lazy("facts", "99 of 100 calls: at most"),
    "per_card": pgettext_lazy("facts", "of this card alone"),
    "place": pgettext_lazy("facts", "place in the system"),
    "port": pgettext_lazy("facts", "USB port"),
    "progress": pgettext_lazy("facts", "progress"),
    "ranges": pgettext_lazy("facts", "ranges"),
    "rate": pgettext_lazy("facts", "speed"),
    "read_back_sha256": pgettext_lazy("facts", "SHA-256 of what was read back"),
    "read_latency": pgettext_lazy("facts", "reading calls"),
    "read_rate": pgettext_lazy("facts", "speed of reading"),
    "reply_to": pgettext_lazy("facts", "answers to"),
    "result": pgettext_lazy("facts", "result"),
    "returns": pgettext_lazy("facts", "resets of the reader"),
    "rewritten_ranges": pgettext_lazy("facts", "blocks written again"),
    "serial": pgettext_lazy("facts", "serial number"),
    "sha256": pgettext_lazy("facts", "SHA-256"),
    "signing_key": pgettext_lazy("facts", "public key of the builder"),
    "size": pgettext_lazy("facts", "size"),
    "skipped_bytes": pgettext_lazy("facts", "right on the card already"),
    "slot": pgettext_lazy("facts", "slot"),
    "source": pgettext_lazy("facts", "source"),
    "stamp": pgettext_lazy("facts", "stamp"),
    "stamps": pgettext_lazy("facts", "stamps in free space, found again"),
    "step": pgettext_lazy("facts", "step"),
    "subject": pgettext_lazy("facts", "subject"),
    "text": pgettext_lazy("facts", "text"),
    "to": pgettext_lazy("facts", "to"),
    "torrent": pgettext_lazy("facts", "with a torrent"),
    "total": pgettext_lazy("facts", "in all"),
    "trouble": pgettext_lazy("facts", "trouble"),
    "unit": pgettext_lazy("facts", "unit"),
    "warehouse": pgettext_lazy("facts", "warehouse"),
    "write_latency": pgettext_lazy("facts", "writing calls"),
    "write_rate": pgettext_lazy("facts", "speed of writing"),
    "written_bytes": pgettext_lazy("facts", "written"),
}

_SIZES: Final = {"image_size", "size", "length", "offset"}
_RATES: Final = {"rate"}
_WORDS: Final[dict[str, Callable[[str], Any]]] = {
    "code": lambda code: f"{cause(code)} ({code})" if code in CAUSES else code,
    "fault": lambda fault: FAULTS.get(fault, fault),
    "outcome": lambda outcome: OUTCOMES.get(outcome, outcome),
    "step": lambda step: {str(one): words for one, words in STEPS.items()}.get(step, step),
}


def name_of(fact: str) -> str:
    """In words; a fact of a newer host as well as can be."""
    return str(NAMES.get(fact, fact.replace("_", " ")))


def value_of(fact: str, value: Any) -> str:
    """A single value as people write it: sizes, speeds, durations and codes by the fact's name."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, str):
        return str(_WORDS[fact](value)) if fact in _WORDS else value
    if fact in _SIZES or fact.endswith("_bytes"):
        return size(value)
    if fact in _RATES or fact.endswith("_rate"):
        return rate(value) or "–"
    if fact.endswith("_ms"):
        return str(_("%(count)s ms") % {"count": number_format(value)})
    return str(number_format(value))
