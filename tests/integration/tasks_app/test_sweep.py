"""The minute's sweep: what is lost comes back, what is pinned stays, bells are rung again."""

from __future__ import annotations

import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail import BadHeaderError
from django.utils import timezone

from tasks_app import bells, outbox, services
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Attempt, Host, Outbox, Stumble, Task
from tasks_app.services import moving, sweeping
from tests import factories as make
from workers.contract import PROTOCOL, Answer, Kind

pytestmark = pytest.mark.django_db

LONG_AGO = timezone.now() - timedelta(days=3)
LATER = timezone.now() + timedelta(days=3)
BEAT = {"boot_id": "boot", "version": "0.1.0", "protocol": PROTOCOL, "free_bytes": 1, "running": []}


class Broker:
    """The double of the broker's edge: remembers bells, or is away."""

    def __init__(self, away: bool = False) -> None:
        self.bells: list[tuple[str, str, dict]] = []
        self.away = away

    def send_task(self, name, *, kwargs, queue, retry):
        assert retry is False
        if self.away:
            raise OSError("away")
        self.bells.append((queue, name, kwargs))


def running(kind=Kind.CREATE, **fields):
    host = make.host("creator" if kind is Kind.CREATE else "writer")
    task = make.task(kind=kind, host=None if kind is Kind.CREATE else host)
    services.claim(task.pk, host, make.claim_body())
    Task.objects.filter(pk=task.pk).update(**fields)
    task.refresh_from_db()
    return task


@pytest.mark.parametrize(
    ("kind", "fields", "status", "outcome"),
    [
        (Kind.CREATE, {}, "running", ""),
        (Kind.CREATE, {"reclaim_at": LONG_AGO, "lease_expires_at": LONG_AGO}, "queued", "lost"),
        (
            Kind.CREATE,
            {"reclaim_at": LONG_AGO, "lease_expires_at": LONG_AGO, "lost_attempts": 2},
            "failed",
            "lost",
        ),
        (Kind.CREATE, {"deadline_at": LONG_AGO}, "queued", "timeout"),
        (Kind.CREATE, {"progress_at": LONG_AGO}, "queued", "timeout"),
        (
            Kind.DOWNLOAD,
            {"reclaim_at": LONG_AGO, "lease_expires_at": LONG_AGO},
            "running",
            "",
        ),  # pinned: silent, not moved
        (Kind.DOWNLOAD, {"progress_at": LONG_AGO}, "queued", "timeout"),  # alive, but nothing moves
        (Kind.DOWNLOAD, {"deadline_at": LONG_AGO}, "queued", "timeout"),
        # silent: it may have done its work long ago, and owes the ending
        (Kind.DOWNLOAD, {"deadline_at": LONG_AGO, "lease_expires_at": LONG_AGO}, "running", ""),
        (Kind.CREATE, {"deadline_at": LONG_AGO, "lease_expires_at": LONG_AGO}, "queued", "timeout"),
        (Kind.CREATE, {"reclaim_at": LONG_AGO, "cancel_requested_at": LONG_AGO}, "canceled", "lost"),
        (Kind.DOWNLOAD, {"reclaim_at": LONG_AGO, "cancel_requested_at": LONG_AGO}, "canceled", "lost"),
        # alive, but deaf to the cancel: nobody wants another attempt
        (Kind.CREATE, {"deadline_at": LONG_AGO, "cancel_requested_at": LONG_AGO}, "canceled", "timeout"),
        (Kind.CREATE, {"progress_at": LONG_AGO, "cancel_requested_at": LONG_AGO}, "canceled", "timeout"),
        (Kind.DOWNLOAD, {"progress_at": LONG_AGO, "cancel_requested_at": LONG_AGO}, "canceled", "timeout"),
    ],
)
def test_reclaim(kind, fields, status, outcome):
    task = running(kind, **fields)

    sweeping.reclaim()
    sweeping.reclaim()

    task.refresh_from_db()
    assert task.status == status
    assert Attempt.objects.get().outcome == outcome


