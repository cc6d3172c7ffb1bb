"""Work for the server itself: written in the transaction that caused it, rung by the scheduler, done once."""

from __future__ import annotations

import hashlib
import logging
import smtplib
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction

from imager import clock
from tasks_app import dispatch
from tasks_app.models import Outbox

log = logging.getLogger(__name__)

PERMANENT = 500  # replies of a mail server from here on mean: do not try again
MAIL = "mail"
SERVER_QUEUE = "server"
DELIVER = "tasks_app.deliver"
MAX_DEDUPE = 200
MAX_TRIES = 80  # about two and a half days, once each hour at last
HOPELESS_TRIES = 3  # what is wrong with the mail itself does not get better
KEPT = timedelta(days=90)

Work = Callable[[dict[str, Any]], object]
_works: dict[str, Work] = {}


def serve(kind: str, work: Work) -> None:
    """Have `work(payload)` done for entries of this kind: once at most, outside of any transaction.

    What takes long and is asked for again in time belongs here; it must bear that nobody repeats it.
    """
    _works[kind] = work


def post(kind: str, *, dedupe: str, payload: dict[str, Any]) -> None:
    """Have `payload` delivered after this transaction commits. The same `dedupe` again is nothing new."""
    defaults = {"kind": kind, "payload": payload, "not_before": clock.now()}
    created = Outbox.objects.get_or_create(dedupe=_bounded(dedupe), defaults=defaults)[1]
    if created:
        dispatch.notify("outbox")


def _bounded(dedupe: str) -> str:
    """As it is, or as long as the column allows (it may hold an address of 254 characters), still unique."""
    if len(dedupe) <= MAX_DEDUPE:
        return dedupe
    digest = hashlib.sha256(dedupe.encode()).hexdigest()
    return f"{dedupe[: MAX_DEDUPE - len(digest) - 1]}-{digest}"


def deliver(outbox_id: int) -> bool:
    """Deliver one entry, unless another worker has it or it was delivered before. Returns whether it was now.

    What fails is noted and tried again later, less and less often, and in the end left to staff.
    """
    with transaction.atomic():
        unsent = Outbox.objects.select_for_update(skip_locked=True).filter(sent_at=None, given_up_at=None)
        entry = unsent.filter(pk=outbox_id).first()
        if entry is None:
            return False
        try:
            _send(entry)
        except Exception as error:  # noqa: BLE001  # whatever it is, it must be counted, or it is rung for ever
            _postpone(entry, error)
            return False
        Outbox.objects.filter(pk=entry.pk).update(sent_at=clock.now(), tries=entry.tries + 1, last_error="")
        return True


def _send(entry: Outbox) -> None:
    work = _works.get(entry.kind)
    if work is None:
        send_mail(entry)
    else:
        transaction.on_commit(partial(work, entry.payload))


def again(entry: Outbox) -> Outbox:
    """Staff have it tried once more, from the beginning. What was sent stays sent."""
    fresh = Outbox.objects.filter(pk=entry.pk, sent_at=None)
    fresh.update(given_up_at=None, tries=0, not_before=clock.now(), rung_at=None)
    dispatch.notify("outbox")
    return entry


def prune() -> int:
    """Forget what was sent long ago. Returns how many."""
    return Outbox.objects.filter(sent_at__lt=clock.now() - KEPT).delete()[0]


def _postpone(entry: Outbox, error: Exception) -> None:
    from tasks_app.services.leases import back_off

    at, tries = clock.now(), entry.tries + 1
    most = HOPELESS_TRIES if _is_hopeless(error) else MAX_TRIES
    log.warning("mail %s could not be sent (%d of %d tries): %s", entry.pk, tries, most, type(error).__name__)
    Outbox.objects.filter(pk=entry.pk).update(
        tries=tries,
        last_error=f"{type(error).__name__}: {error}"[:1000].replace("\x00", "�"),
        not_before=at + back_off(entry.tries),
        rung_at=None,
        given_up_at=at if tries >= most else None,
    )


def _is_hopeless(error: Exception) -> bool:
    """Whether it is the mail, not the mail server: a bad address, a header that is none, what is no text."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= PERMANENT for code, _ in error.recipients.values())
    if isinstance(
        error,
        smtplib.SMTPSenderRefused
        | smtplib.SMTPAuthenticationError
        | smtplib.SMTPConnectError
        | smtplib.SMTPHeloError,
    ):
        return False  # our own settings, or the mail server: they get corrected
    if isinstance(error, smtplib.SMTPResponseException):
        return error.smtp_code >= PERMANENT
    return not isinstance(error, OSError)


def send_mail(entry: Outbox) -> None:
    """A plain text mail. Its Message-ID is fixed, so that a doubled one can be told."""
    payload = entry.payload
    mail = EmailMessage(
        subject=payload["subject"],
        body=payload["body"],
        to=payload["to"],
        cc=payload.get("cc"),
        reply_to=payload.get("reply_to"),
        headers={"Message-ID": f"<{entry.dedupe.replace(':', '.')}@imager>"},
    )
    mail.send()
