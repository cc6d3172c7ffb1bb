"""Describing a hotspot: what is saved, what is refused, the picker of contents."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile

from orders.models import Configuration, Content, Order
from tests import factories as make
from tests.integration.pages.conftest import HTMX, Page
from tests.unit.orders.test_pictures import drawn

NEW = "/configurations/new/"


@pytest.fixture
def filled(school):
    def fields(**changes):
        right = {
            "name": "Clinic",
            "ssid": "Clinique",
            "domain": "clinique",
            "wifi_password": "",
            "admin_account": "admin",
            "admin_password": "admin-secret",
            "language": "fr",
            "timezone": "Africa/Bamako",
            "contents": [content.pk for content in Content.objects.all()],
        }
        return {**right, **changes}

    return fields


@pytest.fixture
def url(school) -> str:
    return f"/configurations/{school.configuration.pk}/"


def test_a_new_configuration_belongs_to_the_members_organization(member, school, filled):
    answer = member.post(NEW, filled(), follow=True)
    made = Configuration.objects.get(name="Clinic")
    assert (made.organization, made.created_by) == (school.organization, school.member)
    assert made.contents.count() == 2
    assert "“Clinic” is saved" in Page(answer.text).words


def test_staff_choose_the_organization(staff, school, filled):
    assert staff.post(NEW, filled()).context["form"].errors.keys() == {"organization"}
    staff.post(NEW, filled(organization=school.organization.pk))
    assert Configuration.objects.get(name="Clinic").organization == school.organization


def test_a_member_cannot_choose_another_organization(member, school, stranger, filled):
    member.post(NEW, filled(organization=stranger.organization.pk))
    assert Configuration.objects.get(name="Clinic").organization == school.organization


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "“Name” is empty: fill it in."),
        ("ssid", "x" * 33, "at most 32"),
        ("ssid", "a+b", "Example: Kiwix Hotspot"),
        ("domain", "No Spaces", "Example: school-library"),
        ("wifi_password", "short", "8 to 63"),
        ("admin_account", "a b", "Example: admin"),
        ("admin_password", "", "“Admin password” is empty"),
        ("admin_password", "a b c d e", "4 to 31"),
        ("language", "xx", "“Language” must be one of English, Français"),
        ("timezone", "Mars/Olympus", "“Time zone” does not offer what was sent"),
        ("contents", ["999999"], "“Contents” does not offer what was sent"),
        ("contents", ["x"], "“Contents” does not offer what was sent"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(member, filled, field, value, words):
    answer = member.post(NEW, filled(**{field: value}))
    assert answer.status_code == 200
    assert answer.context["form"].errors.keys() == {field}
    page = Page(answer.text)
    page.by_id(f"id_{field}_error")
    assert [1 for _, attrs in page.tags if f"id_{field}_error" in (attrs.get("aria-describedby") or "")]
    assert words in page.words
    assert Configuration.objects.count() == 1


def test_passwords_are_never_sent_back_and_stay_when_left_empty(member, school, url, filled):
    page = Page(member.get(url).text)
    assert all("value" not in page.by_id(f"id_{name}_password") for name in ("wifi", "admin"))
    assert "leave empty to keep the present one" in page.words
    assert "open network" not in page.words
    member.post(url, filled(admin_password=""))
    school.configuration.refresh_from_db()
    assert (school.configuration.wifi_password, school.configuration.admin_password) == (
        "wifi-canary-1",
        "admin-canary-2",
    )
    member.post(url, filled(admin_password="", open_network="on"))
    school.configuration.refresh_from_db()
    assert school.configuration.wifi_password == ""


def test_each_chosen_content_has_its_size_and_a_button_that_removes_it(member, school, url):
    page = Page(member.get(url).text)
    assert len(page.all("input", name="contents", type="hidden")) == 2
    for content in Content.objects.all():
        button = page.by_id(f"remove-{content.pk}")
        assert (button["name"], button["value"]) == ("pick", f"remove:{content.pk}")
        assert content.title in button["aria-label"]
    assert "1.0 MB" in page.words


def test_an_inactive_content_cannot_be_chosen(member, school):
    Content.objects.update(active=False)
    assert "The catalogue is empty" in Page(member.get(NEW).text).words


def test_the_total_is_counted_and_nothing_is_saved(member, school, url):
    chosen = [content.pk for content in Content.objects.all()]
    answer = member.post(url, {"contents": chosen[:1]}, headers={**HTMX, "HX-Target": "total"})
    assert (answer.context["count"], answer.context["bytes"]) == (1, 1_000_000)
    assert "<html" not in answer.text
    Page(answer.text).by_id("total")
    assert school.configuration.contents.count() == 2


@pytest.mark.parametrize("junk", ["", "x", "-1", "9" * 30, "²"])
def test_junk_among_the_contents_counts_nothing(member, school, junk):
    answer = member.post(NEW, {"contents": [junk]}, headers={**HTMX, "HX-Target": "total"})
    assert answer.status_code == 200
    assert answer.context["count"] == 0


def test_deleting_keeps_the_orders(member, school, url):
    order = school.place()
    page = Page(member.get(url).text)
    assert page.all("form", action=f"{url}delete/", method="post")
    answer = member.post(f"{url}delete/", follow=True)
    assert "“Library” is deleted" in Page(answer.text).words
    order.refresh_from_db()
    assert (order.configuration, order.name) == (school.configuration, "Library")
    assert Order.objects.count() == 1
    assert member.post(f"{url}delete/").status_code == 404


def test_query_counts_do_not_grow_with_the_catalogue(member, school, url, django_assert_num_queries):
    member.get(url)
    with django_assert_num_queries(11):
        member.get(url)
    for n in range(20):
        Content.objects.create(
            ident=f"n:{n}", title=f"N {n}", url="https://z.example/n", path=f"/data/{n}", size=n
        )
    with django_assert_num_queries(11):
        member.get(url)


@pytest.mark.parametrize("where", ["/configurations/new/", "/configurations/import/", "its own"])
def test_each_field_has_its_label(member, url, where):
    text = member.get(url if where == "its own" else where).text
    assert '<label for="">' not in text


def test_staff_upload_beside_a_field_that_is_wrong(staff, school, filled):
    school.organization.can_brand = True
    school.organization.save()
    fields = filled(organization=school.organization.pk, name="")
    sent = staff.post(NEW, {**fields, "branding_logo_file": SimpleUploadedFile("logo.png", drawn())})
    form = sent.context["form"]
    assert form.errors.keys() == {"name"}
    staff.post(NEW, {**fields, "name": "Clinic", "branding_logo": form["branding_logo"].value()})
    made = Configuration.objects.get(name="Clinic")
    assert (made.organization, made.branding_logo.name) == (school.organization, "logo.png")


def test_the_admin_never_moves_a_configuration_to_another_organization(staff, school, stranger):
    page = staff.get(f"/admin/orders/configuration/{school.configuration.pk}/change/")
    assert "organization" not in page.context["adminform"].form.fields


def test_it_is_saved_and_ordered_in_one_step(member, filled):
    answer = member.post(NEW, filled(then="order"))
    made = Configuration.objects.get(name="Clinic")
    assert answer["Location"] == f"/orders/new/?configuration={made.pk}"
    form = member.get(answer["Location"]).context["form"]
    assert form["configuration"].value() == str(made.pk)


def test_only_who_may_order_is_offered_that(staff, browse, url):
    clerk = make.user(role="staff")
    rights = Permission.objects.filter(codename__in=["view_configuration", "change_configuration"])
    clerk.user_permissions.set(rights)
    assert "Save and order" in staff.get(url).text
    assert "Save and order" not in browse(clerk).get(url).text


def test_the_list_is_sorted_by_who_saved_it(member, school, browse):
    for name in ("Zoé", "Awa"):
        person = make.user(organization=school.organization, name=name)
        make.configuration(school.organization, name=f"by {name}", updated_by=person)
    school.configuration.delete()
    for sort, names in {"by": ["by Awa", "by Zoé"], "-by": ["by Zoé", "by Awa"]}.items():
        page = member.get("/configurations/", {"sort": sort})
        assert [one.name for one in page.context["page"]] == names
        order = "ascending" if sort == "by" else "descending"
        assert f'<th scope="col" aria-sort="{order}"><a href="?sort=' in page.text
