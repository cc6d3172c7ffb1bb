"""The list of all orders: found, filtered, done in bulk, exported."""

from __future__ import annotations

import csv
import io

import pytest
from django.test import Client

from orders import export
from orders.models import Order
from tests import factories as make
from workers.contract import Kind

LIST = "/admin/orders/order/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def support(school) -> Client:
    client = Client()
    client.force_login(make.clerk("support"))
    return client


def act(client: Client, action: str, *orders: Order, **fields):
    chosen = {"action": action, "_selected_action": [str(order.pk) for order in orders]}
    return client.post(LIST, {**chosen, **fields}, follow=True)


def ready(school, line) -> Order:
    order = school.place()
    line.build(order)
    line.download(order)
    line.write(order, 1)
    order.refresh_from_db()
    return order


def test_parcels_are_shipped_each_with_its_tracking(support, school, line):
    one, two = ready(school, line), ready(school, line)

    page = act(support, "ship_orders", one, two).content.decode()
    assert f"Tracking of {one}" in page
    fields = {f"tracking_{one.pk}": "DHL 1", f"tracking_{two.pk}": ""}
    page = act(support, "ship_orders", one, two, confirmed="1", **fields).content.decode()
    assert "is empty: fill it in" in page
    assert set(Order.objects.values_list("status", flat=True)) == {"ready_to_ship"}

    act(support, "ship_orders", one, two, confirmed="1", **{**fields, f"tracking_{two.pk}": "DHL 2"})
    assert list(Order.objects.order_by("number").values_list("status", "tracking")) == [
        ("shipped", "DHL 1"),
        ("shipped", "DHL 2"),
    ]


def test_priority_and_again_for_many(support, school):
    orders = [school.place(), school.place()]
    act(support, "prioritize_orders", *orders, confirmed="1", priority="10")
    assert set(Order.objects.values_list("priority", flat=True)) == {10}
    page = act(support, "prioritize_orders", *orders, confirmed="1", priority="11").content.decode()
    assert "must be one of" in page

    act(support, "recreate_orders", *orders)
    assert Order.objects.count() == 2
    act(support, "recreate_orders", *orders, confirmed="1")
    assert Order.objects.count() == 4


def test_no_more_at_once_than_a_browser_waits_for(support, school, monkeypatch):
    monkeypatch.setattr("imager.accounts.admin.asking.MOST", 1)
    page = act(support, "cancel_orders", school.place(), school.place(), confirmed="1").content.decode()
    assert "At most 1 at a time; you chose 2" in page
    assert set(Order.objects.values_list("status", flat=True)) == {"placed"}


@pytest.mark.parametrize(
    ("who", "actions"),
    [
        ("operator", {"ship_orders"}),
        ("support", {"retry_orders", "ship_orders", "prioritize_orders", "recreate_orders", "cancel_orders"}),
    ],
)
def test_each_group_is_offered_its_actions(school, who, actions):
    order = school.place()
    client = Client()
    client.force_login(make.clerk(who))
    page = client.get(LIST)
    offered = {name for name, _label in page.context["action_form"].fields["action"].choices if name}
    assert offered == actions
    assert ("Export these" in page.content.decode()) == (who == "support")
    for action in ("cancel_orders", "recreate_orders"):
        act(client, action, order, confirmed="1")
    order.refresh_from_db()
    assert (order.status == "canceled") == (who == "support")
    assert client.get(f"{LIST}export/").status_code == (200 if who == "support" else 403)


def rows(answer) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


def test_the_export_holds_what_the_list_shows(support, school, line):
    kept, failed = school.place(quantity=2), school.place(kind="virtual")
    line.fail(line.claim(line.task(failed, Kind.CREATE)), '=HYPERLINK("http://evil")')

    everything = support.get(f"{LIST}export/")
    assert everything.streaming
    assert [row["number"] for row in rows(everything)] == [str(failed.number), str(kept.number)]
    only = rows(support.get(f"{LIST}export/?status__exact=failed&q=Library"))
    assert [(row["number"], row["kind"], row["failed_while"]) for row in only] == [
        (str(failed.number), "virtual", "creating")
    ]
    assert only[0]["failure"] == '\'=HYPERLINK("http://evil")'
    (first,) = (row for row in rows(support.get(f"{LIST}export/")) if row["number"] == str(kept.number))
    assert (first["recipient"], first["recipient_phone"], first["quantity"]) == (
        "Awa Diop",
        "'+223 20 22 52 29",
        "2",
    )
    assert first["recipient_address"] == "Rue 17\nBamako"
    text = b"".join(support.get(f"{LIST}export/").streaming_content).decode()
    assert "canary" not in text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1"])
def test_no_cell_is_run(text):
    assert export.cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["plain", "a=b", 7, -7, "", "é"])
def test_other_cells_stay(value):
    assert export.cell(value) == value


@pytest.mark.parametrize("many", [1, 3])
def test_the_export_asks_the_database_once_however_many(school, many, django_assert_num_queries):
    for _ in range(many):
        school.place()
    with django_assert_num_queries(1):
        assert len(list(export.lines(Order.objects.order_by("number")))) == many + 1


def test_an_export_of_what_the_list_does_not_know_leads_back(school):
    client = Client()
    client.force_login(school.staff)
    page = client.get("/admin/orders/order/export/?nonsense=1")
    assert (page.status_code, page["Location"]) == (302, "/admin/orders/order/")
