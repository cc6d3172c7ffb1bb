"""Work for the server itself: written in the transaction that caused it, rung by the scheduler, done once."""

from __future__ import annotations

import hashlib
from typing import Any

from django.core.mail import EmailMessage
from django.db import transaction

from tasks_app import clock, dispatch
from tasks_app.models import Outbox

MAIL = "mail"
SERVER_QUEUE = "server"
DELIVER = "tasks_app.deliver"
MAX_DEDUPE = 200


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

    What the mail server refuses is noted and tried again later: the scheduler rings again.
    """
    with transaction.atomic():
        entry = Outbox.objects.select_for_update(skip_locked=True).filter(pk=outbox_id, sent_at=None).first()
        if entry is None:
            return False
        try:
            send_mail(entry)
        except OSError as error:  # SMTP errors are OSErrors
            _postpone(entry, error)
            return False
        Outbox.objects.filter(pk=entry.pk).update(sent_at=clock.now(), tries=entry.tries + 1, last_error="")
        return True


def _postpone(entry: Outbox, error: OSError) -> None:
    from tasks_app.services.leases import back_off

    at = clock.now() + back_off(entry.tries)
    Outbox.objects.filter(pk=entry.pk).update(
        tries=entry.tries + 1,
        last_error=f"{type(error).__name__}: {error}"[:1000],
        not_before=at,
        rung_at=None,
    )


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
