"""Cards cost work of people: not everybody may order them. Downloads are for all, and staff may both."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from imager.accounts import invitations, shop
from imager.accounts.models import Invitation, User
from orders.models import Order
from tests.integration.bad_inputs.reading import of_api, of_page
from tests.integration.orders.test_api_orders import URL
from tests.integration.orders.test_api_orders import body as order_body
from tests.integration.orders.test_forms import order_data
from tests.integration.pages.conftest import _english

__all__ = ["_english"]

SENTENCE = "You may order downloads, not cards. Order a download, or ask the staff for the right."
PASSWORD = "a sentence that is long"


@pytest.fixture
def downloader(school) -> User:
    User.objects.filter(pk=school.member.pk).update(can_order_cards=False)
    school.member.refresh_from_db()
    return school.member


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_cards_are_refused_by_every_door(school, api, downloader):
    with pytest.raises(ValidationError) as refused:
        school.place()
    assert refused.value.message_dict == {"kind": [SENTENCE]}
    assert of_api(api(downloader).post(URL, order_body(school))) == f"kind: {SENTENCE}"
    told = of_page(browser(downloader).post("/orders/new/", order_data(school)))
    assert "kind: “Kind” does not offer what was sent: choose from its list." in told
    assert not Order.objects.exists()


def test_downloads_are_theirs(school, downloader):
    assert school.place(kind="virtual").kind == "virtual"


def test_the_form_offers_downloads_alone(school, downloader):
    form = browser(downloader).get("/orders/new/", {"kind": "physical"}).context["form"]
    assert [value for value, _label in form.fields["kind"].choices] == ["virtual"]
    assert form["kind"].value() == "virtual"
    assert {media.kind for media in form.fields["media"].queryset} == {"virtual"}
    assert 'value="physical"' not in browser(downloader).get("/orders/new/").text


def test_staff_may_always(school):
    User.objects.filter(pk=school.staff.pk).update(can_order_cards=False)
    school.staff.refresh_from_db()
    assert school.place(by=school.staff).kind == "physical"


def test_an_order_of_cards_is_repeated_as_a_download(school):
    order = school.place()
    User.objects.filter(pk=school.member.pk).update(can_order_cards=False)
    form = browser(school.member).get("/orders/new/", {"again": str(order.pk)}).context["form"]
    assert form["kind"].value() == "virtual"


@pytest.mark.parametrize("may", [True, False])
def test_an_invitation_brings_the_right_along(school, may, mailoutbox):
    invitation = Invitation(organization=school.organization, email="new@example.org", can_order_cards=may)
    invitations.send(invitations.invite(invitation, by=school.staff))
    token = mailoutbox[-1].body.split("/invitation/")[1].split("/")[0]
    assert invitations.accept(token, name="New", password=PASSWORD).can_order_cards is may


@pytest.mark.parametrize("may", [True, False])
def test_a_shop_says_whether_it_sold_cards(db, may):
    purchase = shop.Purchase(event="1", email="new@example.org", cards=may)
    shop.deliver(purchase, digest="x")
    assert Invitation.objects.get().can_order_cards is may


def test_staff_invite_and_change_it_in_the_admin(school):
    client = browser(school.staff)
    fields = {"organization": school.organization.pk, "email": "new@example.org"}
    assert client.post("/admin/accounts/invitation/add/", fields).status_code == 302
    assert Invitation.objects.get().can_order_cards is False
    page = client.get(f"/admin/accounts/user/{school.member.pk}/change/").text
    assert 'name="can_order_cards"' in page
    assert client.get("/admin/accounts/user/", {"can_order_cards__exact": "0"}).status_code == 200
