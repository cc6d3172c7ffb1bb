"""The desk: notes, priority, another address, the same again."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from rest_framework.test import APIClient

from imager.accounts import leaving, ledger
from imager.lifecycle import IllegalMove
from orders import desk, keeping
from orders.models import Configuration, Content, Order, OrderNote, Priority
from orders.recipients import Recipient
from orders.services import cancel
from tasks_app import queries
from tasks_app.models import Task
from tests import factories as make
from workers.contract import Kind

pytestmark = pytest.mark.django_db

ELSEWHERE = Recipient(name="Moussa", address="Avenue 3\nKayes", country="ML")


def browser(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def place_of(order: Order) -> int | None:
    return queries.progress(order)[0].position


# --- notes


def test_members_never_see_notes(school):
    order = school.place()
    desk.note(order, "  canary: the school has not paid ", by=school.staff)

    assert order.notes.get().text == "canary: the school has not paid"
    api = APIClient()
    api.force_authenticate(school.member)
    for answer in (
        browser(school.member).get(order.get_absolute_url()),
        browser(school.member).get("/orders/"),
        api.get(f"/api/v1/orders/{order.pk}/"),
    ):
        assert answer.status_code == 200
        assert "canary" not in answer.content.decode()
        assert "For staff" not in answer.content.decode()
    assert "canary" in browser(school.staff).get(order.get_absolute_url()).content.decode()


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 2001])
def test_a_note_says_something_and_ends(school, text):
    order = school.place()
    with pytest.raises(ValidationError):
        desk.note(order, text, by=school.staff)
    page = browser(school.staff).post(f"/staff/orders/{order.pk}/note/", {"text": text}, follow=True)
    assert "note error" in page.content.decode()
    assert not OrderNote.objects.exists()


def test_who_leaves_is_taken_out_of_notes(school):
    order = school.place()
    clerk = make.clerk("support", email="clerk@example.org")
    desk.note(order, "hello", by=clerk)
    leaving.delete(clerk)
    assert order.notes.get().by == "—"


# --- priority


def test_an_urgent_order_comes_first_and_members_see_their_place_change(school):
    first, second, third = school.place(), school.place(), school.place()
    assert [place_of(order) for order in (first, second, third)] == [1, 2, 3]
    Task.objects.update(rung_at="2026-01-01T00:00Z")

    desk.prioritize(third, by=school.staff, priority=Priority.URGENT)

    assert [place_of(order) for order in (first, second, third)] == [2, 3, 1]
    assert third.tasks.get().rung_at is None  # it is rung for anew, before the others
    assert "normal → urgent" in third.notes.get().text
    desk.prioritize(first, by=school.staff, priority=Priority.LOW)
    assert [place_of(order) for order in (first, second, third)] == [3, 2, 1]


def test_what_follows_is_as_urgent(school, line):
    order = school.place(quantity=2)
    desk.prioritize(order, by=school.staff, priority=Priority.URGENT)
    line.build(order)
    line.download(order)
    assert set(order.tasks.values_list("kind", "priority")) == {
        ("create", 10),
        ("download", 10),
        ("write", 10),
    }


def test_a_card_goes_to_the_urgent_order_first(school, line):
    early, late = school.place(), school.place()
    for order in (early, late):
        line.build(order)
        line.download(order)
    desk.prioritize(late, by=school.staff, priority=Priority.URGENT)
    line.insert(late, 1)  # asserts that the confirmed card is the late order's


def test_an_order_that_is_over_has_no_priority(school):
    order = school.place()
    cancel(order, by=school.staff)
    with pytest.raises(IllegalMove):
        desk.prioritize(order, by=school.staff, priority=Priority.URGENT)
    for wrong in ("", "7", "x" * 999):
        page = browser(school.staff).post(
            f"/staff/orders/{order.pk}/priority/", {"priority": wrong}, follow=True
        )
        assert "Choose one of the priorities" in page.content.decode()


# --- address


def test_the_address_changes_before_shipping(school, line):
    order = school.place()
    client = browser(make.clerk("support"))
    url = f"/staff/orders/{order.pk}/address/"
    assert "Awa Diop" in client.get(url).content.decode()

    form = {"name": "Moussa", "address": "Avenue 3", "country": "ML", "email": "", "phone": ""}
    assert client.post(url, form).status_code == 302

    order.refresh_from_db()
    assert (order.recipient_name, order.recipient_address, order.recipient_email) == (
        "Moussa",
        "Avenue 3",
        "",
    )
    assert "Changed before shipping: recipient, recipient's e-mail" in order.notes.get().text
    assert client.post(url, {**form, "country": "XX"}).status_code == 422
    assert client.post(url, {**form, "address": ""}).status_code == 422


def test_no_address_for_downloads_or_for_what_is_over(school):
    download, gone = school.place(kind="virtual"), school.place()
    cancel(gone, by=school.staff)
    for order in (download, gone):
        with pytest.raises(IllegalMove):
            desk.readdress(order, by=school.staff, recipient=ELSEWHERE)
    with pytest.raises(ValidationError, match="country"):
        desk.readdress(school.place(), by=school.staff, recipient=Recipient(name="x", address="y"))


# --- the same again


def test_made_again_with_the_contents_of_today(school, line):
    order = school.place(quantity=2)
    line.fail(line.claim(line.task(order, Kind.CREATE)))
    school.configuration.contents.remove(Content.objects.get(title="Wikipedia"))

    answer = browser(make.clerk("support")).post(f"/staff/orders/{order.pk}/recreate/", {"free": "yes"})

    again = Order.objects.exclude(pk=order.pk).get()
    assert answer.url == again.get_absolute_url()
    assert [content["title"] for content in again.contents] == ["Gutenberg"]
    assert (again.quantity, again.units, again.recipient_name) == (2, 0, "Awa Diop")
    assert (again.status, again.organization) == ("placed", order.organization)
    order.refresh_from_db()
    assert order.status == "failed"
    assert [note.text for note in order.notes.all()] == [f"Made again as {again}."]


def test_again_costs_nothing_though_there_are_no_units_left(school):
    order = school.place()
    school.organization.limited = True
    school.organization.save()
    before = ledger.purse(school.organization)

    desk.recreate(order, by=school.staff)

    assert ledger.purse(school.organization) == before
    with pytest.raises(ValidationError, match="units"):
        desk.recreate(order, by=school.staff, free=False)


def test_without_its_configuration_nothing_can_be_made_again(school):
    order = school.place()
    school.configuration.delete()
    with pytest.raises(IllegalMove, match="its configuration was deleted"):
        desk.recreate(order, by=school.staff)


# --- who


@pytest.mark.parametrize("what", ["note", "priority", "address", "recreate"])
@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ("member", set()),
        ("nobody", set()),
        ("operator", {"note"}),
        ("support", {"note", "priority", "address", "recreate"}),
    ],
)
def test_who_may(school, what, who, allowed):
    order = school.place()
    user = {"member": lambda: school.member, "nobody": lambda: make.user(role="staff")}.get(
        who, lambda: make.clerk(who)
    )()
    fields = {"text": "x", "priority": "10", "name": "x", "address": "y", "country": "ML"}
    answer = browser(user).post(f"/staff/orders/{order.pk}/{what}/", fields)
    assert (answer.status_code == 302) == (what in allowed)
    assert Order.objects.count() == 1 + (what == "recreate" and what in allowed)


def test_a_form_that_is_sent_twice_makes_one_order(school):
    order = school.place()
    first, _ = desk.recreate(order, by=school.staff, key="once")

    assert desk.recreate(order, by=school.staff, key="once") == (first, False)
    assert Order.objects.count() == 2
    page = browser(school.staff).get(order.get_absolute_url()).content.decode()
    assert 'name="key" value="' in page


def test_a_deleted_configuration_is_not_ordered_again(school):
    order = school.place()
    keeping.delete(school.configuration)
    with pytest.raises(IllegalMove, match="was deleted"):
        desk.recreate(order, by=school.staff)
    with pytest.raises(ValidationError, match="was deleted"):
        school.place(configuration=Configuration.objects.get())
