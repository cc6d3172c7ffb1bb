"""Who may store and read which images, which files there are, and how the web reads them."""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import BinaryIO, cast

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from imager.accounts import tokens
from imager.api import Problem
from warehouse import storages
from warehouse.models import StoredFile, Warehouse
from workers.contract import (
    ARTIFACT_SUFFIXES,
    BMAP_SUFFIX,
    TICKET_AUDIENCE,
    TICKET_LIFE,
    FileFacts,
    Right,
    Ticket,
    is_whole,
)

Status = StoredFile.Status

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Unavailable(Exception):
    """A file that should be there cannot be read now. The message is for people."""


def active_warehouse(preferred: str = "") -> Warehouse:
    """Where new images go: to the preferred warehouse while it is active, else to `settings.WAREHOUSE`."""
    if preferred and (found := Warehouse.objects.filter(slug=preferred, active=True).first()):
        return found
    warehouse = Warehouse.objects.filter(slug=settings.WAREHOUSE, active=True).first()
    if warehouse is None:
        text = _("There is no active warehouse “%(slug)s”. Staff must create it: manage.py create_warehouse.")
        raise Problem(503, "no_warehouse", text % {"slug": settings.WAREHOUSE})
    return warehouse


def ticket(
    *, task: uuid.UUID, attempt: int, order: uuid.UUID, right: Right, max_bytes: int, into: str = ""
) -> Ticket:
    """A login for ten minutes and one attempt: to store its files `into` a warehouse, or to read them."""
    stored = published_files(owner=order) if right is Right.READ else []
    warehouse = stored[0].warehouse if stored else active_warehouse(into)
    return _ticket(warehouse, task=task, attempt=attempt, order=order, right=right, max_bytes=max_bytes)


def grant(
    *,
    task: uuid.UUID,
    attempt: int,
    owner: uuid.UUID,
    files: Sequence[FileFacts],
    at: Warehouse | None = None,
) -> list[StoredFile]:
    """Allow this attempt to publish `files` as the image of `owner`; the caller knows that it is current.

    `at` is the warehouse that asks, for it has them.

    The same attempt may ask again: with the same files to no effect, and with others as long as it has not
    published. Raises Problem: 422 for files that are no image, 409 once another attempt's image is published.
    """
    _require_image(files)
    with transaction.atomic():
        rows = list(StoredFile.objects.select_for_update().filter(owner=owner).exclude(status=Status.REMOVED))
        own = [row for row in rows if (row.task, row.attempt) == (task, attempt)]
        if any(row.status == Status.PUBLISHED for row in rows if row not in own):
            raise _already_published()
        if own and _facts(own) == _facts_of(files):
            return own
        if any(row.status == Status.PUBLISHED for row in own):
            raise _already_published()
        StoredFile.objects.filter(pk__in=[row.pk for row in own]).delete()
        whose = {"warehouse": at or active_warehouse(), "owner": owner, "task": task, "attempt": attempt}
        return StoredFile.objects.bulk_create([StoredFile(**whose, **facts) for facts in files])


def confirm(*, task: uuid.UUID, attempt: int) -> None:
    """The granted files of this attempt are in place. Repeating it is harmless. Raises Problem 409."""
    try:
        with transaction.atomic():
            rows = StoredFile.objects.select_for_update().filter(task=task, attempt=attempt)
            states = {row.status for row in rows}
            if not states or Status.REMOVED in states:
                text = _("This attempt has no leave to publish; ask for it first.")
                raise Problem(409, "not_granted", text)
            waiting = StoredFile.objects.filter(task=task, attempt=attempt, status=Status.PUBLISHING)
            waiting.update(status=Status.PUBLISHED, published_at=Now())
    except IntegrityError as error:  # another attempt's files are published: the database says so
        raise _already_published() from error


def published_files(*, owner: uuid.UUID) -> list[StoredFile]:
    """The files of an order's image, by name; empty before it is published and after it was removed."""
    published = StoredFile.objects.filter(owner=owner, status=Status.PUBLISHED)
    return list(published.select_related("warehouse").order_by("name"))


