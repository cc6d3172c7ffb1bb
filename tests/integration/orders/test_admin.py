"""The admin: everything loads, can be searched, shows no secret, and acts only after asking."""

from __future__ import annotations

import importlib

import pytest
import yaml
from django.apps import apps
from django.urls import reverse

from imager import clock
from imager.accounts import groups
from imager.accounts.models import Role, User
from orders import keeping, showing, uploads
from orders.models import Configuration, Media, Order, Upload
from tests import factories as make
from tests.unit.orders.test_pictures import drawn
from workers.contract import Kind

LIST = "/admin/orders/order/"


@pytest.fixture
def staff(client, school) -> User:
    client.force_login(school.staff)
    return school.staff


def act(client, action: str, *orders: Order, confirmed: bool):
    data = {"action": action, "_selected_action": [str(order.pk) for order in orders]}
    return client.post(LIST, {**data, **({"confirmed": "1"} if confirmed else {})}, follow=True)


@pytest.mark.parametrize("model", ["order", "configuration", "content", "media"])
def test_lists_load_and_search(client, staff, school, line, model):
    order = school.place()
    line.build(order)

    url = reverse(f"admin:orders_{model}_changelist")
    assert client.get(url).status_code == 200
    for words in ("library", "wiki", "1001", "\u00e9", "%", "'"):
        assert client.get(url, {"q": words}).status_code == 200


@pytest.mark.parametrize(
    "words", ["{number}", "Library", "Awa", "awa@example.org", "École", "amina@example.org", "{image}"]
)
def test_orders_are_found(client, staff, school, words):
    order = school.place()
    make.order()

    answer = client.get(LIST, {"q": words.format(number=order.number, image=order.image_name)})

    assert [row.pk for row in answer.context["cl"].result_list] == [order.pk]


@pytest.mark.parametrize(
    "query", ["status=failed", "kind=physical", "media__id__exact=1", "organization__id__exact=1"]
)
def test_filters(client, staff, school, query):
    school.place()

    assert client.get(f"{LIST}?{query}", follow=True).status_code == 200


def test_an_order_with_everything_loads_and_cannot_be_edited(client, staff, school, line):
    order = school.place(quantity=2)
    line.build(order)
    line.download(order)
    line.write(order, 1)
    line.fail(line.insert(order, 2), "The reader is gone.")
    url = reverse("admin:orders_order_change", args=[order.pk])

    text = client.get(url).content.decode()

    for shown in (
        "Wikipedia",
        "The reader is gone.",
        "verified",
        "writing",
        order.get_absolute_url(),
        "Awa Diop",
    ):
        assert shown in text
    assert "canary" not in text
    assert order.download_token not in text
    client.post(url, {"status": "shipped", "quantity": 9, "name": "changed", "recipe": "x"})
    order.refresh_from_db()
    assert (order.status, order.quantity, order.name) == ("failed", 2, "Library")


def test_orders_are_neither_added_nor_deleted_here(client, staff, school):
    order = school.place()

    assert client.get(reverse("admin:orders_order_add")).status_code == 403
    assert (
        client.post(reverse("admin:orders_order_delete", args=[order.pk]), {"post": "yes"}).status_code == 403
    )
    act(client, "delete_selected", order, confirmed=True)
    assert Order.objects.count() == 1


def test_cancel_asks_first(client, staff, school):
    orders = [school.place(), school.place()]

    page = act(client, "cancel_orders", *orders, confirmed=False)
    assert "cannot be undone" in page.content.decode()
    assert set(Order.objects.values_list("status", flat=True)) == {"placed"}

    act(client, "cancel_orders", *orders, confirmed=True)
    assert set(Order.objects.values_list("status", flat=True)) == {"canceled"}
    assert orders[0].moves.last().by == staff.email


def test_what_is_not_possible_is_said_per_order(client, staff, school, line):
    placed, failed = school.place(), school.place()
    line.fail(line.claim(line.task(failed, Kind.CREATE)))

    text = act(client, "retry_orders", placed, failed, confirmed=True).content.decode()

    assert f"{placed} has not failed" in text
    assert "Done for 1." in text
    assert list(Order.objects.order_by("number").values_list("status", flat=True)) == ["placed", "creating"]


@pytest.mark.parametrize("rows", [1, 3])
def test_the_list_takes_as_many_queries_for_one_order_as_for_three(
    client, staff, school, django_assert_num_queries, rows
):
    for _ in range(rows):
        school.place()
    client.get(LIST)

    with django_assert_num_queries(8):
        assert client.get(LIST).status_code == 200


def test_members_have_no_admin(client, school):
    client.force_login(school.member)

    assert client.get(LIST).status_code == 302


def test_staff_without_permission_neither_see_nor_act(client, school):
    order = school.place()
    client.force_login(make.user(role=Role.STAFF))

    assert client.get(LIST).status_code == 403
    assert act(client, "cancel_orders", order, confirmed=True).status_code == 403
    order.refresh_from_db()
    assert order.status == "placed"


