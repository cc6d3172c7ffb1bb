"""What is left in tables beside the account: former addresses, and the admin's log of who was deleted."""

from __future__ import annotations

import importlib

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client

from imager.accounts import leaving
from imager.accounts.models import User
from tests import factories as make

pytestmark = pytest.mark.django_db

migration = importlib.import_module("imager.accounts.migrations.0008_stale_addresses")


def migrate(step) -> None:
    with connection.schema_editor() as editor:
        step(apps, editor)


def addresses() -> set[tuple[str, str, bool, bool]]:
    return set(EmailAddress.objects.values_list("user__email", "email", "verified", "primary"))


def test_former_addresses_that_staff_replaced_open_nothing():
    changed, asking, plain = (make.user(email=f"{name}@example.org") for name in ("new", "old", "plain"))
    EmailAddress.objects.create(user=changed, email="former@example.org", verified=True, primary=True)
    EmailAddress.objects.create(user=asking, email="old@example.org", verified=True, primary=True)
    EmailAddress.objects.create(user=asking, email="wanted@example.org", verified=False)
    assert not plain.emailaddress_set.exists()

    migrate(migration.clear)
    migrate(migration.clear)

    assert addresses() == {
        ("new@example.org", "new@example.org", True, True),
        ("old@example.org", "old@example.org", True, True),
        ("old@example.org", "wanted@example.org", False, False),
    }


def test_an_address_that_another_account_left_behind_goes_to_whose_it_is():
    first, second = make.user(email="a@example.org"), make.user(email="b@example.org")
    EmailAddress.objects.create(user=first, email="b@example.org", verified=True, primary=True)
    EmailAddress.objects.create(user=second, email="c@example.org", verified=True, primary=True)

    migrate(migration.clear)

    assert addresses() == {
        ("a@example.org", "a@example.org", True, True),
        ("b@example.org", "b@example.org", True, True),
    }


def log(user: User, subject: User, words: str, what: int = CHANGE) -> LogEntry:
    return LogEntry.objects.create(
        user=user,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(subject.pk),
        object_repr=words,
        action_flag=what,
    )


def test_the_log_forgets_who_is_deleted():
    boss, gone, stays = make.staff(), make.user(email="gone@example.org", name="Awa"), make.user()
    log(boss, gone, "Awa")
    log(boss, stays, str(stays))
    LogEntry.objects.create(
        user=boss, object_id="1", object_repr="gone@example.org invited", action_flag=CHANGE
    )
    client = Client()
    client.force_login(boss)

    answer = client.post(f"/admin/accounts/user/{gone.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 302
    told = list(LogEntry.objects.order_by("pk").values_list("object_repr", flat=True))
    assert told == ["—", str(stays), "—", "—"]  # the last: that it was deleted


def test_the_log_forgets_who_was_deleted_before():
    boss, gone = make.staff(), make.user(email="gone@example.org")
    entry = log(boss, gone, "gone@example.org", DELETION)
    kept = log(boss, boss, str(boss))
    User.objects.filter(pk=gone.pk).delete()

    migrate(migration.forget)

    entry.refresh_from_db()
    kept.refresh_from_db()
    assert (entry.object_repr, kept.object_repr) == ("—", str(boss))


def test_who_deletes_their_own_account_is_forgotten_too():
    boss, gone = make.staff(), make.user(email="gone@example.org")
    entry = log(boss, gone, "gone@example.org")
    leaving.delete(gone)
    entry.refresh_from_db()
    assert entry.object_repr == "—"
