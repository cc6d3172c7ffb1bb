"""One's own account, and one's organization, over HTTP."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from imager.accounts import invitations
from imager.accounts.models import Invitation, Organization, Role, User
from tests import factories as make
from tests.integration.bad_inputs.reading import of_api
from tests.integration.orders.conftest import api, school

__all__ = ["api", "school"]

pytestmark = pytest.mark.django_db

ACCOUNT, ORGANIZATIONS = "/api/v1/account/", "/api/v1/organizations/"


def test_whoever_asks_reads_who_they_are(school, api):
    User.objects.filter(pk=school.member.pk).update(can_order_cards=False)
    school.member.refresh_from_db()
    assert api(school.member).get(ACCOUNT).json() == {
        "email": "amina@example.org",
        "name": school.member.name,
        "language": "",
        "role": "member",
        "organization": school.organization.slug,
        "may_order_cards": False,
        "expires_at": None,
    }
    told = api(school.staff).get(ACCOUNT).json()
    assert (told["role"], told["organization"], told["may_order_cards"]) == ("staff", None, True)


def test_name_and_language_are_theirs_to_change(school, api):
    answer = api(school.member).patch(ACCOUNT, {"name": "Amina Touré", "language": "fr"})
    assert (answer.status_code, answer.data["name"], answer.data["language"]) == (200, "Amina Touré", "fr")
    school.member.refresh_from_db()
    assert (school.member.name, school.member.language) == ("Amina Touré", "fr")
    assert api(school.member).patch(ACCOUNT, {}).status_code == 200


@pytest.mark.parametrize(
    "field", ["email", "role", "organization", "can_order_cards", "is_superuser", "password", "expires_at"]
)
def test_nothing_else_is(school, api, field):
    before = User.objects.filter(pk=school.member.pk).values().get()
    told = of_api(api(school.member).patch(ACCOUNT, {field: "staff"}))
    assert told == f"{field}: “{field}” is no key of this body: leave it out, or correct its spelling."
    assert User.objects.filter(pk=school.member.pk).values().get() == before


def test_a_stale_copy_revives_no_token(school, api):
    """The name alone is written: what ended meanwhile stays ended."""
    client = api(school.member)
    User.objects.filter(pk=school.member.pk).update(is_active=False, token_epoch=7)
    client.patch(ACCOUNT, {"name": "Amina"})
    school.member.refresh_from_db()
    assert (school.member.is_active, school.member.token_epoch) == (False, 7)


def test_members_read_of_their_organization_and_of_no_other(school, api):
    other = make.organization()
    client = api(school.member)
    assert [row["slug"] for row in client.get(ORGANIZATIONS).json()["results"]] == [school.organization.slug]
    told = client.get(f"{ORGANIZATIONS}{school.organization.slug}/").json()
    assert (told["name"], told["can_brand"], told["max_quantity"]) == ("École", True, None)
    assert client.get(f"{ORGANIZATIONS}{other.slug}/").status_code == 404
    assert api(make.user(organization=None)).get(ORGANIZATIONS).json()["count"] == 0


def test_staff_with_the_right_find_them_all(school, api):
    make.organization(name="Lycée")
    client = api(school.staff)
    assert client.get(ORGANIZATIONS).json()["count"] == Organization.objects.count() == 2
    found = client.get(ORGANIZATIONS, {"search": "lyc"}).json()["results"]
    assert [row["name"] for row in found] == ["Lycée"]
    first = client.get(ORGANIZATIONS, {"ordering": "-name"}).json()["results"][0]
    assert first["name"] == "École"
    assert api(make.user(role=Role.STAFF)).get(ORGANIZATIONS).status_code == 403


def test_nothing_is_changed_there(school, api):
    url = f"{ORGANIZATIONS}{school.organization.slug}/"
    for method in ("post", "put", "patch", "delete"):
        assert getattr(api(school.staff), method)(url, {"limited": False}).status_code == 405


@pytest.mark.parametrize("rows", [1, 3])
def test_two_queries_for_one_row_and_for_three(school, api, rows, django_assert_num_queries):
    for _more in range(rows - 1):
        make.organization()
    client = api(school.staff)
    with django_assert_num_queries(2):
        assert client.get(ORGANIZATIONS).json()["count"] == rows


class TestInvitations:
    URL = "/api/v1/invitations/"

    def body(self, school, **fields):
        return {"organization": school.organization.slug, "email": "New@example.org", **fields}

    def test_somebody_is_invited_and_comes(self, school, api, mailoutbox):
        ends = "2036-03-31T14:30:00Z"
        fields = {"name": "New", "account_ends_at": ends, "can_order_cards": False, "language": "fr"}
        told = api(school.staff).post(self.URL, self.body(school, **fields))
        assert told.status_code == 201, told.data
        assert (told.data["email"], told.data["invited_by"]) == ("new@example.org", school.staff.email)
        assert told.data["sent_at"]
        token = mailoutbox[-1].body.split("/invitation/")[1].split("/")[0]
        assert token not in str(told.data)
        user = invitations.accept(token, name="New", password="a long enough sentence")
        assert (user.organization, user.can_order_cards) == (school.organization, False)
        assert user.expires_at.isoformat() == "2036-03-31T14:30:00+00:00"
        for verb in ("send", "revoke"):
            again = api(school.staff).post(f"{self.URL}{told.data['id']}/{verb}/")
            assert (again.status_code, again.data["code"]) == (409, "over")

    def test_sent_again_and_revoked(self, school, api, mailoutbox):
        client = api(school.staff)
        made = client.post(self.URL, self.body(school)).data["id"]
        assert client.post(f"{self.URL}{made}/send/").status_code == 200
        assert len(mailoutbox) == 2
        assert client.post(f"{self.URL}{made}/revoke/").data["revoked_at"]
        assert client.post(f"{self.URL}{made}/send/").data["code"] == "over"
        assert client.get(f"{self.URL}{made}/").data["accepted_at"] is None

    def test_a_mail_that_does_not_go_is_told_and_sent_later(self, school, api, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
        told = api(school.staff).post(self.URL, self.body(school))
        assert (told.status_code, told.data["code"]) == (503, "mail_away")
        row = Invitation.objects.get(pk=told.data["invitation"])
        assert row.sent_at is None
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        assert api(school.staff).post(f"{self.URL}{row.pk}/send/").data["sent_at"]

    def test_whom_not_to_invite(self, school, api):
        client = api(school.staff)
        client.post(self.URL, self.body(school))
        again = of_api(client.post(self.URL, self.body(school)))
        assert again == "email: new@example.org is invited already. Send that invitation again, or revoke it."
        member = of_api(client.post(self.URL, self.body(school, email=school.member.email)))
        assert member == "email: amina@example.org has an account. Set its organization there."
        nowhere = of_api(client.post(self.URL, self.body(school, organization="nobody")))
        assert nowhere.startswith("organization: “organization” names nothing that you can use")
        assert Invitation.objects.count() == 1

    def test_only_with_the_right(self, school, api):
        clerk = make.user(role=Role.STAFF)
        clerk.user_permissions.set(Permission.objects.filter(codename="view_invitation"))
        clerk = User.objects.get(pk=clerk.pk)
        assert api(clerk).get(self.URL).status_code == 200
        assert api(clerk).post(self.URL, self.body(school)).status_code == 403
        assert api(school.member).get(self.URL).status_code == 403
