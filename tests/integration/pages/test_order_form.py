"""The order form: what is placed, what is refused and where it says so, and the live summary."""

from __future__ import annotations

import uuid

import pytest

from orders.models import Content, Media, Order
from tests import factories as make
from tests.integration.pages.conftest import Page

URL = "/orders/new/"


def confirmed(client, fields):
    """The answer to the summary's yes, with everything that stands in the summary."""
    return client.post(URL, {**shown(client.post(URL, fields)), "step": "place"})


def shown(answer) -> dict[str, str]:
    """What the summary would send, but for its buttons."""
    page = Page(answer.text)
    assert page.all("button", name="step", value="place"), page.words
    return {str(one["name"]): one.get("value") or "" for one in page.all("input", type="hidden")}


@pytest.fixture
def filled(school):
    """`filled(**changes)`: the fields of a right order for two cards."""

    def fields(**changes):
        right = {
            "configuration": school.configuration.pk,
            "kind": "physical",
            "media": school.card.pk,
            "quantity": "2",
            "recipient_name": "Awa Diop",
            "recipient_address": "Rue 17",
            "recipient_city": "Bamako",
            "recipient_country": "ML",
            "recipient_email": "awa@example.org",
            "recipient_phone": "",
            "key": str(uuid.uuid4()),
        }
        return {name: value for name, value in {**right, **changes}.items() if value is not None}

    return fields


def test_a_right_form_places_the_order_and_shows_it(member, filled, school):
    answer = confirmed(member, filled())
    order = Order.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == order.get_absolute_url()
    assert (order.quantity, order.created_by, order.recipient_country) == (2, school.member, "ML")
    assert f"Order #{order.number} is placed." in member.get(answer["Location"]).text


def test_a_download_needs_no_recipient(member, filled, school):
    empty = dict.fromkeys(("recipient_name", "recipient_address", "recipient_country", "recipient_email"), "")
    answer = confirmed(member, filled(kind="virtual", media=school.download.pk, quantity="1", **empty))
    assert answer.status_code == 302
    assert Order.objects.get().kind == "virtual"


def test_the_same_form_sent_twice_is_one_order(member, filled):
    fields = {**shown(member.post(URL, filled())), "step": "place"}
    first, second = member.post(URL, fields), member.post(URL, fields)
    assert first["Location"] == second["Location"]
    assert Order.objects.count() == 1