@pytest.mark.parametrize("overdue", ["reclaim_at", "deadline_at", "progress_at"])
def test_while_the_server_hears_nobody_nobody_loses_work(overdue):
    task = running(**{overdue: LONG_AGO})

    assert sweeping.sweep(hearing=False)["reclaimed"] == 0
    assert sweeping.sweep(hearing=True)["reclaimed"] == 1

    task.refresh_from_db()
    assert task.lost_attempts == 1


def test_what_nobody_wants_any_more_ends_though_the_server_hears_nobody():
    task = running(reclaim_at=LONG_AGO, cancel_requested_at=LONG_AGO)

    assert sweeping.reclaim(hearing=False) == 1

    task.refresh_from_db()
    assert task.status == TaskStatus.CANCELED


@pytest.mark.parametrize("kind", [Kind.CREATE, Kind.DOWNLOAD])
def test_silence_is_no_standing_still(kind):
    """The host was cut off for long; its beat comes first, its report of what was done meanwhile later."""
    task = running(kind, progress_at=LONG_AGO, lease_expires_at=LONG_AGO)
    sweeping.reclaim()
    services.beat(task.host, {**BEAT, "kind": kind, "attempts": [{"task": str(task.pk), "attempt": 1}]})
    task.refresh_from_db()
    assert task.lease_expires_at > timezone.now()

    assert sweeping.reclaim() == 0

    Task.objects.update(progress_at=LONG_AGO)  # heard all the time, but nothing moved
    assert sweeping.reclaim() == 1


def test_an_ending_that_a_host_brings_after_days_counts():
    task = running(Kind.DOWNLOAD, reclaim_at=LONG_AGO, lease_expires_at=LONG_AGO, deadline_at=LONG_AGO)
    sweeping.reclaim()

    answer = services.report(task.pk, task.host, make.report_body(outcome="done", result={}))

    task.refresh_from_db()
    assert (answer, task.status) == (Answer.GO, TaskStatus.DONE)


def test_a_host_that_is_heard_and_owes_no_ending_is_held_to_the_hard_limit():
    """It has forgotten the attempt, or its ending is one that the server cannot take."""
    task = running(Kind.DOWNLOAD, reclaim_at=LONG_AGO, lease_expires_at=LONG_AGO, deadline_at=LONG_AGO)
    Host.objects.update(last_seen_at=timezone.now())
    assert sweeping.reclaim() == 0  # it was heard again this moment: the ending may be on its way

    Task.objects.update(progress_at=LONG_AGO)
    assert sweeping.reclaim() == 1
    task.refresh_from_db()
    assert (task.status, task.trouble["code"]) == (TaskStatus.QUEUED, "timeout")


def test_a_download_without_host_gets_one_when_there_is_one():
    task = make.task(kind=Kind.DOWNLOAD)
    assert services.find_hosts() == 0

    full, draining, free = make.host("writer"), make.host("writer", draining=True), make.host("writer")
    make.task(kind=Kind.DOWNLOAD, host=full)

    assert services.find_hosts() == 1
    task.refresh_from_db()
    assert task.host == free != draining


def test_a_download_that_breaks_the_search_does_not_hold_up_the_next(monkeypatch):
    broken = make.task(kind=Kind.DOWNLOAD, channel=make.channel("broken"))
    fine = make.task(kind=Kind.DOWNLOAD)
    host = make.host("writer")
    monkeypatch.setattr(moving, "writer_host_for", lambda channel: {"main": host}[channel.slug])

    assert sweeping.sweep()["placed"] == 1
    fine.refresh_from_db()
    assert fine.host == host
    assert Stumble.objects.get().subject == str(broken.pk)


