"""R11 and R18: no bell before its commit or without one; a mail that many post and many deliver goes once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.core import mail
from django.db import connection, transaction

from tasks_app import dispatch, outbox
from tasks_app.models import Outbox
from tests import factories as make
from tests.together import together

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 30
MARK = "mark"


@pytest.fixture
def heard() -> Iterator[Callable[[], list[str]]]:
    """Which bells a scheduler has heard by now: all that were committed before this question."""
    parameters = connection.get_connection_params()
    given = {name: parameters[name] for name in ("host", "port", "user", "password", "dbname")}
    with (
        psycopg.connect(autocommit=True, **given) as scheduler,
        psycopg.connect(autocommit=True, **given) as us,
    ):
        scheduler.execute(f"LISTEN {dispatch.CHANNEL}")

        def ask() -> list[str]:
            us.execute("SELECT pg_notify(%s, %s)", [dispatch.CHANNEL, MARK])
            words: list[str] = []
            for bell in scheduler.notifies(timeout=PATIENCE):
                if bell.payload == MARK:
                    return words
                words.append(bell.payload)
            raise AssertionError("the mark never came")

        yield ask


def test_r11_a_bell_sounds_with_the_commit_and_not_before(heard):
    with transaction.atomic():
        make.task()
        assert heard() == []
    assert heard() == ["task"]


def test_r11_what_is_rolled_back_never_sounds(heard):
    with transaction.atomic():
        make.task()
        outbox.post(outbox.MAIL, dedupe="x", payload={})
        transaction.set_rollback(True)
    assert heard() == []
    assert not Outbox.objects.exists()


def post() -> None:
    with transaction.atomic():
        payload = {"to": ["a@example.org"], "subject": "S", "body": "B"}
        outbox.post(outbox.MAIL, dedupe="order:1:placed", payload=payload)


def test_r18_eight_post_and_eight_deliver_one_mail(heard):
    assert together(*[post] * 8) == [None] * 8
    entry = Outbox.objects.get()
    assert heard() == ["outbox"]

    delivered = together(*[lambda: outbox.deliver(entry.pk)] * 8)

    assert sorted(delivered) == [False] * 7 + [True]
    assert [message.subject for message in mail.outbox] == ["S"]


def test_r18_a_mail_whose_sender_dies_before_it_says_so_comes_again_with_the_same_name(monkeypatch):
    """SMTP cannot do better; whoever reads both sees by the Message-ID that they are one."""
    post()
    entry = Outbox.objects.get()
    send = outbox.send_mail

    def die(row: Outbox) -> None:
        send(row)
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "send_mail", die)
        with pytest.raises(SystemExit):
            outbox.deliver(entry.pk)

    assert [outbox.deliver(entry.pk) for _ in range(2)] == [True, False]
    assert len({message.message()["Message-ID"] for message in mail.outbox}) == 1
    assert len(mail.outbox) == 2