def test_all_that_is_missing_is_said_at_once(member, filled):
    needed = {f"recipient_{name}" for name in ("name", "address", "city", "country")}
    answer = member.post(URL, filled(**dict.fromkeys(needed, "")))
    assert answer.context["form"].errors.keys() == needed


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("configuration", "", "“Configuration” has nothing chosen"),
        ("configuration", "999999", "does not offer what was sent"),
        ("configuration", "x' OR 1=1", "does not offer what was sent"),
        ("kind", "parcel", "must be one of SD cards, download"),
        ("media", "", "“Size” has nothing chosen"),
        ("media", "999999", "does not offer what was sent"),
        ("quantity", "0", "1 to 10"),
        ("quantity", "11", "1 to 10"),
        ("quantity", "two", "whole number"),
        ("recipient_name", "", "Needed to send"),
        ("recipient_name", "x" * 101, "at most 100"),
        ("recipient_address", " ", "Needed to send"),
        ("recipient_city", "", "Needed to send"),
        ("recipient_postal_code", "1" * 21, "at most 20"),
        ("recipient_phone", "12", "for example +223"),
        ("recipient_country", "", "Needed to send"),
        ("recipient_country", "XX", "does not offer what was sent"),
        ("recipient_email", "awa@", "must be an e-mail address"),
        ("recipient_phone", "1" * 31, "at most 30"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(member, filled, field, value, words):
    answer = member.post(URL, filled(**{field: value}))
    assert answer.status_code == 200
    assert not Order.objects.exists()
    assert answer.context["form"].errors.keys() == {field}
    page = Page(answer.text)
    page.by_id(f"id_{field}_error")
    controls = [
        attrs for tag, attrs in page.tags if f"id_{field}_error" in (attrs.get("aria-describedby") or "")
    ]
    assert controls, f"no control says that its error is in id_{field}_error"
    assert words in page.words


def test_what_was_typed_is_still_there_after_an_error(member, filled):
    page = Page(member.post(URL, filled(quantity="11")).text)
    assert page.by_id("id_recipient_name")["value"] == "Awa Diop"
    assert "selected" in page.all("option", value="ML")[0]


def test_content_that_does_not_fit_names_both_sizes_and_the_way_out(member, filled, school):
    big = Content.objects.create(
        ident="big", title="Big", url="https://z.example/b", path="/data/b", size=20_000_000_000
    )
    school.configuration.contents.add(big)
    answer = member.post(URL, filled())
    page = Page(answer.text)
    assert answer.context["form"].errors.keys() == {"media"}
    assert "32GB" in page.words
    assert "too small" in page.words


def test_without_a_base_image_the_form_says_who_can_help(member, filled, settings):
    settings.BASE_IMAGE_URL = ""
    answer = member.post(URL, filled())
    assert "No base image is set up" in Page(answer.text).words
    assert not Order.objects.exists()


def test_without_a_configuration_the_way_to_one_is_shown(browse, stranger):
    page = Page(browse(stranger).get(URL).text)
    assert "First describe the hotspot" in page.words
    assert page.all("a", href="/configurations/new/")


def test_a_link_may_choose_the_configuration(member, school):
    page = Page(member.get(URL, {"configuration": school.configuration.pk}).text)
    assert "selected" in page.all("option", value=str(school.configuration.pk))[0]
    assert "checked" in page.by_id(f"id_media_{Media.objects.filter(kind='physical').first().pk}")


@pytest.mark.parametrize("junk", ["", "x", "-1", "1" * 30, "²", "\x00"])
def test_junk_in_the_address_is_no_error(member, school, junk):
    query = {"configuration": junk, "kind": junk, "media": junk, "quantity": junk}
    for target in ("", "sizes", "summary"):
        headers = {"HX-Request": "true", "HX-Target": target} if target else {}
        assert member.get(URL, query, headers=headers).status_code == 200


def live(client, target: str, **query):
    return client.get(URL, query, headers={"HX-Request": "true", "HX-Target": target})


def test_the_summary_tells_what_stays_free(member, school):
    answer = live(
        member,
        "summary",
        configuration=school.configuration.pk,
        kind="physical",
        media=school.card.pk,
        quantity=3,
    )
    sizing = answer.context["sizing"]
    assert sizing.needed + sizing.free == school.card.bytes
    assert "<html" not in answer.text
    page = Page(answer.text)
    assert "Stays free" in page.words
    assert page.all("meter", value=str(sizing.needed), max=str(school.card.bytes))
    assert sizing.total == 3


def test_the_summary_tells_what_is_missing_and_the_smallest_that_fits(member, school):
    school.configuration.contents.add(
        Content.objects.create(
            ident="b", title="B", url="https://z.example/b", path="/data/b", size=9_000_000_000
        )
    )
    answer = live(
        member, "summary", configuration=school.configuration.pk, kind="physical", media=school.card.pk
    )
    assert answer.context["sizing"].media == school.card  # the person's choice is not taken away
    words = Page(answer.text).words
    assert "are missing" in words
    assert "The smallest that fits is 16GB" in words


def test_nothing_is_large_enough(member, school):
    school.configuration.contents.add(
        Content.objects.create(
            ident="b", title="B", url="https://z.example/b", path="/data/b", size=3 * 10**12
        )
    )
    answer = live(member, "sizes", configuration=school.configuration.pk, kind="physical")
    assert "remove contents" in Page(answer.text).words
    assert all(choice.fits is False for choice in answer.context["sizing"].choices)


def test_another_kind_moves_the_choice_to_the_smallest_that_fits(member, school):
    answer = live(
        member, "sizes", configuration=school.configuration.pk, kind="virtual", media=school.card.pk
    )
    chosen = [choice.media for choice in answer.context["sizing"].choices if choice.chosen]
    assert [(media.kind, media) for media in chosen] == [("virtual", answer.context["sizing"].smallest)]
    page = Page(answer.text)
    assert page.by_id("summary")["hx-swap-oob"] == "true"
    page.by_id("sizes")


def test_a_larger_size_that_was_chosen_stays_chosen(member, school):
    large = Media.objects.get(kind="physical", gigabytes=64)
    answer = live(member, "sizes", configuration=school.configuration.pk, kind="physical", media=large.pk)
    assert answer.context["sizing"].media == large


def test_query_counts(member, school, django_assert_num_queries):
    member.get(URL)
    for _ in range(2):
        with django_assert_num_queries(11):
            member.get(URL, {"configuration": school.configuration.pk})
        for _ in range(3):
            make.configuration(school.organization)


def test_staff_choose_from_the_latest_and_the_one_that_was_named(staff, school, monkeypatch):
    monkeypatch.setattr("orders.order_form.OFFERED", 1)
    old, named, last = (
        make.configuration(school.organization, name=name) for name in ("old", "named", "last")
    )
    page = Page(staff.get(URL, {"configuration": named.pk}).text)
    assert "The 1 changed last. To order another one, start from its own page." in page.words
    offered = page.all("option")
    values = {option["value"] for option in offered}
    assert {str(named.pk), str(last.pk)} <= values
    assert str(old.pk) not in values
    assert [option["value"] for option in offered if "selected" in option][:1] == [str(named.pk)]


def test_staff_may_order_what_is_not_offered(staff, filled, school, monkeypatch):
    monkeypatch.setattr("orders.order_form.OFFERED", 1)
    make.configuration(school.organization, name="last")
    assert confirmed(staff, filled()).status_code == 302
    assert Order.objects.get().configuration == school.configuration
