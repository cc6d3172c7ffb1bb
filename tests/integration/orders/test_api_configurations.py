"""Configurations and the catalogue over HTTP."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from imager import clock
from orders import keeping
from orders.models import Configuration, Content, Media
from tests import factories as make
from tests.unit.orders.test_pictures import drawn

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
    assert (order.configuration, order.name) == (school.configuration, "Library")


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


# uploads, versions, exchange


def upload(client, kind: str, data: bytes, **fields):
    file = SimpleUploadedFile("x.bin", data)
    return client.post("/api/v1/uploads/", {"kind": kind, "file": file, **fields}, format="multipart")


def test_a_logo_is_uploaded_then_named(school, api):
    client = api(school.member)
    made = upload(client, "logo", drawn())
    assert made.status_code == 201, made.data

    answer = client.patch(f"{URL}{school.configuration.pk}/", {"branding_logo": made.data["id"]})

    assert str(answer.data["branding_logo"]) == made.data["id"]
    assert "key" not in made.data
    assert [row["id"] for row in client.get("/api/v1/uploads/?kind=logo").data["results"]] == [
        made.data["id"]
    ]


def test_uploads_of_others_do_not_exist(school, api, stranger):
    theirs = upload(api(stranger), "logo", drawn()).data["id"]
    body = {"branding_logo": theirs}

    assert api(school.member).get(f"/api/v1/uploads/{theirs}/").status_code == 404
    for user in (school.member, school.staff):
        answer = api(user).patch(f"{URL}{school.configuration.pk}/", body)
        assert (answer.status_code, list(answer.data["errors"])) == (400, ["branding_logo"])
    assert (
        upload(api(school.member), "logo", drawn(), organization=stranger.organization.slug).status_code
        == 400
    )


def test_an_upload_of_another_kind(school, api):
    logo = upload(api(school.member), "logo", drawn()).data["id"]

    for field in ("preload_zip", "branding_favicon"):
        answer = api(school.member).patch(f"{URL}{school.configuration.pk}/", {field: logo})
        assert list(answer.data["errors"]) == [field]


def test_who_may_not_brand_is_told(school, api):
    school.organization.can_brand = False
    school.organization.save()
    client = api(make.user(organization=school.organization))

    refused = client.post(URL, body(ssid="Mine", variant="Demo"))

    assert set(refused.data["errors"]) == {"ssid", "variant"}
    assert client.post(URL, body()).data["ssid"] == "Kiwix Hotspot"


def test_the_second_is_told(school, api):
    url = f"{URL}{school.configuration.pk}/"
    assert api(school.staff).patch(url, {"ssid": "Theirs", "version": 0}).data["version"] == 1

    answer = api(school.member).patch(url, {"ssid": "Mine", "version": 0})

    assert (answer.status_code, answer.data["code"], answer.data["version"]) == (409, "stale", 1)
    assert api(school.member).patch(url, {"ssid": "Mine", "version": 1}).status_code == 200


def test_versions_are_listed_compared_and_restored(school, api):
    client, url = api(school.member), f"{URL}{school.configuration.pk}/"
    client.patch(url, {"ssid": "One"})
    client.patch(url, {"ssid": "Two", "admin_password": "canary-9"})

    assert [row["number"] for row in client.get(f"{url}versions/").data] == [2, 1, 0]
    shown = client.get(f"{url}versions/2/").data
    assert [(each["field"], each["after"]) for each in shown["differences"]] == [
        ("ssid", "Two"), ("admin_password", "hidden"),
    ]  # fmt: skip
    assert client.get(f"{url}versions/2/?with=x").status_code == 400
    assert client.get(f"{url}versions/9/").status_code == 404
    assert client.post(f"{url}versions/1/restore/", {"version": 1}).status_code == 409
    restored = client.post(f"{url}versions/1/restore/", {"version": 2})
    assert (restored.data["configuration"]["ssid"], restored.data["left_out"]) == ("One", [])


def test_copies_and_what_is_deleted(school, api, stranger):
    client, url = api(school.member), f"{URL}{school.configuration.pk}/"
    made = client.post(f"{url}duplicate/")
    assert (made.status_code, made.data["name"]) == (201, "Library (Duplicate)")
    client.delete(url)
    assert client.get(url).status_code == 404
    assert api(stranger).post(f"{url}undelete/").status_code == 404
    assert client.post(f"{url}undelete/").status_code == 200
    assert client.post(f"{url}undelete/").status_code == 404


def test_one_that_somebody_deletes_meanwhile_is_not_there(school, api, monkeypatch):
    client, url = api(school.member), f"{URL}{school.configuration.pk}/"
    client.delete(url)
    monkeypatch.setattr(keeping, "undelete", lambda _found: None)  # as if it were deleted again at once
    assert client.post(f"{url}undelete/").status_code == 404


def test_exports_hide_the_secrets_unless_asked(school, api, stranger):
    client, url = api(school.member), f"{URL}{school.configuration.pk}/"
    for path in ("export/", "recipe/"):
        assert b"canary" not in client.post(url + path, {}).content
        assert b"canary" in client.post(url + path, {"secrets": True}).content
        assert client.get(url + path).status_code == 405
        assert api(stranger).post(url + path, {"secrets": True}).status_code == 404


def sent(client, data: bytes):
    return client.post(f"{URL}import/", {"file": SimpleUploadedFile("x.json", data)}, format="multipart")


def test_an_export_is_imported(school, api):
    client = api(school.member)
    data = client.post(f"{URL}{school.configuration.pk}/export/", {"secrets": True}).content

    answer = sent(client, data.replace(b'"name":', b'"colour":1,"name":', 1))

    assert answer.status_code == 201, answer.data
    assert answer.data["left_out"] == ["Unknown keys: colour."]
    assert Configuration.objects.count() == 2


@pytest.mark.parametrize("rows", [1, 3])
def test_lists_take_as_many_queries_for_many(school, api, rows, django_assert_num_queries):
    client = api(school.member)
    for n in range(rows):
        upload(client, "logo", drawn((10 + n, 10)))
        client.patch(f"{URL}{school.configuration.pk}/", {"ssid": f"S{n}"})
    with django_assert_num_queries(2):
        client.get("/api/v1/uploads/")
    with django_assert_num_queries(3):
        client.get(f"{URL}{school.configuration.pk}/versions/")
