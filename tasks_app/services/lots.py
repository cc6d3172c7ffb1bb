"""From which lot the cards are that a station is fed with."""

from __future__ import annotations

from typing import Final

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from imager.api import Problem
from tasks_app.models import Host, Lot

LONGEST: Final = 60


def use_lot(host: Host, *, brand: str, name: str) -> Lot | None:
    """Cards that are begun at this host from now on are of this lot; of none without a brand."""
    brand, name = _plain(brand), _plain(name)
    if name and not brand:
        raise Problem(422, "no_brand", _("Name the brand of the cards, too, not only the lot."))
    for text in (brand, name):
        if len(text) > LONGEST:
            raise Problem(
                422, "too_long", _("Brand and lot have at most %(most)d characters each.") % {"most": LONGEST}
            )
    lot = _lot(brand, name) if brand else None
    Host.objects.filter(pk=host.pk).update(lot=lot)
    return lot


def _plain(text: str) -> str:
    return " ".join(text.replace("\x00", "").split())


def _lot(brand: str, name: str) -> Lot:
    """The lot of that name, however it is capitalized."""
    same = Lot.objects.filter(brand__iexact=brand, name__iexact=name)
    try:
        with transaction.atomic():
            return same.first() or Lot.objects.create(brand=brand, name=name)
    except IntegrityError:  # somebody was faster
        return same.get()
