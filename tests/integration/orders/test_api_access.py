"""Who sees which orders over HTTP, and how many queries a list takes."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from imager.accounts.models import Role
from orders import services
from tests import factories as make

URL = "/api/v1/orders/"
NOBODYS = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", ""), ("post", "cancel/"), ("post", "retry/"), ("put", ""), ("patch", ""), ("delete", "")],
)
def test_orders_of_others_do_not_exist(school, api, stranger, method, path):
    order = school.place()

    answer = getattr(api(stranger), method)(f"{URL}{order.pk}/{path}", {})

    assert answer.status_code == (405 if method in {"put", "patch", "delete"} else 404)
    order.refresh_from_db()
    assert order.status == "placed"


def test_configurations_of_others_cannot_be_ordered(school, api, stranger):
    body = {"configuration": school.configuration.pk, "kind": "virtual", "media": school.download.pk}
    answer = api(stranger).post(URL, body)

    assert (answer.status_code, list(answer.data["errors"])) == (400, ["configuration"])


@pytest.mark.parametrize("order_id", ["x", "1", NOBODYS, "%00"])
def test_unknown_orders(school, api, order_id):
    assert api(school.staff).get(f"{URL}{order_id}/").status_code == 404


def test_lists_hold_the_own_orders_alone(school, api, stranger):
    order = school.place()
    other = make.order()

    def seen(user) -> set[str]:
        return {row["id"] for row in api(user).get(URL).data["results"]}

    assert seen(school.member) == {str(order.pk)}
    assert seen(stranger) == set()
    assert seen(school.staff) == {str(order.pk), str(other.pk)}
    assert seen(make.user(organization=None)) == set()


PATHS = [
    "orders/",
    "orders/{order}/",
    "configurations/",
    "configurations/{configuration}/",
    "media/",
    "contents/",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("role", [Role.CREATOR, Role.WRITER])
def test_hosts_are_refused(school, api, line, path, role):
    path = path.format(order=school.place().pk, configuration=school.configuration.pk)
    host = line.creator if role == Role.CREATOR else line.writer

    assert api(host.account).get(f"/api/v1/{path}").status_code == 403


@pytest.mark.parametrize("path", PATHS)
def test_nobody_is_refused(school, path):
    path = path.format(order=school.place().pk, configuration=school.configuration.pk)

    answer = APIClient().get(f"/api/v1/{path}")

    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")


def test_filters_and_ordering(school, api):
    orders = [school.place(), school.place(kind="virtual"), school.place()]
    services.cancel(orders[2], by=school.member)
    numbers = [order.number for order in orders]

    def seen(query: str) -> list[int]:
        answer = api(school.member).get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.data
        return [row["number"] for row in answer.data["results"]]

    assert seen("") == numbers[::-1]
    assert seen("ordering=number") == numbers
    assert seen("status=canceled") == numbers[2:]
    assert seen("status__in=canceled,placed&ordering=number") == numbers
    assert seen("kind=virtual") == [numbers[1]]
    for refused in ("ordering=recipe", "status=nonsense", "page_size=x", "page_size=0", "kind="):
        assert api(school.member).get(f"{URL}?{refused}").status_code == 400, refused


def test_pages_have_a_bound(school, api):
    for _ in range(3):
        make.order(organization=school.organization)

    answer = api(school.member).get(URL, {"page_size": 2}).data
    assert (answer["count"], len(answer["results"])) == (3, 2)
    assert answer["next"]
    assert len(api(school.member).get(URL, {"page_size": 10**9}).data["results"]) == 3
    assert api(school.member).get(URL, {"page": 99}).status_code == 404


@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_takes_two_queries(school, api, django_assert_num_queries, rows):
    for _ in range(rows):
        school.place()
    client = api(school.member)

    with django_assert_num_queries(2):  # count, rows
        assert len(client.get(URL).data["results"]) == rows


@pytest.mark.parametrize("quantity", [1, 3])
def test_an_order_takes_seven_queries(school, api, line, django_assert_num_queries, quantity):
    order = school.place(quantity=quantity)
    line.build(order)
    line.download(order)
    for unit in range(1, quantity + 1):
        line.write(order, unit)
    client = api(school.member)

    with django_assert_num_queries(7):  # order, moves, cards, their hosts, their slots, tasks, what is open
        assert len(client.get(f"{URL}{order.pk}/").data["cards"]) == quantity
