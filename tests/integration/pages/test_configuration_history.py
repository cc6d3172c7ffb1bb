"""The editor when two are at work, versions, copies, deletion, exports; and files that come along."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile

from orders import keeping
from orders.models import Configuration, Content, Upload
from tests import factories as make
from tests.integration.pages.conftest import HTMX, Page
from tests.integration.pages.test_configuration_pages import NEW, filled, url
from tests.unit.orders.test_archives import zipped
from tests.unit.orders.test_pictures import drawn, png_bomb

__all__ = ["filled", "url"]


def png(data: bytes | None = None, name: str = "logo.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, drawn() if data is None else data, "image/png")


def errors(answer) -> dict[str, Any]:
    return answer.context["form"].errors


def test_the_second_is_told_and_nothing_is_lost(member, staff, school, url, filled):
    opened = Page(member.get(url).text).by_id("id_version")["value"]
    staff.post(url, filled(ssid="Theirs", version=opened, admin_password=""))

    answer = member.post(url, filled(ssid="Mine", version=opened, admin_password=""))

    page = Page(answer.text)
    assert "Somebody else was faster" in page.words
    assert "Theirs" in page.words
    assert page.by_id("id_ssid")["value"] == "Mine"
    assert Configuration.objects.get().ssid == "Theirs"
    again = page.by_id("id_version")["value"]
    member.post(url, filled(ssid="Mine", version=again, admin_password=""))
    assert Configuration.objects.get().ssid == "Mine"
    kept = [version.values["ssid"] for version in Configuration.objects.get().versions.order_by("number")]
    assert kept == ["Kiwix Hotspot", "Theirs", "Mine"]


def test_versions_are_listed_compared_and_restored(member, school, url, filled):
    member.post(url, filled(ssid="One", admin_password=""))
    member.post(url, filled(ssid="Two", admin_password="", version=1))
    listed = Page(member.get(f"{url}versions/").text)
    assert listed.all("a", href=f"{url}versions/1/?with=2")
    shown = Page(member.get(f"{url}versions/1/?with=2").text).words
    assert "Two" in shown
    assert "canary" not in shown

    answer = member.post(f"{url}versions/1/restore/", follow=True)

    assert "as it was in version 1" in Page(answer.text).words
    assert Configuration.objects.get().ssid == "One"


@pytest.mark.parametrize("path", ["versions/9/", "versions/0/?with=9", "versions/99999999999/"])
def test_versions_that_are_not_there(member, school, url, path):
    keeping.keep(school.configuration, by=school.member)
    assert member.get(url + path).status_code == 404


def test_a_copy_is_opened(member, school, url):
    answer = member.post(f"{url}duplicate/", follow=True)

    assert "Library (Duplicate)" in Page(answer.text).words
    assert Configuration.objects.count() == 2


def test_deleted_is_taken_back(member, school, url):
    page = Page(member.post(f"{url}delete/", follow=True).text)
    assert member.get(url).status_code == 404
    assert page.all("form", action=f"{url}undelete/", method="post")

    member.post(f"{url}undelete/")

    assert member.get(url).status_code == 200
    assert member.post(f"{url}undelete/").status_code == 404


def test_what_is_deleted_cannot_be_ordered(member, school, url):
    member.post(f"{url}delete/")
    answer = member.post("/orders/new/", {"configuration": school.configuration.pk, "kind": "virtual"})
    assert "configuration" in errors(answer)


def test_a_logo_is_kept_as_png_and_shown_to_its_people_alone(member, browse, school, url, filled, stranger):
    member.post(url, filled(branding_logo_file=png(drawn(form="JPEG", mode="RGB")), admin_password=""))

    logo = Configuration.objects.get().branding_logo
    assert logo is not None
    shown = member.get(f"{url}pictures/logo/")
    assert b"".join(shown.streaming_content).startswith(b"\x89PNG")
    assert browse(stranger).get(f"{url}pictures/logo/").status_code == 404
    assert member.get(f"{url}pictures/favicon/").status_code == 404
    assert member.get(f"{url}pictures/name/").status_code == 404
    member.post(url, filled(branding_logo_remove="on", admin_password="", version=1))
    assert Configuration.objects.get().branding_logo is None


def test_creator_hosts_fetch_it_by_its_key(browse, member, school, url, filled):
    member.post(url, filled(preload_zip_file=png(zipped({"a": b"x"}), "a.zip"), admin_password=""))
    upload = Upload.objects.get()
    nobody = browse(None)

    whole = nobody.get(upload.path)
    data = b"".join(whole.streaming_content)

    assert (len(data), whole["Content-Disposition"][:10]) == (upload.size, "attachment")
    part = nobody.get(upload.path, headers={"Range": "bytes=0-3"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, b"PK\x03\x04")
    assert nobody.get(upload.path.replace(upload.key, "x" * 43)).status_code == 404
    assert upload.key not in member.get(url).text


@pytest.mark.parametrize(
    ("field", "file", "words"),
    [
        ("branding_logo_file", png(b"<svg/>", "logo.png"), "SVG drawing: it can hold programs"),
        ("branding_logo_file", png(png_bomb(60_000)), "16 million pixels"),
        ("branding_logo_file", png(zipped({"bomb": bytes(100_000)}), "logo.png"), "This is an archive"),
        ("branding_logo_file", png(drawn() + bytes(1 << 20)), "at most 1.0"),
        ("branding_favicon_file", png(), "300 × 100 pixels"),
        ("preload_zip_file", png(b"hello", "x.zip"), "no ZIP archive"),
        ("preload_zip_file", png(zipped({"../x": b""}), "x.zip"), "outside of its folder"),
    ],
)
def test_files_that_are_refused(member, school, filled, field, file, words):
    answer = member.post(NEW, filled(**{field: file}))

    assert errors(answer).keys() == {field}
    assert words in Page(answer.text).words
    assert (Configuration.objects.count(), Upload.objects.count()) == (1, 0)


def test_an_upload_outlives_an_error_beside_it(member, school, filled):
    page = Page(member.post(NEW, filled(branding_logo_file=png(), ssid="")).text)
    kept = page.by_id("id_branding_logo")["value"]
    assert "Uploaded; save the form to use it." in page.words

    member.post(NEW, filled(branding_logo=kept))

    assert str(Configuration.objects.get(name="Clinic").branding_logo_id) == kept


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"wifi_password": "x" * 64}, "wifi_password", "this one has 64"),
        ({"wifi_password": "pässword1"}, "wifi_password", "without accents"),
        ({"ssid": "é" * 16 + "x"}, "ssid", "takes 33 bytes in UTF-8, but at most 32 fit"),
        ({"variant": "Unknown"}, "variant", "must be one of"),
        ({"preload_url": "http://10.0.0.1/x.zip"}, "preload_url", "no public server"),
        ({"preload_url": "http://localhost:5432/"}, "preload_url", "no public server"),
        ({"preload_url": "https://u:p@x.example/x.zip"}, "preload_url", "without user name"),
        ({"preload_url": "http://x.example/" + "x" * 500}, "preload_url", "at most 500"),
    ],
)
def test_values_that_are_refused(member, school, filled, changes, field, words):
    answer = member.post(NEW, filled(**changes))

    assert errors(answer).keys() == {field}
    assert words in Page(answer.text).words


def test_either_an_address_or_an_upload(member, school, filled):
    archive = png(zipped({"a": b"x"}), "a.zip")
    answer = member.post(NEW, filled(preload_zip_file=archive, preload_url="https://x.example/x.zip"))

    assert "not both" in str(errors(answer)["preload_url"])


def test_the_archive_needs_the_file_manager(member, school, filled, settings):
    settings.HOTSPOT_SOFTWARE = True
    answer = member.post(NEW, filled(preload_zip_file=png(zipped({"a": b"x"}), "a.zip")))

    assert "File Manager" in str(errors(answer)["preload_zip_file"])


def test_an_upload_of_others_cannot_be_named(member, school, filled, stranger):
    theirs = Upload.objects.create(
        organization=stranger.organization, kind="logo", name="x", size=1, unpacked=1, sha256="00" * 32
    )
    assert errors(member.post(NEW, filled(branding_logo=theirs.pk))).keys() == {"branding_logo"}


def test_who_may_not_brand_cannot_choose_names(member, school, filled):
    school.organization.can_brand = False
    school.organization.save()
    page = Page(member.get(NEW).text)
    assert "disabled" in page.by_id("id_ssid")
    assert not page.all("input", name="branding_logo_file")

    member.post(NEW, filled(ssid="Mine", domain="mine", variant="Demo", branding_logo_file=png()))

    one = Configuration.objects.get(name="Clinic")
    assert (one.ssid, one.domain, one.variant, one.branding_logo) == ("Kiwix Hotspot", "kiwix", "", None)


def test_staff_are_told_when_the_organization_may_not_brand(staff, school, filled):
    other = make.organization(can_brand=False)
    answer = staff.post(NEW, filled(organization=other.pk, domain="mine"))

    assert errors(answer).keys() == {"ssid", "domain"}
    assert "Staff can give it the right" in Page(answer.text).words


def test_beta_features_are_shown_to_those_who_try_them(member, school, filled, settings):
    settings.BETA_FEATURES = {"new": "The new dashboard"}
    assert "The new dashboard" not in member.get(NEW).text
    school.organization.beta_is_active = True
    school.organization.save()
    assert "The new dashboard" in member.get(NEW).text

    member.post(NEW, filled(beta_features=["new"]))

    assert Configuration.objects.get(name="Clinic").beta_features == ["new"]


def test_everything_counts_live(member, school, url):
    contents = [content.pk for content in Content.objects.all()]
    plain = {"version": 0, "contents": contents}

    def needed(**sent):
        answer = member.post(url, {**plain, **sent}, headers={**HTMX, "HX-Target": "total"})
        assert answer.context["free"] == answer.context["smallest"].bytes - answer.context["needed"]
        return answer.context["needed"]

    assert needed(option_kiwix_readers="on") > needed() + 4 * 250 * 1024 * 1024


def test_without_javascript_the_size_is_worked_out_and_nothing_saved(member, school, url, filled):
    answer = member.post(url, filled(measure="1", option_kiwix_readers="on", name="Typed"))

    assert answer.status_code == 200
    assert "Stays free on it" in Page(answer.text).words
    assert Page(answer.text).by_id("id_name")["value"] == "Typed"
    assert Configuration.objects.get().name == "Library"


def test_exports_hide_the_secrets_unless_asked_by_post(member, browse, stranger, school, url):
    for path in ("export/", "recipe/"):
        for answer in (member.get(f"{url}{path}?secrets=1"), member.post(url + path)):
            assert "canary" not in answer.text
            assert answer["Content-Disposition"].startswith("attachment")
        assert "admin-canary-2" in member.post(url + path, {"secrets": "1"}).text
        assert browse(stranger).post(url + path, {"secrets": "1"}).status_code == 404
    recipe = yaml.safe_load(member.get(f"{url}recipe/").text)
    assert recipe["offspot"]["admin"]["password"] == "********"


def imported(client, data: bytes, **fields):
    sent = {"file": SimpleUploadedFile("x.json", data), **fields}
    return client.post("/configurations/import/", sent, follow=True)


def test_an_export_is_imported(member, school, url):
    data = json.loads(member.post(f"{url}export/", {"secrets": "1"}).text)
    answer = imported(member, json.dumps({**data, "name": "Again", "colour": 1}).encode())

    words = Page(answer.text).words
    assert "“Again” is imported" in words
    assert "Unknown keys: colour" in words
    assert Configuration.objects.get(name="Again").organization == school.organization


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", "no admin password"),
        (b"nothing", "no JSON"),
        (b"[]", "one object"),
    ],
)
def test_an_import_that_is_refused(member, school, data, words):
    answer = imported(member, data)

    assert words in Page(answer.text).words
    assert Configuration.objects.count() == 1


def test_an_import_of_50_mb_is_refused_unread(member, school, monkeypatch):
    from django.core.files.uploadedfile import TemporaryUploadedFile

    monkeypatch.setattr(TemporaryUploadedFile, "read", lambda *_args: pytest.fail("it is read"))
    file = io.BytesIO(b" " * 50_000_000)
    file.name = "x.json"
    answer = member.post("/configurations/import/", {"file": file})

    assert "has 50.0 MB; at most 8.4 MB are read" in Page(answer.text).words


def test_staff_say_whose_an_import_is(staff, school, url):
    data = staff.post(f"{url}export/", {"secrets": "1"}).content
    assert "organization" in errors(imported(staff, data))
    imported(staff, data, organization=school.organization.pk)
    assert Configuration.objects.count() == 2


@pytest.mark.parametrize("rows", [1, 3])
def test_query_counts(member, school, url, filled, rows, django_assert_num_queries):
    for n in range(rows):
        member.post(url, filled(ssid=f"S{n}", admin_password="", version=n))
    for n in range(rows - 1):
        keeping.delete(make.configuration(school.organization, name=f"Gone {n}"))
        make.configuration(school.organization, name=f"More {n}")
    member.get(url)
    with django_assert_num_queries(6):
        member.get(f"{url}versions/")
    with django_assert_num_queries(6):
        member.get(f"{url}versions/1/")
    with django_assert_num_queries(6):
        member.get("/configurations/")
