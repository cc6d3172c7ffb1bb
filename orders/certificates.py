"""What anybody may know about a card that was verified: no people, no places, no passwords, no names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import qrcode
from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from qrcode.image.svg import SvgPathImage

from tasks_app.models import Card
from workers.contract import MANIFEST_SUFFIX, Kind

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Certificate:
    """A card, and what was proved of it. Digests are SHA-256 in hex; empty where nobody told them."""

    card: Card
    contents: list[dict[str, Any]]  # title and size, as ordered
    image_bytes: int
    read_back: str
    image: str
    manifest: str
    rewritten: int


def certified() -> QuerySet[Card]:
    """The cards that have a certificate."""
    return Card.objects.filter(verdict=Card.Verdict.ACCEPTED)


def certificate_of(key: str) -> Certificate:
    """Raises Card.DoesNotExist. Two queries."""
    cards = certified().select_related("task", "order__media").defer("order__recipe")
    card = cards.get(certificate_key=key)
    built = card.order.tasks.filter(kind=Kind.CREATE).values_list("result", flat=True).first()
    rewritten = card.facts.get("rewritten_ranges")
    return Certificate(
        card=card,
        contents=[{"title": one["title"], "size": one["size"]} for one in card.order.contents],
        image_bytes=card.order.image_bytes,
        read_back=_digest(card.facts.get("read_back_sha256")),
        image=_digest((built or {}).get("image_sha256")),
        manifest=_manifest(card.task.spec.get("files", [])),
        rewritten=rewritten if type(rewritten) is int else 0,
    )


def address_of(card: Card) -> str:
    """The public address of a card's certificate."""
    return str(settings.PUBLIC_URL + reverse("certificate", args=[card.certificate_key]))


def code_of(card: Card) -> bytes:
    """The address as a QR code, in SVG."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, image_factory=SvgPathImage)
    code.add_data(address_of(card))
    return bytes(code.make_image().to_string())


def _digest(told: object) -> str:
    """Hosts told it: it is shown only if it is one."""
    return told if isinstance(told, str) and _DIGEST.fullmatch(told) else ""


def _manifest(files: list[dict[str, Any]]) -> str:
    return next((_digest(file["sha256"]) for file in files if file["name"].endswith(MANIFEST_SUFFIX)), "")
