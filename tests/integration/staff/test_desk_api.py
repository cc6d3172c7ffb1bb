"""The desk over HTTP: what the page does, by program; refusals are problems, and members find nothing."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from orders import desk
from orders.models import Order, Priority
from orders.services import cancel
from tests import factories as make
from tests.integration.orders.conftest import api

__all__ = ["api"]

pytestmark = pytest.mark.django_db

ADDRESS = {"recipient_name": "Moussa", "recipient_address": "Avenue 3", "recipient_country": "ML"}


@pytest.fixture
def support(school, api):
    return api(make.clerk("support", email="clerk@example.org"))


def url(order: Order, what: str) -> str:
    return f"/api/v1/orders/{order.pk}/{what}/"


def test_what_lies_on_the_desk(school, support, api):
    order = school.place()
    desk.note(order, "paid by cheque", by=school.staff)
    told = support.get(url(order, "desk")).data
    assert (told["priority"], told["notes"]) == ("normal", 1)
    assert told["offered"] == dict.fromkeys(("note", "prioritize", "readdress", "recreate"), True)

    cancel(order, by=school.staff)
    told = support.get(url(order, "desk")).data
    assert told["offered"] == {"note": True, "prioritize": False, "readdress": False, "recreate": True}
    told = api(make.clerk("operator")).get(url(order, "desk")).data
    assert told["offered"] == {"note": True, "prioritize": False, "readdress": False, "recreate": False}


def test_notes_are_left_and_read_page_by_page(school, support):
    order = school.place()
    for text in ("one", "  two  ", "three"):
        answer = support.post(url(order, "notes"), {"text": text})
        assert (answer.status_code, answer.data["by"]) == (201, "clerk@example.org")
    page = support.get(f"{url(order, 'notes')}?page_size=2").data
    assert (page["count"], [note["text"] for note in page["results"]]) == (3, ["one", "two"])
    assert [note["text"] for note in support.get(page["next"]).data["results"]] == ["three"]


def test_a_priority_by_its_name(school, support):
    order = school.place()
    assert support.post(url(order, "prioritize"), {"priority": "urgent"}).data["priority"] == "urgent"
    order.refresh_from_db()
    assert (order.priority, order.tasks.get().priority) == (Priority.URGENT, Priority.URGENT)
    assert "normal → urgent" in order.notes.get().text


def test_another_address(school, support):
    order = school.place()
    answer = support.post(url(order, "readdress"), {**ADDRESS, "recipient_phone": "20 22 52 29"})
    assert (answer.status_code, answer.data["recipient_name"]) == (200, "Moussa")
    assert answer.data["recipient_phone"] == "+223 20 22 52 29"
    assert answer.data["recipient_email"] == ""  # the whole address: what is left out is empty


def test_the_same_again_once_for_a_key(school, support):
    order = school.place(quantity=2)
    answers = [
        support.post(url(order, "recreate"), {}, headers={"Idempotency-Key": key}) for key in ("k", "k", "l")
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 201]
    assert answers[0].data["id"] == answers[1].data["id"] != answers[2].data["id"]
    assert Order.objects.count() == 3
    assert Order.objects.get(pk=answers[0].data["id"]).units == 0
    other = support.post(url(school.place(), "recreate"), {}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.data["code"]) == (422, "idempotency_conflict")
    other = support.post(url(order, "recreate"), {"free": False}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.data["code"]) == (422, "idempotency_conflict")
    paid = support.post(url(order, "recreate"), {"free": False})
    assert Order.objects.get(pk=paid.data["id"]).units == order.units > 0


@pytest.mark.parametrize(
    ("what", "body", "field", "sentence"),
    [
        ("notes", {"text": " "}, "text", "“text” is empty: fill it in."),
        ("notes", {"text": "x" * 2001}, "text", "“text” has at most 2000 characters: shorten it."),
        ("notes", {"text": 0}, "text", "“text” must be text, between quotation marks."),
        ("prioritize", {"priority": 10}, "priority", "“priority” must be one of urgent, normal, low."),
        ("readdress", {}, "recipient_name", "Needed to send the cards: fill it in."),
        (
            "readdress",
            {**ADDRESS, "recipient_country": "XX"},
            "recipient_country",
            "Not a country code. Use two capital letters, for example ML.",
        ),
        ("recreate", {"free": "perhaps"}, "free", "“free” must be true or false."),
    ],
)
def test_what_is_wrong_is_said_by_field(school, support, what, body, field, sentence):
    order = school.place()
    answer = support.post(url(order, what), body)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.data["errors"][field] == [sentence]
    assert not order.notes.exists()
    assert Order.objects.get().recipient_name == "Awa Diop"


def test_what_is_over_or_gone_stays_as_it_is(school, support):
    over, download = school.place(), school.place(kind="virtual")
    cancel(over, by=school.staff)
    school.configuration.delete()
    assert support.get(url(download, "desk")).data["offered"]["recreate"] is False
    for order, what, body in (
        (over, "prioritize", {"priority": "low"}),
        (over, "readdress", ADDRESS),
        (download, "readdress", ADDRESS),
        (download, "recreate", {}),
    ):
        answer = support.post(url(order, what), body)
        assert (answer.status_code, answer.data["code"]) == (409, "conflict"), what
    assert Order.objects.count() == 2


@pytest.mark.parametrize("what", ["desk", "notes"])
def test_members_and_hosts_find_nothing(school, line, api, what):
    order = school.place()
    desk.note(order, "canary", by=school.staff)
    for user in (school.member, line.creator.account, line.writer.account, make.user(role="staff")):
        answer = api(user).get(url(order, what))
        assert answer.status_code == 403
        assert b"canary" not in answer.content


DEEDS = {
    "view_ordernote": ("get", "notes", {}),
    "add_ordernote": ("post", "notes", {"text": "x"}),
    "prioritize_order": ("post", "prioritize", {"priority": "low"}),
    "readdress_order": ("post", "readdress", ADDRESS),
    "add_order": ("post", "recreate", {}),
}


@pytest.mark.parametrize("needed", DEEDS)
def test_each_deed_has_a_right_of_its_own(school, api, needed):
    """Whoever has all the others, and may change orders, may not do it; who has that one may."""
    method, what, body = DEEDS[needed]
    order, others = school.place(), {*DEEDS, "change_order", "view_order"} - {needed}
    for rights, refused in ((others, True), ({"view_order", needed}, False)):
        clerk = make.user(role="staff")
        clerk.user_permissions.set(Permission.objects.filter(codename__in=rights))
        answer = getattr(api(clerk), method)(url(order, what), body)
        assert (answer.status_code == 403) == refused, answer.data


@pytest.mark.parametrize("rows", [1, 3])
def test_as_many_questions_for_many_notes(school, api, rows, django_assert_num_queries):
    order, client = school.place(), api(school.staff)
    for n in range(rows):
        desk.note(order, f"note {n}", by=school.staff)
    with django_assert_num_queries(3):  # the order, how many, the notes
        client.get(url(order, "notes"))
