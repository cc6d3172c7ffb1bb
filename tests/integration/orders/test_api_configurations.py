"""Configurations and the catalogue over HTTP."""

from __future__ import annotations

import pytest

from imager import clock
from orders.models import Configuration, Content, Media
from tests import factories as make

URL = "/api/v1/configurations/"


def body(**fields) -> dict:
    return {"name": "New", "admin_password": "secret-1", **fields}


def test_creating(school, api):
    answer = api(school.member).post(
        URL, body(contents=["kiwix:wikipedia"], wifi_password=" spaces stay ", language="fr", ssid="École")
    )

    assert answer.status_code == 201, answer.data
    made = Configuration.objects.get(pk=answer.data["id"])
    assert (made.organization, made.created_by) == (school.organization, school.member)
    assert (made.wifi_password, made.admin_password) == (" spaces stay ", "secret-1")
    assert [content.ident for content in made.contents.all()] == ["kiwix:wikipedia"]
    assert answer.data["contents"] == ["kiwix:wikipedia"]
    assert answer.data["has_wifi_password"] is True
    assert answer.data["needed_bytes"] > 1_000_000
    assert answer.data["organization"] == school.organization.slug


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"ssid": "a/b"}, "ssid"),
        ({"ssid": "x" * 33}, "ssid"),
        ({"domain": "A.b"}, "domain"),
        ({"wifi_password": "short"}, "wifi_password"),
        ({"admin_password": "a b"}, "admin_password"),
        ({"admin_password": ""}, "admin_password"),
        ({"admin_account": "x y"}, "admin_account"),
        ({"language": "xx"}, "language"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"name": ""}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"contents": "kiwix:wikipedia"}, "contents"),
        ({"contents": ["nothing"]}, "contents"),
        ({"contents": [1]}, "contents"),
        ({"contents": ["x"] * 1001}, "contents"),
        ({"created_by": 1}, "created_by"),
        ({"organization": "nobody"}, "organization"),
    ],
)
def test_bad_bodies_are_refused_by_field(school, api, fields, named):
    answer = api(school.member).post(URL, body(**fields))

    assert (answer.status_code, list(answer.data["errors"])) == (400, [named])
    assert Configuration.objects.count() == 1


def test_inactive_contents_cannot_be_chosen(school, api):
    Content.objects.update(active=False)

    assert "contents" in api(school.member).post(URL, body(contents=["kiwix:wikipedia"])).data["errors"]


def test_changing_some_fields_keeps_the_others(school, api):
    url = f"{URL}{school.configuration.pk}/"

    answer = api(school.member).patch(url, {"name": "Changed"})

    assert answer.status_code == 200, answer.data
    school.configuration.refresh_from_db()
    assert school.configuration.name == "Changed"
    assert school.configuration.wifi_password == "wifi-canary-1"
    assert school.configuration.admin_password == "admin-canary-2"
    assert school.configuration.contents.count() == 2
    assert (
        api(school.member).patch(url, {"wifi_password": "", "contents": []}).data["has_wifi_password"]
        is False
    )
    assert school.configuration.contents.count() == 0


def test_passwords_never_come_back(school, api):
    client = api(school.staff)

    text = client.get(URL).content + client.get(f"{URL}{school.configuration.pk}/").content
    text += client.patch(f"{URL}{school.configuration.pk}/", {"admin_password": "canary-3"}).content
    text += client.post(URL, body(admin_password="canary-4", organization=school.organization.slug)).content

    assert b"canary" not in text


def test_the_organization_stays(school, api, stranger):
    url, other = f"{URL}{school.configuration.pk}/", stranger.organization.slug

    for user in (school.member, school.staff):
        assert "organization" in api(user).patch(url, {"organization": other}).data["errors"]
    assert "organization" in api(school.member).post(URL, body(organization=other)).data["errors"]
    assert api(school.staff).post(URL, body(organization=other)).data["organization"] == other


def test_who_has_no_organization_must_name_one(school, api):
    for user in (school.staff, make.user(organization=None)):
        assert list(api(user).post(URL, body()).data["errors"]) == ["organization"]
    answer = api(make.user(organization=None)).post(URL, body(organization=school.organization.slug))
    assert (answer.status_code, list(answer.data["errors"])) == (400, ["organization"])


@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_configurations_of_others_do_not_exist(school, api, stranger, method):
    answer = getattr(api(stranger), method)(f"{URL}{school.configuration.pk}/", {})

    assert answer.status_code == 404
    assert Configuration.objects.count() == 1
    assert api(stranger).get(URL).data["results"] == []


def test_deleting_keeps_the_orders(school, api):
    order = school.place()

    assert api(school.member).delete(f"{URL}{school.configuration.pk}/").status_code == 204

    order.refresh_from_db()
    assert (order.configuration, order.name) == (None, "Library")


@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_takes_three_queries(school, api, django_assert_num_queries, rows):
    for _ in range(rows - 1):
        make.configuration(school.organization).contents.set(Content.objects.all())
    client = api(school.member)

    with django_assert_num_queries(3):  # count, rows, their contents
        assert len(client.get(URL).data["results"]) == rows


def test_the_sizes_that_can_be_ordered(school, api):
    Media.objects.create(name="Old", kind="physical", gigabytes=4, bytes=4 * 10**9, active=False)

    rows = api(school.member).get("/api/v1/media/?kind=physical&page_size=100").data["results"]

    assert "Old" not in [row["name"] for row in rows]
    assert rows[0] == {
        "id": school.card.pk,
        "name": school.card.name,
        "kind": "physical",
        "gigabytes": 8,
        "bytes": 7_760_000_000,
    }


def test_the_catalogue(school, api):
    fields = {"url": "https://x/y", "size": 1, "languages": ["fra"]}
    Content.objects.create(ident="x", title="Hidden", path="/data/hidden", active=False, **fields)
    Content.objects.create(ident="y", title="Gone", path="/data/gone", missing_since=clock.now(), **fields)
    Content.objects.filter(ident="kiwix:gutenberg").update(languages=["eng", "fra"], category="books")

    def seen(query: str = "") -> list[str]:
        return [row["ident"] for row in api(school.member).get(f"/api/v1/contents/?{query}").data["results"]]

    assert seen() == ["kiwix:gutenberg", "kiwix:wikipedia"]
    assert seen("language=fra") == ["kiwix:gutenberg"]
    assert seen("language=fr") == []
    assert seen("category=books") == ["kiwix:gutenberg"]
    assert seen("text=WIKIpé") == ["kiwix:wikipedia"]
    assert seen("text=wiki+guten") == []
    assert seen("page_size=1") == ["kiwix:gutenberg"]
    assert seen("kind=files") == []
    assert api(school.member).post("/api/v1/contents/", {}).status_code == 405
