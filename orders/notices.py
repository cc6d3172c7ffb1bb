"""Which move of an order sends which mail, and to whom. No mail holds a password."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from orders import countries
from orders.lifecycle import OrderStatus
from orders.models import Order
from orders.queries import has_torrent
from tasks_app import outbox
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Task
from workers.contract import IMAGE_SUFFIX, TORRENT_SUFFIX, Kind


@dataclass(frozen=True)
class Addressee:
    """Who gets a mail, and in which language."""

    email: str
    language: str = "en"


def tell(order: Order) -> None:
    """Post the mails of the order's last move. In that move's transaction; each is sent once."""
    if order.status not in _MAILS:
        return
    template, addressees = _MAILS[order.status]
    words = {"quantity": _cards_needed(order)} if order.status == OrderStatus.WRITING else {}
    if words.get("quantity") == 0:
        return  # it was retried while its image is on the way to another station: `ask_for_cards` follows
    move = order.moves.latest("pk")
    told: set[str] = set()
    for addressee in addressees(order):
        if addressee.email and addressee.email not in told:
            told.add(addressee.email)
            outbox.post(
                "mail",
                dedupe=f"order-move-{move.pk}-{addressee.email}",
                payload=_mail(order, template, addressee, **words),
            )


def ask_for_cards(order: Order, *, cards: int, download: Task) -> None:
    """The image has come to another station: its operator is told that cards are needed there now."""
    for addressee in _operator(order):
        if addressee.email:
            outbox.post(
                "mail",
                dedupe=f"download-{download.pk}-{download.attempt}-{addressee.email}",
                payload=_mail(order, "insert_card", addressee, quantity=cards),
            )


def download_url(order: Order) -> str:
    """The public address of a finished download."""
    return _address("download", order.download_token, order.image_name + IMAGE_SUFFIX)


def torrent_url(order: Order) -> str:
    """The public address of its torrent, which leads to the same download; empty if there is none."""
    if not has_torrent(order):
        return ""
    return _address("download", order.download_token, order.image_name + TORRENT_SUFFIX)


def _mail(order: Order, template: str, addressee: Addressee, **words: Any) -> dict[str, Any]:
    """A mail in the outbox's shape. The first line of the template is the subject."""
    with translation.override(addressee.language):
        text = render_to_string(f"mail/{template}.txt", {**_words(order), **words})
    subject, _, body = text.strip().partition("\n")
    mail: dict[str, Any] = {
        "to": [addressee.email],
        "subject": " ".join(subject.split()),
        "body": body.strip() + "\n",
    }
    return mail | ({"reply_to": [settings.SUPPORT_EMAIL]} if settings.SUPPORT_EMAIL else {})


def _words(order: Order) -> dict[str, Any]:
    """What the templates may say. Nothing secret."""
    return {
        "order": order,
        "quantity": order.quantity,
        "name": " ".join(order.name.split()),
        "order_url": settings.PUBLIC_URL + order.get_absolute_url(),
        "station_url": _station_url(order),
        "download_url": download_url(order),
        "torrent_url": torrent_url(order) if order.kind == Order.Kind.VIRTUAL else "",
        "country": countries.name_of(order.recipient_country),
        "support": settings.SUPPORT_EMAIL,
    }


def _address(name: str, *args: str) -> str:
    return str(settings.PUBLIC_URL + reverse(name, args=args))


def _cards_needed(order: Order) -> int:
    """Units that wait for a card at a station: all of them at first, after a retry those that failed."""
    waiting = order.tasks.filter(kind=Kind.WRITE, status=TaskStatus.WAITING, host__isnull=False)
    return waiting.count()


def _station_url(order: Order) -> str:
    host = _host(order)
    return _address("station", host.name) if host else ""


def _host(order: Order) -> Host | None:
    """The writer host that works for the order, once there is one: the last that downloads its image."""
    hosts = Host.objects.filter(tasks__order=order, tasks__kind=Kind.DOWNLOAD).select_related("account")
    return hosts.order_by("-tasks__unit").first()


def _orderer(order: Order) -> Iterator[Addressee]:
    person = order.created_by
    spoken = order.organization.language
    if person and person.is_active:
        yield Addressee(person.email, person.language or spoken)
    else:
        yield Addressee(order.organization.email, spoken)


def _recipient(order: Order) -> Iterator[Addressee]:
    yield Addressee(order.recipient_email, order.organization.language)


def _support(_order: Order) -> Iterator[Addressee]:
    yield Addressee(settings.SUPPORT_EMAIL)


def _operator(order: Order) -> Iterator[Addressee]:
    """Whoever stands at the writer host; support, if nobody is named there."""
    host = _host(order)
    if host and host.operator_email:
        yield Addressee(host.operator_email, host.account.language or settings.LANGUAGE_CODE)
    else:
        yield from _support(order)


def _orderer_and_recipient(order: Order) -> Iterator[Addressee]:
    yield from _recipient(order)
    yield from _orderer(order)


def _orderer_and_support(order: Order) -> Iterator[Addressee]:
    yield from _orderer(order)
    yield from _support(order)


_MAILS: Final[dict[str, tuple[str, Callable[[Order], Iterator[Addressee]]]]] = {
    OrderStatus.PLACED: ("placed", _orderer),
    OrderStatus.WRITING: ("insert_card", _operator),
    OrderStatus.READY_TO_SHIP: ("ready_to_ship", _operator),
    OrderStatus.SHIPPED: ("shipped", _orderer_and_recipient),
    OrderStatus.AVAILABLE: ("available", _orderer_and_recipient),
    OrderStatus.FAILED: ("failed", _orderer_and_support),
}