def remove(*, owner: uuid.UUID) -> int:
    """Give up the files of an order: the warehouse deletes them when it asks next. Returns how many."""
    present = StoredFile.objects.filter(owner=owner).exclude(status=Status.REMOVED)
    return present.update(status=Status.REMOVED, removed_at=Now())


def removed_since(begin: datetime) -> list[uuid.UUID]:
    """Orders whose files were given up after `begin`, but for those that have got new ones since."""
    present = StoredFile.objects.exclude(status=Status.REMOVED).values("owner")
    gone = StoredFile.objects.filter(removed_at__gt=begin).exclude(owner__in=present)
    return list(gone.order_by("owner").values_list("owner", flat=True).distinct())


def open_file(stored: StoredFile) -> BinaryIO:
    """A published file for reading: seekable, never loaded into memory. Close it. Raises Unavailable."""
    try:
        file = _storage(stored).open(stored.path if stored.warehouse.local_root else stored.name)
    except OSError as error:
        raise _unavailable(stored) from error
    if file.size != stored.size:
        file.close()
        raise _unavailable(stored)
    return cast("BinaryIO", file)


def set_secret(warehouse: Warehouse) -> str:
    """A new secret for the warehouse's own server. Only its hash is kept: show it now or never."""
    secret = secrets.token_urlsafe(32)
    warehouse.secret_hash = hashed(secret)
    warehouse.save()
    return secret


def hashed(secret: str) -> str:
    """How a secret (random, so that it needs no salt) is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _ticket(
    warehouse: Warehouse, *, task: uuid.UUID, attempt: int, order: uuid.UUID, right: Right, max_bytes: int
) -> Ticket:
    user = f"{task}.{attempt}"
    claims = {
        "task": str(task),
        "attempt": attempt,
        "order": str(order),
        "right": right.value,
        "folder": user if right is Right.STORE else str(order),
        "max_bytes": max_bytes,
    }
    return {
        "host": warehouse.host,
        "port": warehouse.port,
        "tls": warehouse.tls,
        "user": user,
        "password": tokens.sign(claims, audience=TICKET_AUDIENCE, life=timedelta(seconds=TICKET_LIFE)),
        "right": right.value,
        "expires_in": TICKET_LIFE,
    }


def _storage(stored: StoredFile) -> storages.Storage:
    warehouse = stored.warehouse
    if warehouse.local_root:
        return storages.FileSystemStorage(location=warehouse.local_root)

    def reader() -> Ticket:
        # Nobody's attempt: a login of our own, that no end of a task closes.
        return _ticket(
            warehouse, task=uuid.uuid4(), attempt=1, order=stored.owner, right=Right.READ, max_bytes=0
        )

    return storages.TicketFTPStorage(reader)


def _require_image(files: Sequence[FileFacts]) -> None:
    names = sorted(facts["name"] for facts in files)
    stem = names[0].removesuffix(BMAP_SUFFIX) if names else ""
    good = all(facts["size"] >= 0 and _SHA256.fullmatch(facts["sha256"]) for facts in files)
    of_one_name = all(name.startswith(stem) for name in names)
    if not (good and _NAME.fullmatch(stem) and of_one_name and is_whole(n.removeprefix(stem) for n in names)):
        text = _("An image is exactly these four files of one name, and perhaps its torrent: %(suffixes)s.")
        raise Problem(422, "not_an_image", text % {"suffixes": ", ".join(ARTIFACT_SUFFIXES)})


def _facts(rows: Sequence[StoredFile]) -> set[tuple[str, int, str]]:
    return {(row.name, row.size, row.sha256) for row in rows}


def _facts_of(files: Sequence[FileFacts]) -> set[tuple[str, int, str]]:
    return {(facts["name"], facts["size"], facts["sha256"]) for facts in files}


def _already_published() -> Problem:
    return Problem(
        409, "already_published", _("The order has its image already; a second one is not accepted.")
    )


def _unavailable(stored: StoredFile) -> Unavailable:
    text = _("“%(name)s” cannot be read from the warehouse “%(warehouse)s” now. Try again later.")
    return Unavailable(text % {"name": stored.name, "warehouse": stored.warehouse.slug})