def test_bells_ring_by_name_on_dedicated_queues_once_a_minute():
    writer = make.host("writer", name="mali-1")
    create = make.task()
    download = make.task(create.order, Kind.DOWNLOAD, host=writer)
    make.task(make.order(), Kind.DOWNLOAD)  # no host yet: no bell
    make.task(create.order, Kind.WRITE, unit=1, host=writer, status=TaskStatus.WAITING)
    broker = Broker()

    assert bells.ring_tasks(broker) == 2
    assert bells.ring_tasks(broker) == 0
    assert sorted(broker.bells) == [
        ("creator.main", "workers.create", {"task": str(create.pk), "protocol": PROTOCOL}),
        ("downloader.mali-1", "workers.download", {"task": str(download.pk), "protocol": PROTOCOL}),
    ]

    Task.objects.update(rung_at=timezone.now() - timedelta(seconds=61))
    assert bells.ring_tasks(broker) == 0  # nobody was heard of: repeated bells would only pile up
    make.host(last_seen_at=timezone.now())
    type(writer).objects.filter(pk=writer.pk).update(last_seen_at=timezone.now())
    assert bells.ring_tasks(broker) == 2


def test_with_the_broker_away_nothing_counts_as_rung():
    make.task()

    with pytest.raises(OSError, match="away"):
        bells.ring_tasks(Broker(away=True))

    assert Task.objects.get().rung_at is None


def test_a_backed_off_task_is_not_rung_before_its_time():
    make.task()
    Task.objects.update(not_before=LATER)

    assert bells.ring_tasks(Broker()) == 0


def test_mail_is_posted_once_and_delivered_once():
    for _ in range(2):
        outbox.post(
            outbox.MAIL,
            dedupe="order:1:placed",
            payload={"to": ["a@example.org"], "subject": "S", "body": "B"},
        )
    entry, broker = Outbox.objects.get(), Broker()

    assert bells.ring_outbox(broker) == 1
    assert broker.bells == [("server", "tasks_app.deliver", {"entry": entry.pk})]
    assert [outbox.deliver(entry.pk) for _ in range(2)] == [True, False]
    assert len(mail.outbox) == 1
    assert mail.outbox[0].message()["Message-ID"] == "<order.1.placed@imager>"


def test_a_mail_that_cannot_be_sent_is_tried_later(settings):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = (
        "django.core.mail.backends.smtp.EmailBackend",
        "127.0.0.1",
        1,
    )
    outbox.post(outbox.MAIL, dedupe="x", payload={"to": ["a@example.org"], "subject": "S", "body": "B"})
    entry = Outbox.objects.get()

    assert outbox.deliver(entry.pk) is False

    entry.refresh_from_db()
    assert (entry.tries, entry.sent_at) == (1, None)
    assert entry.not_before > timezone.now()
    assert "ConnectionRefusedError" in entry.last_error


def test_a_card_whose_cancel_was_not_heard_is_never_asked_for_again():
    writer = make.host("writer")
    slot = make.slot(writer)
    task = make.task(kind=Kind.WRITE, host=writer, unit=1, status=TaskStatus.WAITING)
    services.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by="operator")
    services.claim(task.pk, writer, make.claim_body())
    services.cancel_tasks(task.order, by="member")
    Task.objects.update(progress_at=LONG_AGO)

    sweeping.reclaim()

    task.refresh_from_db()
    assert task.status == TaskStatus.CANCELED
    assert task.moves.last().by == "scheduler"


def test_what_the_sweep_establishes_names_the_next_action():
    task = running(reclaim_at=LONG_AGO)

    sweeping.reclaim()

    task.refresh_from_db()
    assert "retry" in task.trouble["message"]


def test_a_broker_that_goes_away_in_between_has_taken_what_it_took():
    for _ in range(3):
        make.task()

    class Leaving(Broker):
        def send_task(self, name, *, kwargs, queue, retry):
            self.away = len(self.bells) == 1
            super().send_task(name, kwargs=kwargs, queue=queue, retry=retry)

    with pytest.raises(OSError, match="away"):
        bells.ring_tasks(Leaving())

    assert Task.objects.filter(rung_at=None).count() == 2


