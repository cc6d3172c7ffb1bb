"""From an invitation in the admin to the first login; and everything that makes it void."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from imager.accounts import invitations
from imager.accounts.models import Invitation, Organization, User
from tests import factories as make
from tests.together import PATIENCE, together

pytestmark = pytest.mark.django_db

PASSWORD = "a long enough sentence"
ADD = "admin:accounts_invitation_add"
LIST = "admin:accounts_invitation_changelist"
FORM = {"name": "Fatou", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def school() -> Organization:
    return make.organization(name="École", language="fr")


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(make.staff())
    return client


def invited(school, email: str = "fatou@example.org", **fields) -> Invitation:
    made = invitations.invite(Invitation(organization=school, email=email, **fields), by=make.staff())
    return invitations.send(made)


def link() -> str:
    """The path of the link in the last mail."""
    found = re.search(r"http://[^/]+(/invitation/\S+/)", mail.outbox[-1].body)
    assert found
    return found[1]


def act(staff: Client, action: str, *chosen: Invitation):
    chosen = {admin.helpers.ACTION_CHECKBOX_NAME: [one.pk for one in chosen]}
    data = {"action": action, "confirmed": "1", **chosen}
    return staff.post(reverse(LIST), data, follow=True)


def test_from_the_admin_to_the_first_page(staff, school):
    fields = {"organization": school.pk, "email": "Fatou@Example.org", "name": "Fatou", "language": ""}
    assert staff.post(reverse(ADD), fields).status_code == 302
    (message,) = mail.outbox
    assert message.to == ["fatou@example.org"]
    assert message.subject.startswith("Votre invitation"), "the organization's language"
    person = Client()
    page = person.get(link())
    assert page.status_code == 200
    assert "École" in page.text
    assert "no-store" in page["Cache-Control"]
    assert not User.objects.filter(email="fatou@example.org").exists(), "looking changes nothing"
    answer = person.post(link(), FORM, follow=True)
    assert answer.status_code == 200
    user = User.objects.get(email="fatou@example.org")
    assert (user.organization, user.role, user.name) == (school, "member", "Fatou")
    assert user.check_password(PASSWORD)
    assert int(person.session["_auth_user_id"]) == user.pk
    assert user.emailaddress_set.get().verified
    assert Invitation.objects.get().accepted_by == user


def test_a_link_works_once(school):
    invited(school)
    url = link()
    assert Client().post(url, FORM).status_code == 302
    assert Client().get(url).status_code == 410
    assert Client().post(url, FORM).status_code == 410
    assert User.objects.filter(organization=school).count() == 1


def _late(invitation):
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def _taken(invitation):
    make.user(email=invitation.email)


def _shut(invitation):
    Organization.objects.update(active=False)


VOID = [_late, invitations.revoke, invitations.send, _shut]


@pytest.mark.parametrize("void", VOID, ids=["late", "revoked", "replaced", "inactive"])
def test_links_that_are_void_all_look_the_same(school, void):
    one = invited(school)
    url = link()
    void(one)
    never = Client().get("/invitation/" + "x" * 43 + "/")
    for answer in (Client().get(url), Client().post(url, FORM)):
        assert answer.status_code == never.status_code == 410
        strip = re.compile(r'(csrfmiddlewaretoken" value|name="next" value)="[^"]*"')
        assert strip.sub("", answer.text) == strip.sub("", never.text)
    assert not User.objects.filter(organization=school).exists()


def test_an_account_that_was_made_meanwhile_is_not_touched_and_not_told(school):
    one = invited(school)
    other = make.user(email=one.email)
    assert Client().post(link(), FORM).status_code == 410
    other.refresh_from_db()
    assert other.organization != school
    assert not other.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"password1": "short", "password2": "short"}, "too short"),
        ({"password2": "another sentence"}, "The two passwords differ"),
        ({"password1": "fatou@example.org", "password2": "fatou@example.org"}, "too similar"),
        ({"name": ""}, "“Your name” is empty: fill it in."),
    ],
)
def test_what_is_refused_leaves_the_invitation_open(school, fields, words):
    invited(school)
    answer = Client(headers={"Accept-Language": "en"}).post(link(), {**FORM, **fields})
    assert words in answer.text
    assert Client().post(link(), FORM).status_code == 302


def test_send_again_voids_the_first_link(staff, school):
    one = invited(school)
    first = link()
    act(staff, "send_again", one)
    assert link() != first
    assert Client().get(first).status_code == 410
    assert Client().get(link()).status_code == 200


def test_revoke_and_what_is_over(staff, school):
    one = invited(school)
    act(staff, "revoke", one)
    assert Client().get(link()).status_code == 410
    assert "is over" in act(staff, "send_again", one).text
    assert len(mail.outbox) == 1


def test_a_mail_server_that_refuses_is_told_and_the_invitation_can_be_sent_again(staff, school, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 9
    settings.EMAIL_HOST = "127.0.0.1"
    answer = staff.post(reverse(ADD), {"organization": school.pk, "email": "a@example.org"}, follow=True)
    assert "could not be sent" in answer.text
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    act(staff, "send_again", Invitation.objects.get())
    assert Client().get(link()).status_code == 200


@pytest.mark.parametrize(
    ("email", "words"), [("old@example.org", "has an account"), ("fatou@example.org", "is invited already")]
)
def test_whom_not_to_invite(staff, school, email, words):
    make.user(email="old@example.org")
    invited(school)
    answer = staff.post(reverse(ADD), {"organization": school.pk, "email": email.upper()})
    assert words in answer.text
    assert Invitation.objects.count() == 1


def test_the_database_keeps_one_open_invitation_per_person(school):
    one = invited(school)
    with pytest.raises(IntegrityError), transaction.atomic():
        Invitation.objects.create(
            organization=school, email=one.email.upper(), token_hash="y", expires_at=timezone.now()
        )


def test_nothing_in_the_database_opens_the_door(school):
    one = invited(school)
    token = link().split("/")[2]
    assert token not in str(vars(one))
    assert one.token_hash == invitations._hashed(token)
    assert Client().get(f"/invitation/{one.token_hash}/").status_code == 410


def test_sign_up_is_closed_unless_switched_on(settings):
    assert "Accounts are made by staff" in Client().get("/accounts/signup/").text
    Client().post(
        "/accounts/signup/", {"email": "x@example.org", "password1": PASSWORD, "password2": PASSWORD}
    )
    assert not User.objects.filter(email="x@example.org").exists()


def test_staff_say_when_the_account_will_end(school, staff):
    fields = {"organization": school.pk, "email": "fatou@example.org"}
    page = staff.get(reverse(ADD)).text
    assert 'aria-label="Account ends: date"' in page or 'aria-label="account ends: date"' in page
    staff.post(reverse(ADD), {**fields, "account_ends_at_0": "2036-03-31", "account_ends_at_1": "14:30"})
    assert Client().post(link(), FORM).status_code == 302
    ends = User.objects.get(email="fatou@example.org").expires_at
    assert f"{ends:%Y-%m-%d %H:%M}" == "2036-03-31 14:30"


def test_where_it_is_switched_on_a_confirmed_address_opens_the_door(settings, mailoutbox):
    """From the form by the mail to the first page; before the mail's link nothing opens."""
    settings.OPEN_SIGNUP, settings.ACCOUNT_EMAIL_VERIFICATION = True, "mandatory"
    client = Client(headers={"Accept-Language": "en"})
    form = {"email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/signup/", form).status_code == 302
    made = User.objects.get(email="new@example.org")
    assert (made.role, made.organization, made.is_superuser) == ("member", None, False)
    login = {"login": "new@example.org", "password": PASSWORD}
    assert "confirm-email" in Client().post("/accounts/login/", login)["Location"]

    address = next(word for word in mailoutbox[-1].body.split() if "/accounts/confirm-email/" in word)
    path = "/" + address.split("/", 3)[3]
    assert "new@example.org" in client.get(path).text
    client.post(path)

    other = Client()
    assert other.post("/accounts/login/", login)["Location"] == "/"
    assert other.get("/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_two_browsers_with_one_link(school):
    invited(school)
    url = link()
    answers = together(*[lambda: Client().post(url, FORM).status_code] * 2)
    assert sorted(answers) == [302, 410]
    assert User.objects.filter(organization=school).count() == 1


def test_what_another_account_has_left_of_the_address_is_in_nobodys_way(school):
    EmailAddress.objects.create(user=make.user(), email="fatou@example.org", verified=True, primary=True)
    invited(school)
    assert Client().post(link(), FORM).status_code == 302
    (address,) = EmailAddress.objects.filter(email="fatou@example.org")
    assert (address.user.email, address.verified) == ("fatou@example.org", True)


def test_an_account_cannot_end_before_it_begins(staff, school):
    fields = {"organization": school.pk, "email": "fatou@example.org"}
    past = {"account_ends_at_0": "2020-03-31", "account_ends_at_1": "14:30"}
    answer = staff.post(reverse(ADD), {**fields, **past}, headers={"accept-language": "en"})
    assert list(answer.context["adminform"].form.errors) == ["account_ends_at"]
    assert "choose a later time, or leave it empty" in answer.text
    assert not Invitation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_invite_the_same_person_at_once_one_is_told(school, monkeypatch):
    """Both have looked before either of them saves."""
    by, looked, check = make.staff(), threading.Barrier(2), invitations.check
    seen = threading.local()

    def both_look(*of):
        check(*of)
        if not hasattr(seen, "once"):
            seen.once = looked.wait(PATIENCE)

    monkeypatch.setattr(invitations, "check", both_look)
    monkeypatch.setattr(Invitation, "full_clean", lambda *_of, **_fields: None)

    def invite():
        return invitations.invite(Invitation(organization=school, email="fatou@example.org"), by=by)

    refusal, made = sorted(together(invite, invite), key=lambda each: isinstance(each, Invitation))
    assert refusal.messages == [
        "fatou@example.org is invited already. Send that invitation again, or revoke it."
    ]
    assert Invitation.objects.get() == made
