"""Versions: each save is kept, comparable and restorable; nobody overwrites what they have not seen."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile

from imager import clock
from orders import keeping, tidying
from orders.differences import differences
from orders.models import Configuration, ConfigurationVersion, Content, Upload
from tests import factories as make
from tests.together import together
from tests.unit.orders.test_archives import zipped

pytestmark = pytest.mark.django_db


def changed(school, **fields) -> Configuration:
    one = Configuration.objects.get(pk=school.configuration.pk)
    for name, value in fields.items():
        setattr(one, name, value)
    return one


def upload(school, **fields) -> Upload:
    made = Upload(organization=school.organization, kind="zip", name="x.zip", sha256="00" * 32)
    made.size = made.unpacked = 3
    for name, value in fields.items():
        setattr(made, name, value)
    made.file.save("", ContentFile(b"abc"), save=False)
    made.save(force_insert=True)
    return made


def test_each_save_is_kept_and_what_was_before_too(school):
    keeping.keep(changed(school, ssid="One"), by=school.member)
    keeping.keep(changed(school, ssid="Two"), by=school.staff)

    kept = ConfigurationVersion.objects.order_by("number")
    assert [(v.number, v.values["ssid"]) for v in kept] == [(0, "Kiwix Hotspot"), (1, "One"), (2, "Two")]
    assert [v.saved_by for v in kept][1:] == [school.member, school.staff]
    assert Configuration.objects.get().version == 2


def test_a_save_that_changes_nothing_is_no_version(school):
    keeping.keep(changed(school, ssid="One"), by=school.member)
    keeping.keep(changed(school), by=school.staff)

    assert Configuration.objects.get().version == 1


def test_a_version_cannot_be_there_twice(school):
    from django.db import IntegrityError

    keeping.keep(changed(school, ssid="One"), by=school.member)
    with pytest.raises(IntegrityError):
        ConfigurationVersion.objects.create(configuration=school.configuration, number=1, values={})


def test_who_saves_what_somebody_else_has_changed_is_told(school):
    mine = changed(school, ssid="Mine")
    keeping.keep(changed(school, ssid="Theirs"), by=school.staff)

    with pytest.raises(keeping.Stale, match="version 1") as told:
        keeping.keep(mine, by=school.member, seen=0)

    assert told.value.newest.ssid == "Theirs"
    assert Configuration.objects.get().ssid == "Theirs"


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_one_save_and_one_refusal(school):
    keeping.keep(changed(school, ssid="First"), by=school.member)

    def save(name):
        try:
            keeping.keep(changed(school, ssid=name), by=school.member, seen=1)
        except keeping.Stale:
            return "stale"
        return "saved"

    assert sorted(together(lambda: save("A"), lambda: save("B"))) == ["saved", "stale"]
    assert Configuration.objects.get().version == 2


def test_differences_name_fields_and_contents_but_no_password(school):
    keeping.keep(changed(school), by=school.member)
    one = changed(school, ssid="New", wifi_password="other-canary", content_metrics=True)
    keeping.keep(one, by=school.member, contents=Content.objects.filter(ident="kiwix:gutenberg"))
    old, new = one.versions.order_by("number").values_list("values", flat=True)

    found = {each.field: each for each in differences(old, new)}

    assert set(found) == {"ssid", "wifi_password", "content_metrics", "contents"}
    assert (found["ssid"].before, found["ssid"].after) == ("Kiwix Hotspot", "New")
    assert found["contents"].removed == ["Wikipedia"]
    assert "canary" not in str(found)


def test_an_old_version_comes_back_whole(school):
    archive = upload(school)
    first = keeping.keep(changed(school, preload_zip=archive, timezone="Africa/Bamako"), by=school.member)
    keeping.keep(
        changed(school, preload_zip=None, timezone="UTC", wifi_password=""), by=school.member, contents=[]
    )

    lost = keeping.restore(changed(school), first.versions.get(number=1), by=school.staff)

    one = Configuration.objects.get()
    assert (one.timezone, one.wifi_password, one.preload_zip) == ("Africa/Bamako", "wifi-canary-1", archive)
    assert (one.contents.count(), one.version, lost) == (2, 3, [])


def test_what_the_catalogue_has_lost_is_named(school):
    keeping.keep(changed(school, ssid="One"), by=school.member)
    keeping.keep(changed(school), by=school.member, contents=[])
    Content.objects.get(ident="kiwix:wikipedia").delete()

    one = changed(school)
    assert keeping.restore(one, one.versions.get(number=1), by=school.member) == ["Wikipedia"]
    assert one.contents.count() == 1


def test_a_copy_has_all_but_the_history(school):
    made = keeping.duplicate(changed(school), by=school.staff)

    assert made.name == "Library (Duplicate)"
    assert (made.admin_password, made.organization) == ("admin-canary-2", school.organization)
    assert (made.contents.count(), made.version, made.updated_by) == (2, 1, school.staff)


def test_the_name_of_a_copy_fits(school):
    made = keeping.duplicate(changed(school, name="x" * 100), by=school.member)

    assert len(made.name) == 100
    assert made.name.endswith(" (Duplicate)")


def test_who_may_not_brand_gets_the_names_of_the_service(school):
    school.organization.can_brand = False
    school.organization.save()
    logo = upload(school, kind="logo")
    mine = changed(school, ssid="Mine", domain="mine", variant="Demo", branding_logo=logo)
    one = keeping.keep(mine, by=school.member)

    one.refresh_from_db()
    assert (one.ssid, one.domain, one.variant, one.branding_logo) == ("Kiwix Hotspot", "kiwix", "", None)


def test_beta_features_are_for_organizations_that_try_them(school, settings):
    settings.BETA_FEATURES = {"new": "What is new"}
    one = keeping.keep(changed(school, beta_features=["new"]), by=school.member)
    assert one.beta_features == []

    school.organization.beta_is_active = True
    school.organization.save()
    one = keeping.keep(changed(school, beta_features=["new", "unknown"]), by=school.member)
    assert one.beta_features == ["new"]


def test_deleted_ones_go_after_thirty_days_and_their_orders_stay(school):
    order = school.place()
    keeping.delete(school.configuration)
    assert tidying.purge_configurations() == 0
    Configuration.objects.update(deleted_at=clock.now() - timedelta(days=31))
    make.configuration(school.organization)

    assert tidying.purge_configurations() == 1

    order.refresh_from_db()
    assert (order.configuration, order.name) == (None, "Library")
    assert Configuration.objects.count() == 1


@pytest.mark.parametrize("named_by", ["nothing", "configuration", "version", "recipe"])
def test_uploads_that_nothing_names_go(school, named_by, django_capture_on_commit_callbacks):
    one = upload(school)
    if named_by in {"configuration", "version"}:
        keeping.keep(changed(school, preload_zip=one), by=school.member)
    if named_by == "version":
        keeping.keep(changed(school, preload_zip=None), by=school.member)
    if named_by == "recipe":
        make.order(organization=school.organization, recipe=f"files: [{{url: https://x{one.path}}}]")
    assert tidying.purge_uploads() == 0  # somebody may have the form open
    Upload.objects.update(created_at=clock.now() - timedelta(days=8))

    with django_capture_on_commit_callbacks(execute=True):
        assert tidying.purge_uploads() == (named_by == "nothing")

    assert one.file.storage.exists(one.file.name) == (named_by != "nothing")


def test_the_same_file_is_kept_once_for_each_organization(school, stranger):
    from io import BytesIO

    from orders import uploads

    data = zipped({"a": b"x"})

    def keep(of):
        return uploads.keep_archive(BytesIO(data), size=len(data), name="a.zip", of=of, by=None)

    first = keep(school.organization)
    assert keep(school.organization) == first
    assert keep(stranger.organization).key != first.key


def test_uploads_that_stay_do_not_hide_those_that_go(school, monkeypatch, django_capture_on_commit_callbacks):
    monkeypatch.setattr(tidying, "AT_ONCE", 1)
    kept = upload(school)
    keeping.keep(changed(school, preload_zip=kept), by=school.member)
    keeping.keep(changed(school, preload_zip=None), by=school.member)  # a version names it still
    Upload.objects.update(created_at=clock.now() - timedelta(days=9))
    gone = upload(school, sha256="11" * 32)
    Upload.objects.filter(pk=gone.pk).update(created_at=clock.now() - timedelta(days=8))

    with django_capture_on_commit_callbacks(execute=True):
        assert tidying.purge_uploads() == 1

    assert list(Upload.objects.all()) == [kept]


def test_what_was_deleted_meanwhile_stays_deleted(school):
    mine = changed(school, ssid="Later")
    keeping.delete(school.configuration)
    keeping.keep(mine, by=school.member)

    assert Configuration.objects.get().deleted_at is not None
