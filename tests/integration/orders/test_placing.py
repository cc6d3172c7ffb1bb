"""Placing: what is kept, what is refused and where, and one order per key."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from django.core.exceptions import ValidationError
from django.db import connection

from imager.accounts.models import Organization
from orders.models import Content, Media, Order
from orders.services import IdempotencyConflict, Recipient, place
from tasks_app.models import Outbox, Task
from tests import factories as make

RECIPIENT = Recipient(name="Awa", address="Rue 17", country="ML")


def refused(school, **fields) -> dict[str, list[str]]:
    """The errors of an order that must not be placed, and proof that it was not."""
    with pytest.raises(ValidationError) as refusal:
        school.place(**fields)
    assert (Order.objects.count(), Task.objects.count(), Outbox.objects.count()) == (0, 0, 0)
    return refusal.value.message_dict


def test_an_order_is_a_copy_of_the_configuration(school):
    order = school.place(quantity=3)
    number = order.number

    school.configuration.contents.clear()
    type(school.configuration).objects.update(name="Changed", wifi_password="changed-1")
    order.refresh_from_db()

    assert order.number == number
    assert (order.organization, order.created_by, order.quantity) == (school.organization, school.member, 3)
    assert order.name == "Library"
    assert [(one["ident"], one["title"], one["path"], one["size"]) for one in order.contents] == [
        ("kiwix:gutenberg", "Gutenberg", "/data/zims/gutenberg.zim", 1_000_000),
        ("kiwix:wikipedia", "Wikipedia", "/data/zims/wikipedia.zim", 1_000_000),
    ]
    assert yaml.safe_load(order.recipe)["offspot"]["ap"]["passphrase"] == "wifi-canary-1"
    assert (order.recipient_name, order.recipient_address) == ("Awa Diop", "Rue 17\nBamako")
    assert order.image_name == f"library-{order.pk.hex[:10]}"


def test_an_order_has_its_task_its_history_and_its_mail(school):
    order = school.place()

    task = order.tasks.get()
    assert (task.kind, task.status, task.channel) == ("create", "queued", school.organization.channel)
    assert (task.spec, task.total_bytes) == ({"name": order.image_name}, school.card.bytes)
    assert [(m.came_from, m.went_to, m.by) for m in order.moves.all()] == [
        ("", "placed", "amina@example.org")
    ]
    assert [entry.payload["to"] for entry in Outbox.objects.all()] == [["amina@example.org"]]


def test_the_configuration_survives_as_a_name_when_it_is_deleted(school):
    order = school.place()

    school.configuration.delete()

    order.refresh_from_db()
    assert (order.configuration, order.name) == (None, "Library")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("../../etc/passwd", "etcpasswd"),
        ("日本", "hotspot"),
        ("", "hotspot"),
        ("École d'été", "ecole-dete"),
        ("-–_-", "hotspot"),
        ("x" * 100, "x" * 40),
        ("a\r\nBcc: b@example.org", "a-bcc-bexampleorg"),
    ],
)
def test_image_names_are_safe_file_names(school, name, stem):
    type(school.configuration).objects.update(name=name)
    school.configuration.refresh_from_db()

    assert school.place().image_name.rsplit("-", 1)[0] == stem


@pytest.mark.parametrize("quantity", [0, 11, -1, 1_000_000])
def test_quantity_has_limits(school, quantity):
    errors = refused(school, quantity=quantity)

    assert list(errors) == ["quantity"]
    assert "1 to 10" in errors["quantity"][0]


def test_a_download_is_ordered_once(school):
    assert list(refused(school, kind="virtual", quantity=2)) == ["quantity"]


def test_kind_and_media_must_agree(school):
    assert list(refused(school, media=school.download)) == ["media"]
    assert list(refused(school, kind="virtual", media=school.card)) == ["media"]
    assert list(refused(school, kind="punched_cards")) == ["kind", "media"]


def test_media_must_be_in_use(school):
    school.card.active = False

    assert "no longer" in refused(school)["media"][0]


def test_content_larger_than_the_card_names_both_sizes_and_the_way_out(school):
    Media.objects.all().delete()
    sizes = [
        Media.objects.create(name=name, kind="physical", gigabytes=gb, bytes=gb * 10**9, active=active)
        for name, gb, active in (("Tiny", 1, True), ("Off", 2, False), ("Large", 4, True), ("Huge", 8, True))
    ]
    Content.objects.filter(ident="kiwix:wikipedia").update(size=1_500_000_000)

    sentence = refused(school, media=sizes[0])["media"][0].replace("\xa0", " ")

    assert sentence == "The content needs 1.7 GB; Tiny holds 1.0 GB. The smallest that fits is Large."
    assert school.place(media=sizes[2]).media == sizes[2]


def test_content_larger_than_every_card(school):
    Content.objects.filter(ident="kiwix:wikipedia").update(size=10**13)

    assert "remove contents" in refused(school)["media"][0]


def test_content_must_be_available(school):
    Content.objects.filter(ident="kiwix:wikipedia").update(active=False)

    assert "Wikipedia" in refused(school)["configuration"][0]


def test_one_content_cannot_be_the_folder_of_another(school):
    Content.objects.filter(ident="kiwix:wikipedia").update(path="/data/zims/gutenberg.zim/inner")

    assert "/data/zims/gutenberg.zim" in refused(school)["configuration"][0]


@pytest.mark.parametrize("field", ["name", "address", "country"])
def test_cards_need_a_recipient(school, field):
    recipient = Recipient(**{"name": "Awa", "address": "Rue 17", "country": "ML", field: "  "})

    assert list(refused(school, recipient=recipient)) == [f"recipient_{field}"]


def test_cards_need_a_whole_recipient(school):
    errors = refused(school, recipient=None)

    assert sorted(errors) == ["recipient_address", "recipient_country", "recipient_name"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("country", "XX"),
        ("country", "ml"),
        ("country", "Mali"),
        ("email", "not an address"),
        ("email", "a@example.org\nBcc: b@example.org"),
        ("name", "x" * 101),
        ("phone", "x" * 31),
        ("address", "x" * 1001),
    ],
)
def test_a_bad_recipient_is_named(school, field, value):
    recipient = Recipient(**{"name": "Awa", "address": "Rue 17", "country": "ML", field: value})

    assert list(refused(school, recipient=recipient)) == [f"recipient_{field}"]


def test_downloads_need_no_recipient(school):
    order = school.place(kind="virtual")

    assert (order.quantity, order.recipient_name) == (1, "")


@pytest.mark.parametrize("missing", ["BASE_IMAGE_URL", "BASE_IMAGE_BYTES"])
def test_without_a_base_image_nothing_is_accepted(school, settings, missing):
    setattr(settings, missing, type(getattr(settings, missing))())

    assert "BASE_IMAGE_URL" in refused(school)["__all__"][0]


def test_a_configuration_of_somebody_else_does_not_exist(school, stranger):
    errors = refused(school, by=stranger)

    assert list(errors) == ["configuration"]


def test_staff_order_for_everybody(school):
    order = school.place(by=school.staff)

    assert (order.organization, order.created_by) == (school.organization, school.staff)


def test_an_organization_out_of_service_cannot_order(school):
    Organization.objects.filter(pk=school.organization.pk).update(active=False)
    school.configuration.refresh_from_db()

    assert list(refused(school)) == ["configuration"]


def test_all_errors_come_together(school):
    errors = refused(school, quantity=0, media=school.download, recipient=None)

    assert sorted(errors) == [
        "media",
        "quantity",
        "recipient_address",
        "recipient_country",
        "recipient_name",
    ]


def keyed(school, key="k1", digest="d1", **fields):
    defaults = {
        "by": school.member,
        "kind": "physical",
        "media": school.card,
        "quantity": 1,
        "recipient": RECIPIENT,
    }
    return place(school.configuration, idempotency_key=key, request_digest=digest, **{**defaults, **fields})


def test_the_same_key_gives_the_same_order(school):
    first, created = keyed(school)
    Content.objects.update(active=False)  # what was accepted stays accepted

    again, created_again = keyed(school)

    assert (created, created_again) == (True, False)
    assert first == again
    assert Order.objects.count() == 1


def test_the_same_key_for_another_order_is_a_conflict(school):
    keyed(school)

    with pytest.raises(IdempotencyConflict, match="k1"):
        keyed(school, digest="d2", quantity=2)

    assert Order.objects.count() == 1


def test_keys_belong_to_organizations(school):
    first, _ = keyed(school)
    organization = make.organization()
    configuration = make.configuration(organization)

    second, created = place(
        configuration,
        by=make.user(organization=organization),
        kind="physical",
        media=school.card,
        quantity=1,
        recipient=RECIPIENT,
        idempotency_key="k1",
        request_digest="other",
    )

    assert created
    assert first != second


def test_orders_without_a_key_are_all_different(school):
    assert keyed(school, key=None)[0] != keyed(school, key=None)[0]


def test_a_key_that_is_too_long(school):
    with pytest.raises(ValidationError, match="100"):
        keyed(school, key="x" * 101)


@pytest.mark.django_db(transaction=True)
def test_twenty_requests_with_one_key_make_one_order(school):
    start = threading.Barrier(20)

    def run():
        start.wait(30)
        try:
            return keyed(school)
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        placed = [future.result(60) for future in [pool.submit(run) for _ in range(20)]]

    assert len({order.pk for order, _ in placed}) == 1
    assert [created for _, created in placed].count(True) == 1
    assert (Order.objects.count(), Task.objects.count(), Outbox.objects.count()) == (1, 1, 1)
