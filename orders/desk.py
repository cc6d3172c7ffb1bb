"""What staff do with an order at their desk: notes, priority, another address, the same again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from imager.accounts.models import User
from imager.lifecycle import IllegalMove
from orders import flow
from orders.addresses import recipient_in
from orders.lifecycle import FINAL
from orders.models import Configuration, Order, OrderNote, Priority
from orders.placing import place
from orders.recipients import Recipient, recipient_errors
from tasks_app import services as tasks

MAX_NOTE: Final = 2000


def note(order: Order, text: str, *, by: User) -> OrderNote:
    """Leave a note that members never see. Raises ValidationError for the field `text`."""
    text = text.strip()
    if not text:
        raise ValidationError({"text": _("Write something, or leave the note out.")})
    if len(text) > MAX_NOTE:
        sentence = _("At most %(limit)s characters; these are %(has)s.")
        raise ValidationError({"text": sentence % {"limit": MAX_NOTE, "has": len(text)}})
    return OrderNote.objects.create(order=order, by=by.email, text=text)


@transaction.atomic
def prioritize(order: Order, *, by: User, priority: int) -> Order:
    """Have the order's work done sooner, or later. Raises IllegalMove once it is over."""
    if priority not in Priority.values:
        raise ValidationError({"priority": _("Choose one of the priorities.")})
    order = flow.lock(order.pk)
    _refuse_over(order)
    if order.priority != priority:
        was, order.priority = order.get_priority_display(), priority
        order.save(update_fields=["priority"])
        tasks.prioritize_tasks(order, priority)
        _log(order, _("Priority: %(was)s → %(now)s.") % {"was": was, "now": order.get_priority_display()}, by)
    return order


@transaction.atomic
def readdress(order: Order, *, by: User, recipient: Recipient) -> Order:
    """Send the cards somewhere else. Raises ValidationError by field, or IllegalMove.

    That is possible until they are on their way.
    """
    errors = recipient_errors(recipient, needed=True)
    if errors:
        raise ValidationError(errors)
    order = flow.lock(order.pk)
    if order.kind != Order.Kind.PHYSICAL:
        raise IllegalMove(_("%(order)s is a download: nothing is sent.") % {"order": order})
    _refuse_over(order)
    fields = {f"recipient_{name}": value for name, value in asdict(recipient.tidy()).items()}
    changed = [name for name, value in fields.items() if getattr(order, name) != value]
    for name in changed:
        setattr(order, name, fields[name])
    if changed:
        order.save(update_fields=changed)
        labels = ", ".join(str(field.verbose_name) for field in Order._meta.fields if field.name in changed)
        _log(order, _("Changed before shipping: %(fields)s.") % {"fields": labels}, by)
    return order


@transaction.atomic
def recreate(order: Order, *, by: User, free: bool = True, key: str = "") -> tuple[Order, bool]:
    """The same again, with the configuration and the contents of today, and whether it is new.

    The old order stays as it is. It costs nothing unless `free` is false. The same `key` makes one, however
    often it comes. Raises ValidationError by field, IllegalMove when the configuration was deleted or the
    order was made anonymous, or IdempotencyConflict.
    """
    order = flow.lock(order.pk)
    if order.configuration is None or not _is_there(order.configuration):
        text = _("%(order)s cannot be made again: its configuration was deleted. Place a new order instead.")
        raise IllegalMove(text % {"order": order})
    again, created = place(
        order.configuration, by=by, kind=order.kind, media=order.media, quantity=order.quantity,
        recipient=recipient_in(order), free=free,
        idempotency_key=key or None, request_digest=f"again {order.pk}{'' if free else ' paid'}",
    )  # fmt: skip
    if not created:
        return again, False
    _log(order, _("Made again as %(order)s.") % {"order": again}, by)
    _log(again, _("Made again from %(order)s, with the contents of today.") % {"order": order}, by)
    return again, True


def offered(order: Order, *, to: User) -> dict[str, bool]:
    """What can be done with the order now, by that person."""
    over = order.status in FINAL
    physical = order.kind == Order.Kind.PHYSICAL
    return {
        "note": to.has_perm("orders.add_ordernote"),
        "prioritize": not over and to.has_perm("orders.prioritize_order"),
        "readdress": physical and not over and to.has_perm("orders.readdress_order"),
        "recreate": _is_there(order.configuration) and to.has_perm("orders.add_order"),
    }


def _is_there(configuration: Configuration | None) -> bool:
    return configuration is not None and configuration.deleted_at is None


def _refuse_over(order: Order) -> None:
    if order.status in FINAL:
        text = _("%(order)s is over: it is “%(status)s”.")
        raise IllegalMove(text % {"order": order, "status": order.get_status_display()})


def _log(order: Order, text: str, by: User) -> None:
    OrderNote.objects.create(order=order, by=by.email, text=text)
