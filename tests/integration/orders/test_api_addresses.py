"""The address book over HTTP."""

from __future__ import annotations

import pytest

from orders.models import Address
from tests import factories as make

URL = "/api/v1/addresses/"


def body(**fields) -> dict:
    return {
        "name": "Warehouse",
        "recipient": "Awa Diop",
        "street": "Rue 17",
        "city": "Bamako",
        "country": "ML",
        "phone": "20 22 52 29",
        **fields,
    }


def test_an_address_from_its_entry_to_its_end(school, api):
    client = api(school.member)
    made = client.post(URL, body())
    assert made.status_code == 201, made.data
    assert made.data["organization"] == school.organization.slug
    assert made.data["phone"] == "+223 20 22 52 29"
    url = f"{URL}{made.data['id']}/"
    assert (
        client.patch(url, {"country": "FR", "phone": "01 42 68 53 00"}).data["phone"] == "+33 1 42 68 53 00"
    )
    assert [one["id"] for one in client.get(URL, {"search": "bamako"}).data["results"]] == [made.data["id"]]
    assert client.get(URL, {"search": "gao"}).data["results"] == []
    assert Address.objects.get().created_by == school.member
    assert client.delete(url).status_code == 204
    assert client.get(url).status_code == 404


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"recipient": "x" * 101}, "recipient"),
        ({"street": ""}, "street"),
        ({"street": "x" * 1001}, "street"),
        ({"city": None}, "city"),
        ({"country": "Mali"}, "country"),
        ({"country": "XX"}, "country"),
        ({"phone": "12"}, "phone"),
        ({"phone": "+223 20 22 52 29 ext 123456789"}, "phone"),
        ({"email": "x"}, "email"),
        ({"organization": "nobody"}, "organization"),
        ({"created_by": 1}, "created_by"),
    ],
)
def test_bad_bodies_are_refused_by_field(school, api, fields, named):
    answer = api(school.member).post(URL, body(**fields))
    assert (answer.status_code, list(answer.data["errors"])) == (400, [named])
    assert not Address.objects.exists()


def test_a_country_alone_is_weighed_with_the_number_that_is_there(school, api):
    address = make.address(school.organization)
    answer = api(school.member).patch(f"{URL}{address.pk}/", {"country": "FR"})
    assert answer.data["phone"] == "+223 20 22 52 29"


def test_others_addresses_do_not_exist(school, stranger, api):
    address = make.address(school.organization)
    other = stranger.organization.slug
    assert api(stranger).get(URL).data["results"] == []
    for method in ("get", "patch", "delete"):
        assert getattr(api(stranger), method)(f"{URL}{address.pk}/").status_code == 404
    assert list(api(school.member).post(URL, body(organization=other)).data["errors"]) == ["organization"]
    moved = api(school.staff).patch(f"{URL}{address.pk}/", {"organization": other})
    assert list(moved.data["errors"]) == ["organization"]
    assert api(school.staff).post(URL, body(organization=other)).status_code == 201