def test_downloads_without_host_do_not_keep_others_from_being_rung(monkeypatch):
    monkeypatch.setattr(bells, "AT_ONCE", 1)
    make.task(kind=Kind.DOWNLOAD)
    make.task()

    assert bells.ring_tasks(Broker()) == 1


def test_a_long_address_makes_no_key_too_long():
    payload = {"to": ["a@example.org"], "subject": "S", "body": "B"}
    for address in ("a" * 240 + "@x.org", "a" * 239 + "b@x.org"):
        for _ in range(2):
            outbox.post(outbox.MAIL, dedupe=f"order-move-12-{address}", payload=payload)

    assert Outbox.objects.count() == 2
    assert all(outbox.deliver(entry.pk) for entry in Outbox.objects.all())


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ConnectionRefusedError("away"), outbox.MAX_TRIES),
        (smtplib.SMTPServerDisconnected("gone"), outbox.MAX_TRIES),
        (smtplib.SMTPRecipientsRefused({"a@b.org": (450, b"later")}), outbox.MAX_TRIES),
        (smtplib.SMTPRecipientsRefused({"a@b.org": (550, b"no such user")}), outbox.HOPELESS_TRIES),
        (smtplib.SMTPDataError(554, b"spam"), outbox.HOPELESS_TRIES),
        (smtplib.SMTPAuthenticationError(535, b"password"), outbox.MAX_TRIES),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), outbox.HOPELESS_TRIES),
        (BadHeaderError("newline"), outbox.HOPELESS_TRIES),
        (KeyError("subject"), outbox.HOPELESS_TRIES),
        (RuntimeError("nobody thought of this\x00"), outbox.HOPELESS_TRIES),
    ],
)
def test_a_mail_that_fails_is_given_up_in_the_end_and_left_to_staff(monkeypatch, error, tries):
    outbox.post(outbox.MAIL, dedupe="x", payload={"to": ["a@b.org"], "subject": "S", "body": "B"})
    sent = outbox.send_mail

    def fail(entry):
        raise error

    monkeypatch.setattr(outbox, "send_mail", fail)
    entry = Outbox.objects.get()
    for number in range(1, tries + 1):
        entry.refresh_from_db()
        assert entry.given_up_at is None
        assert outbox.deliver(entry.pk) is False
        entry.refresh_from_db()
        assert (entry.tries, entry.rung_at) == (number, None)
        assert timedelta() < entry.not_before - timezone.now() <= timedelta(hours=1)
    assert entry.given_up_at is not None
    assert type(error).__name__ in entry.last_error
    Outbox.objects.update(not_before=LONG_AGO)
    assert bells.ring_outbox(Broker()) == 0  # it is rung no more
    assert outbox.deliver(entry.pk) is False

    monkeypatch.setattr(outbox, "send_mail", sent)
    outbox.again(entry)
    assert bells.ring_outbox(Broker()) == 1
    assert outbox.deliver(entry.pk) is True
    outbox.again(entry)
    assert bells.ring_outbox(Broker()) == 0  # what was sent stays sent


def test_a_mail_with_a_bad_header_is_no_mail_for_ever():
    outbox.post(
        outbox.MAIL, dedupe="x", payload={"to": ["a@b.org\nBcc: c@d.org"], "subject": "S", "body": "B"}
    )

    assert outbox.deliver(Outbox.objects.get().pk) is False

    assert Outbox.objects.get().tries == 1
    assert mail.outbox == []


def test_sent_mails_are_forgotten_after_a_while():
    for name in ("old", "new", "unsent"):
        outbox.post(outbox.MAIL, dedupe=name, payload={})
    Outbox.objects.filter(dedupe="old").update(sent_at=timezone.now() - timedelta(days=91))
    Outbox.objects.filter(dedupe="new").update(sent_at=timezone.now() - timedelta(days=89))

    assert outbox.prune() == 1
    assert set(Outbox.objects.values_list("dedupe", flat=True)) == {"new", "unsent"}