def test_whom_an_order_is_for_and_what_it_costs(client, staff, school, line):
    order = school.place(quantity=2)
    line.build(order)
    row = client.get(LIST).content.decode()
    for shown in (f">{school.member}<", ">Mali<", f'field-units">{order.units}<'):
        assert shown in row
    page = client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    for shown in (
        f'href="mailto:{school.member.email}"',
        'href="mailto:awa@example.org"',
        'href="tel:+22320225229"',
        str(school.organization.channel),
        "main",
        f">{order.units}<",
        "1.0 MB",
    ):
        assert shown in page


def test_the_recipe_of_an_order_without_its_passwords(client, staff, school):
    logo = uploads.keep_picture(
        drawn(), kind=Upload.Kind.LOGO, name="x.png", of=school.organization, by=school.staff
    )
    school.organization.can_brand = True
    school.organization.save()
    Configuration.objects.filter(pk=school.configuration.pk).update(branding_logo=logo)
    school.configuration.refresh_from_db()
    order = school.place()
    assert logo.key in order.recipe
    address = reverse("order_recipe", args=[order.pk])
    assert address in client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
    assert address in client.get(order.get_absolute_url()).content.decode()
    answer = client.get(address)
    told = yaml.safe_load(answer.content)
    assert answer["Content-Type"].startswith("application/yaml")
    assert answer["Cache-Control"] == "private, no-store"
    assert told["output"] == {"size": order.media.bytes}
    assert told["offspot"]["admin"] == {"login": "admin", "password": "********"}
    assert told["offspot"]["ap"]["passphrase"] == "********"
    assert any(file["url"].endswith("/u/hidden/") for file in told["files"])
    assert not any(secret in answer.content.decode() for secret in ("canary", logo.key))
    client.force_login(school.member)
    assert client.get(address).status_code == 403
    assert address not in client.get(order.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("password", "passphrase"),
    [("tree-4711", "apple-tree-4711-x"), ("apple-tree-4711-x", "tree-4711"), ("a.c", "abc-1234")],
)
def test_a_password_within_another_tells_nothing_of_it(school, password, passphrase):
    Configuration.objects.filter(pk=school.configuration.pk).update(
        admin_password=password, wifi_password=passphrase
    )
    school.configuration.refresh_from_db()
    told = yaml.safe_load(showing.ordered(school.place()))
    assert told["offspot"]["admin"]["password"] == "********"
    assert told["offspot"]["ap"]["passphrase"] == "********"


def test_without_passwords_there_is_nothing_to_hide():
    assert showing.ordered(Order(recipe="offspot: {}")) == "offspot: {}\n"


def test_operators_are_not_led_to_the_recipe(client, school):
    """They see no configurations."""
    order = school.place()
    address = reverse("order_recipe", args=[order.pk])
    for group, led in ((groups.OPERATOR, False), (groups.SUPPORT, True)):
        client.force_login(make.clerk(group))
        for page in (reverse("admin:orders_order_change", args=[order.pk]), order.get_absolute_url()):
            answer = client.get(page)
            assert answer.status_code == 200
            assert (address in answer.text) == led, f"{group}: {page}"


def test_addresses_of_members_are_addresses_and_nothing_more(client, staff, school):
    order = school.place()
    Order.objects.filter(pk=order.pk).update(
        recipient_email='"a?cc=all&x"@example.org', recipient_phone="+223 70 00"
    )
    page = client.get(reverse("admin:orders_order_change", args=[order.pk])).text
    assert 'href="mailto:%22a%3Fcc%3Dall%26x%22@example.org"' in page
    assert 'href="tel:+2237000"' in page


def test_versions_of_what_was_deleted_lead_nowhere(client, staff, school):
    keeping.record(school.configuration, by=school.staff)
    version = school.configuration.versions.get()
    address = reverse("configuration_version", args=[school.configuration.pk, version.number])
    pages = [
        reverse("admin:orders_configurationversion_changelist"),
        reverse("admin:orders_configurationversion_change", args=[version.pk]),
    ]
    assert client.get(address).status_code == 200
    assert all(address in client.get(page).text for page in pages)
    Configuration.objects.filter(pk=school.configuration.pk).update(deleted_at=clock.now())
    assert client.get(address).status_code == 404
    assert not any(address in client.get(page).text for page in pages)


def test_the_sizes_of_the_first_day(db):
    migration = importlib.import_module("orders.migrations.0002_media")
    Media.objects.all().delete()

    migration.add(apps, None)
    migration.add(apps, None)

    assert list(
        Media.objects.filter(kind="physical").values_list("name", "gigabytes", "bytes", "units_per_gigabyte")
    ) == [
        ("8GB microSD", 8, 7_760_000_000, 10),
        ("16GB microSD", 16, 15_520_000_000, 10),
        ("32GB microSD", 32, 30_720_000_000, 10),
        ("64GB microSD", 64, 61_440_000_000, 10),
        ("128GB microSD", 128, 122_880_000_000, 10),
        ("200GB microSD", 200, 192_000_000_000, 10),
        ("256GB microSD", 256, 245_760_000_000, 10),
        ("512GB microSD", 512, 496_000_000_000, 10),
        ("1TB microSD", 1024, 993_000_000_000, 10),
    ]
    virtual = Media.objects.filter(kind="virtual")
    assert [(row.units, row.bytes) for row in virtual][:2] == [(8, 7_760_000_000), (16, 15_520_000_000)]
    assert virtual.count() == 9
    migration.remove(apps, None)
    assert Media.objects.count() == 0
