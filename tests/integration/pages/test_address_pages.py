"""The address book: what is kept, what is refused, and that orders keep their copy."""

from __future__ import annotations

import pytest

from orders.models import Address
from tests import factories as make
from tests.integration.pages.conftest import Page

NEW = "/addresses/new/"


def filled(**changes) -> dict[str, str]:
    right = {
        "name": "Warehouse",
        "recipient": "Awa Diop",
        "street": "Rue 17\nporte 3",
        "postal_code": "",
        "city": "Bamako",
        "country": "ML",
        "phone": "20 22 52 29",
        "email": "awa@example.org",
    }
    return {**right, **changes}


def test_a_new_address_belongs_to_the_members_organization(member, school):
    answer = member.post(NEW, filled(), follow=True)
    made = Address.objects.get()
    assert (made.organization, made.created_by) == (school.organization, school.member)
    assert made.phone == "+223 20 22 52 29"
    assert (made.street.splitlines(), made.city) == (["Rue 17", "porte 3"], "Bamako")
    page = Page(answer.text)
    assert "“Warehouse” is saved" in page.words
    assert "Mali" in page.words
    assert page.all("a", href=f"/orders/new/?address={made.pk}")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "", "is empty: fill it in"),
        ("name", "x" * 101, "at most 100"),
        ("name", "a\0b", "holds a zero byte"),
        ("recipient", "", "is empty: fill it in"),
        ("street", " ", "is empty: fill it in"),
        ("street", "x" * 1001, "at most 1000"),
        ("city", "", "is empty: fill it in"),
        ("postal_code", "1" * 21, "at most 20"),
        ("country", "", "has nothing chosen"),
        ("country", "XX", "does not offer what was sent"),
        ("phone", "12", "for example +223"),
        ("phone", "call me", "for example +223"),
        ("email", "awa@", "must be an e-mail address"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(member, field, value, words):
    answer = member.post(NEW, filled(**{field: value}))
    assert answer.context["form"].errors.keys() == {field}
    page = Page(answer.text)
    page.by_id(f"id_{field}_error")
    assert words in page.words
    assert not Address.objects.exists()


def test_changing_and_deleting_leaves_orders_alone(member, school):
    address = make.address(school.organization)
    order = school.place()
    before = (order.recipient_name, order.recipient_lines)
    url = f"/addresses/{address.pk}/"
    member.post(url, filled(recipient="Chen"))
    address.refresh_from_db()
    assert address.recipient == "Chen"
    assert "is deleted" in member.post(f"{url}delete/", follow=True).text
    order.refresh_from_db()
    assert (order.recipient_name, order.recipient_lines) == before
    assert not Address.objects.exists()


def test_staff_choose_whose_it_is_and_nobody_moves_it(staff, member, school):
    other = make.organization()
    staff.post(NEW, filled(organization=other.pk))
    address = Address.objects.get()
    assert address.organization == other
    staff.post(f"/addresses/{address.pk}/", filled(organization=school.organization.pk, name="Moved"))
    address.refresh_from_db()
    assert (address.name, address.organization) == ("Moved", other)
    member.post(NEW, filled(organization=other.pk))
    assert Address.objects.exclude(pk=address.pk).get().organization == school.organization


def test_whoever_belongs_nowhere_keeps_nothing(browse, db):
    answer = browse(make.user(organization=None)).post(NEW, filled())
    assert "You belong to no organization" in answer.text
    assert not Address.objects.exists()


def test_search_and_pages(member, school):
    for number in range(26):
        make.address(school.organization, name=f"School {number:02}", city="Gao" if number else "Ségou")
    first = Page(member.get("/addresses/").text)
    assert "Page 1 of 2" in first.words
    assert "School 25" in member.get("/addresses/", {"page": "2"}).text
    found = Page(member.get("/addresses/", {"q": "ségou awa"}).text).words
    assert "School 00" in found
    assert "School 01" not in found
    assert "No address matches" in member.get("/addresses/", {"q": "x\0y"}).text


def test_query_counts_at_one_and_three_rows(member, school, django_assert_num_queries):
    make.address(school.organization)
    member.get("/addresses/")
    for _ in range(2):
        with django_assert_num_queries(5):
            member.get("/addresses/")
        make.address(school.organization)
        make.address(school.organization)
