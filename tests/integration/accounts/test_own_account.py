"""What people do with their own account: language, e-mail, sessions, deletion."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from imager.accounts import leaving, ledger
from imager.accounts.models import Invitation, Organization, User
from orders.models import Configuration, Order
from tasks_app.models import SlotEvent, TaskMove
from tests import factories as make
from tests.factories import PASSWORD
from tests.integration.orders.conftest import line, school

__all__ = ["line", "school"]

pytestmark = pytest.mark.django_db


def entered(user: User, **fields) -> Client:
    """As by the login form, and the password given again, as for what is sensitive."""
    client = Client(**fields)
    answer = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert answer.status_code == 302
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


# profile


def test_name_and_language():
    user = make.user(language="fr")
    client = entered(user)
    assert '<html lang="fr" ' in client.get("/account/").text
    client.post("/account/", {"name": "Awa", "language": "en"})
    user.refresh_from_db()
    assert (user.name, user.language) == ("Awa", "en")
    assert '<html lang="en" ' in client.get("/account/").text


def test_nothing_else_can_be_changed_there():
    user = make.user()
    fields = {"name": "x", "language": "", "role": "staff", "is_superuser": "on", "email": "x@example.org"}
    entered(user).post("/account/", {**fields, "organization": make.organization().pk})
    changed = User.objects.get(pk=user.pk)
    assert (changed.role, changed.is_superuser, changed.email) == ("member", False, user.email)
    assert changed.organization == user.organization


# e-mail


def test_a_new_address_counts_once_it_is_confirmed():
    user = make.user(email="old@example.org")
    client = entered(user)
    client.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    user.refresh_from_db()
    assert user.email == "old@example.org"
    (message,) = [one for one in mail.outbox if one.to == ["new@example.org"]]
    link = re.search(r"http://[^/]+(/accounts/confirm-email/\S+/)", message.body)[1]
    assert client.get(link).status_code == 200
    user.refresh_from_db()
    assert user.email == "old@example.org", "looking changes nothing"
    client.post(link)
    user.refresh_from_db()
    assert user.email == "new@example.org"
    assert any(one.to == ["old@example.org"] for one in mail.outbox), "the old address is told"


def test_an_address_of_somebody_else_is_not_told_and_not_taken():
    other = make.user(email="other@example.org")
    client = entered(make.user())
    free = client.post("/accounts/email/", {"email": "free@example.org", "action_add": ""})
    client.post("/accounts/email/", {"email": "free@example.org", "action_remove": ""})
    taken = client.post("/accounts/email/", {"email": "OTHER@example.org", "action_add": ""})
    assert taken.status_code == free.status_code
    user = User.objects.exclude(pk=other.pk).get()
    for message in mail.outbox:
        for link in re.findall(r"http://[^/]+(/accounts/confirm-email/\S+/)", message.body):
            client.post(link)
    assert User.objects.get(pk=other.pk).email == "other@example.org"
    assert User.objects.get(pk=user.pk).email in {user.email, "free@example.org"}


def test_changing_the_address_needs_a_fresh_password():
    client = Client()
    client.force_login(make.user())
    answer = client.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    assert "reauthenticate" in answer["Location"]


# sessions


def test_sessions_are_listed_and_the_others_can_be_ended():
    user = make.user()
    here, there = entered(user, HTTP_USER_AGENT="Here/1"), entered(user, HTTP_USER_AGENT="There/2")
    page = here.get("/accounts/sessions/").text
    assert "Here/1" in page
    assert "There/2" in page
    here.post("/accounts/sessions/")
    assert here.get("/orders/").status_code == 200
    assert there.get("/orders/").status_code == 302


# deletion


def test_deletion_cancels_anonymizes_and_leaves_what_is_shared(school, line):
    Organization.objects.filter(pk=school.organization.pk).update(limited=True)
    ledger.grant(school.organization, units=1000, by=school.staff, note="x")
    colleague = make.user(organization=school.organization)
    done, mine, theirs = school.place(), school.place(), school.place(by=colleague)
    line.build(done)
    line.download(done)
    line.write(done, 1)
    email = school.member.email
    Configuration.objects.update(created_by=school.member)
    client = entered(school.member)
    page = client.get("/account/delete/").text
    assert "2 orders of yours" in page
    assert "This is not the password" in client.post("/account/delete/", {"password": "wrong"}).text
    client.post("/account/delete/", {"password": PASSWORD})
    assert not User.objects.filter(email=email).exists()
    assert client.get("/orders/").status_code == 302
    for order in (done, mine):
        order.refresh_from_db()
        assert (order.status, order.recipient_name, order.recipient_address) == ("canceled", "", "")
        assert order.created_by is None
        assert not order.recipe
        assert not order.moves.filter(by=email).exists()
        assert not order.unit_entries.filter(by=email).exists()
    theirs.refresh_from_db()
    assert (theirs.status, theirs.recipient_name) == ("placed", "Awa Diop")
    assert Configuration.objects.get().created_by is None
    assert ledger.purse(school.organization).balance == 920


def test_a_download_of_somebody_who_left_keeps_working(school, line):
    order = school.place(kind="virtual")
    line.build(order)
    entered(school.member).post("/account/delete/", {"password": PASSWORD})
    order.refresh_from_db()
    assert order.status == "available"
    assert order.created_by is None


def as_staff() -> Client:
    client = Client()
    client.force_login(make.staff())
    return client


def by_admin(user: User) -> None:
    as_staff().post(reverse("admin:accounts_user_delete", args=[user.pk]), {"post": "yes"})


def by_admin_among_others(user: User) -> None:
    fields = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    as_staff().post(reverse("admin:accounts_user_changelist"), fields)


@pytest.mark.parametrize("delete", [leaving.delete, by_admin, by_admin_among_others])
def test_nothing_keeps_the_name_of_who_left(school, delete):
    member, email = school.member, school.member.email
    order = school.place()
    slot = make.slot(make.host("writer"))
    event = SlotEvent.objects.create(slot=slot, what=SlotEvent.What.RELEASED, by=email)
    sent = {"organization": school.organization, "expires_at": timezone.now()}
    over = [
        Invitation(email="before@example.org", accepted_at=timezone.now(), accepted_by=member, **sent),
        Invitation(email=email.upper(), revoked_at=timezone.now(), **sent),
        Invitation(email="other@example.org", revoked_at=timezone.now(), **sent),
    ]
    for number, invitation in enumerate(over):
        invitation.token_hash, invitation.name = str(number), "Amina"
        invitation.save()
    delete(member)
    assert not User.objects.filter(email=email).exists()
    order.refresh_from_db()
    event.refresh_from_db()
    assert (order.status, event.by) == ("canceled", "—")
    assert {move.by for task in order.tasks.all() for move in task.moves.filter(went_to="canceled")} == {"—"}
    assert not TaskMove.objects.filter(by=email).exists()
    for invitation in over:
        invitation.refresh_from_db()
    told = [("—", ""), ("—", ""), ("other@example.org", "Amina")]
    assert [(invitation.email, invitation.name) for invitation in over] == told


def test_staff_do_not_delete_themselves_here():
    staff = make.staff()
    assert entered(staff).post("/account/delete/", {"password": PASSWORD}).status_code == 403
    assert User.objects.filter(pk=staff.pk).exists()


# anonymize_orders


def test_orders_that_are_over_can_be_made_anonymous(school, capsys):
    over, going = school.place(), school.place()
    from orders import services

    services.cancel(over, by=school.member)
    call_command("anonymize_orders", str(over.number), str(going.number))
    said = capsys.readouterr().out
    assert "1 order is anonymous now." in said
    assert "1 of them" in said
    over.refresh_from_db()
    going.refresh_from_db()
    assert (over.recipient_name, over.recipient_email, over.recipe) == ("", "", "")
    assert not TaskMove.objects.filter(subject__order=over, by=school.member.email).exists()
    assert "amina" not in str(list(over.moves.values_list("by", flat=True)))
    assert (going.recipient_name, bool(going.recipe)) == ("Awa Diop", True)


@pytest.mark.parametrize("arguments", [[], ["5", "--older-than", "3"], ["--older-than", "0"]])
def test_what_the_command_refuses(arguments):
    with pytest.raises(CommandError):
        call_command("anonymize_orders", *arguments)


def test_old_orders_by_age(school):
    order = school.place()
    Order.objects.update(status="canceled", created_at="2020-01-01T00:00Z")
    young = school.place()
    call_command("anonymize_orders", "--older-than", "30")
    order.refresh_from_db()
    young.refresh_from_db()
    assert (order.recipient_name, young.recipient_name) == ("", "Awa Diop")
