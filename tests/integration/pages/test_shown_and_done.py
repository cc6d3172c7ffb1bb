"""R15: looking changes nothing, however often and whoever looks; a button pressed ten times acts once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse

from orders.models import Order
from tasks_app import services as tasks
from tasks_app.models import Outbox, Slot
from tests import factories as make
from tests.integration.pages.conftest import HTMX
from tests.together import together
from workers.contract import Kind

TIMES = 10
ROOMS = ("orders", "tasks_app", "warehouse")


def everything() -> dict[str, list[Any]]:
    """All rows of our rooms."""
    models = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}


def waiting(school, line) -> tuple[Order, Slot]:
    """Two cards are asked for; one lies in the slot."""
    return asked_for(school, line), make.slot(line.writer, "A")


def asked_for(school, line) -> Order:
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    return order


def failed(school, line) -> Order:
    order = school.place()
    line.fail(line.claim(line.task(order, Kind.CREATE)))
    return order


def finished(school, line) -> Order:
    order = school.place()
    line.build(order)
    line.download(order)
    line.write(order, 1)
    return order


Act = tuple[str, dict[str, Any], Callable[[], list[Any]]]


def confirm(school, line) -> Act:
    order, slot = waiting(school, line)
    url = reverse("station_confirm", args=[line.writer.name, slot.name])
    seen = {"diskseq": slot.diskseq, "boot_id": slot.boot_id}
    return url, seen, lambda: list(order.tasks.filter(kind=Kind.WRITE).values_list("unit", "status"))


def cancel(school, line) -> Act:
    order = school.place()
    return reverse("order_cancel", args=[order.pk]), {}, lambda: moves(order)


def retry(school, line) -> Act:
    order = failed(school, line)
    return reverse("order_retry", args=[order.pk]), {}, lambda: moves(order)


def ship(school, line) -> Act:
    order = finished(school, line)
    return reverse("order_ship", args=[order.pk]), {"tracking": "Post 1"}, lambda: moves(order)


def moves(order: Order) -> list[str]:
    return [move.went_to for move in order.moves.all()]


ACTIONS = {
    confirm: [(1, "queued"), (2, "waiting")],
    cancel: ["placed", "canceled"],
    retry: ["placed", "creating", "failed", "creating"],
    ship: ["placed", "creating", "downloading", "writing", "ready_to_ship", "shipped"],
}


@pytest.mark.django_db
@pytest.mark.parametrize("who", ["staff", "nobody"])
def test_r15_links_of_mails_and_pages_of_actions_change_nothing_when_they_are_fetched(
    school, line, browse, who, settings
):
    """As the scanner of a mail server does, or a browser that looks ahead."""
    shipped = finished(school, line)
    order, _ = waiting(school, line)
    make.slot(line.writer, "B", problem="The card is write-protected.")
    failed(school, line)
    urls = {url for mail in Outbox.objects.all() for url in linked(mail.payload["body"], settings.PUBLIC_URL)}
    urls |= {f"/orders/{one.pk}/{verb}" for one in (order, shipped) for verb in ("", "cancel/", "ship/")}
    urls |= {"/station/", f"/station/{line.writer.name}/", f"/station/{line.writer.name}/A/confirm/"}
    client = browse(school.staff if who == "staff" else None)
    before = everything()

    for url in sorted(urls):
        for number in range(TIMES):
            answer = client.get(url, headers=HTMX if number % 2 else {})
            acts = url.endswith(("/cancel/", "/ship/", "/confirm/"))
            assert answer.status_code in ((405,) if acts and who == "staff" else (200, 302)), url
            assert client.head(url).status_code == answer.status_code

    assert everything() == before
    assert f"/station/{line.writer.name}/" in urls, "the operator's mail has a link"


def linked(text: str, root: str) -> list[str]:
    return [url.removeprefix(root) for url in re.findall(r"https?://\S+", text) if url.startswith(root)]


@pytest.mark.django_db
@pytest.mark.parametrize("action", ACTIONS)
def test_r15_a_button_pressed_ten_times_acts_once(school, line, staff, action):
    url, body, outcome = action(school, line)
    staff.post(url, body)
    assert outcome() == ACTIONS[action]
    once = everything()

    answers = [staff.post(url, body).status_code for _ in range(TIMES - 1)]

    assert answers == [302] * (TIMES - 1)
    assert everything() == once


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("action", ACTIONS)
def test_r15_a_button_pressed_ten_times_at_once_acts_once(school, line, browse, action):
    url, body, outcome = action(school, line)
    clients = [browse(school.staff) for _ in range(TIMES)]

    def press(client: Client) -> int:
        return client.post(url, body).status_code

    answers = together(*(lambda client=client: press(client) for client in clients))

    assert answers == [302] * TIMES
    assert outcome() == ACTIONS[action]
    mails = [mail.dedupe for mail in Outbox.objects.all()]
    assert len(mails) == len(set(mails))


@pytest.mark.django_db
def test_r15_an_old_page_confirms_no_other_card(school, line, staff):
    """The page of the first card is still open when its card is done and the next one is inserted."""
    _, slot = waiting(school, line)
    url = reverse("station_confirm", args=[line.writer.name, slot.name])
    seen = {"diskseq": slot.diskseq, "boot_id": slot.boot_id}
    staff.post(url, seen)
    tasks.cancel_tasks(slot.tasks.get().order, by="staff")
    order = asked_for(school, line)
    Slot.objects.filter(pk=slot.pk).update(diskseq=slot.diskseq + 1)

    staff.post(url, seen)

    assert set(order.tasks.filter(kind=Kind.WRITE).values_list("status", flat=True)) == {"waiting"}
