"""Units in and out of an organization's ledger. Whoever writes an entry holds the organization's row.

Lock an order's row before its organization's, as everywhere: then no two of us wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from imager.accounts.models import Organization, UnitEntry, User
from imager.lifecycle import IllegalMove

MOST: Final = 1_000_000_000  # units in one grant: far more than anybody orders
MAX_NOTE: Final = 300

Kind = UnitEntry.Kind


class Costly(Protocol):
    """What the ledger knows of an order."""

    pk: UUID
    organization_id: int
    units: int


class ShortOfUnits(IllegalMove):
    """The order costs more than the organization has."""

    code = "short_of_units"


@dataclass(frozen=True)
class Purse:
    """What an organization has left, and what its orders under way hold."""

    balance: int
    reserved: int
    limited: bool
    last: int = 0  # the number of the last entry


def purse(organization: Organization) -> Purse:
    """The organization's units, as its last entry tells them."""
    last = _last(organization.pk)
    return Purse(
        last.balance if last else 0,
        last.reserved if last else 0,
        organization.limited,
        last.number if last else 0,
    )


@transaction.atomic
def reserve(order: Costly, *, by: str) -> UnitEntry | None:
    """Take what the order costs from the balance, and hold it. Raises ShortOfUnits; then nothing changed.

    None: it costs nothing, or holds its units already.
    """
    organization = hold(order.organization_id)
    if not order.units or _open(order):
        return None
    last = _last(organization.pk)
    balance = last.balance if last else 0
    if organization.limited and balance < order.units:
        raise ShortOfUnits(shortage(organization, cost=order.units, balance=balance))
    return _write(
        organization, Kind.RESERVE, -order.units, order.units, by=by, order=order, round_=_rounds(order) + 1
    )


@transaction.atomic
def charge(order: Costly, *, by: str) -> UnitEntry | None:
    """The order succeeded: what it held is spent. None: it holds nothing."""
    return _end(order, Kind.CHARGE, by=by)


@transaction.atomic
def refund(order: Costly, *, by: str) -> UnitEntry | None:
    """The order did not succeed: what it held is given back. None: it holds nothing."""
    return _end(order, Kind.REFUND, by=by)


@transaction.atomic
def grant(
    organization: Organization, *, units: int, by: User | str, note: str, last: int | None = None
) -> UnitEntry:
    """Staff, or a program by its name, give units (more than 0) or correct the balance (below 0).

    Raises ValidationError per field.

    `last`: the last entry that they saw; if another was written since, theirs may be in the ledger already.
    """
    organization = hold(organization.pk)
    now = purse(organization)
    if last is not None and last != now.last:
        raise ValidationError(
            _("The ledger has new entries since you looked. Read them, then enter yours again.")
        )
    balance = now.balance
    errors = {"units": _units(organization, units, balance), "note": _note(note)}
    refused = {field: sentence for field, sentence in errors.items() if sentence}
    if refused:
        raise ValidationError(refused)
    kind = Kind.GRANT if units > 0 else Kind.ADJUST
    who = by if isinstance(by, str) else by.email
    return _write(organization, kind, units, 0, by=who, note=note.strip())


def shortage(organization: Organization, *, cost: int, balance: int) -> str:
    """Why an order cannot be paid, in words."""
    sentence = _(
        "This costs %(cost)s units; %(organization)s has %(balance)s. "
        "Order less or a smaller size, or ask the staff for more units."
    )
    return sentence % {"cost": cost, "organization": organization, "balance": balance}


def hold(organization_id: int) -> Organization:
    """The organization, locked against other entries and orders until the transaction ends.

    Rows that point to it may still be inserted meanwhile: else two new orders would wait for each other.
    """
    return Organization.objects.select_for_update(no_key=True, of=("self",)).get(pk=organization_id)


def _end(order: Costly, kind: UnitEntry.Kind, *, by: str) -> UnitEntry | None:
    organization = hold(order.organization_id)
    reservation = _open(order)
    if reservation is None:
        return None
    units = reservation.held if kind == Kind.REFUND else 0
    return _write(organization, kind, units, -reservation.held, by=by, order=order, round_=reservation.round)


def _open(order: Costly) -> UnitEntry | None:
    """The order's reservation that has not ended yet."""
    last = UnitEntry.objects.filter(order=order.pk).order_by("-number").first()
    return last if last and last.kind == Kind.RESERVE else None


def _rounds(order: Costly) -> int:
    return UnitEntry.objects.filter(order=order.pk, kind=Kind.RESERVE).count()


def _last(organization_id: int) -> UnitEntry | None:
    return UnitEntry.objects.filter(organization=organization_id).order_by("-number").first()


def _write(
    organization: Organization,
    kind: UnitEntry.Kind,
    units: int,
    held: int,
    *,
    by: str,
    order: Costly | None = None,
    round_: int = 0,
    note: str = "",
) -> UnitEntry:
    last = _last(organization.pk)
    return UnitEntry.objects.create(
        organization=organization,
        number=last.number + 1 if last else 1,
        kind=kind,
        units=units,
        held=held,
        balance=(last.balance if last else 0) + units,
        reserved=(last.reserved if last else 0) + held,
        limited=organization.limited,
        order_id=order.pk if order else None,
        round=round_,
        by=by,
        note=note,
    )


def _units(organization: Organization, units: int, balance: int) -> str:
    if not units:
        return _("Enter how many units to give, or below 0 how many to take back.")
    if abs(units) > MOST:
        return _("At most %(limit)s units at a time; you entered %(has)s.") % {"limit": MOST, "has": units}
    if organization.limited and units < 0 and balance + units < 0:
        sentence = _("%(organization)s has %(balance)s units: no more than that can be taken back.")
        return sentence % {"organization": organization, "balance": balance}
    return ""


def _note(note: str) -> str:
    if not note.strip():
        return _("Say what it is for: members read it in their ledger.")
    if len(note.strip()) > MAX_NOTE:
        return _("At most %(limit)s characters.") % {"limit": MAX_NOTE}
    return ""
