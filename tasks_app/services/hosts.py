"""Hosts: enrolment, signs of life, and what is in their slots."""

from __future__ import annotations

import re
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from imager.accounts.models import Channel, Role, User
from imager.api import Problem
from tasks_app import clock
from tasks_app.lifecycle import OPEN, TaskStatus
from tasks_app.models import Host, Slot, Task
from tasks_app.services import cards
from workers.contract import Beat, BeatAnswer, Kind, SlotState

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,49}")
RUNG_AT_MOST = 20


@transaction.atomic
def enrol(
    name: str, *, kind: str, channel: Channel, password: str, signing_key: str = "", operator_email: str = ""
) -> Host:
    """A host and its account. One that exists gets new credentials; its old tokens die. Raises ValueError."""
    if not NAME.fullmatch(name):  # names are parts of queues, patterns of broker keys, and addresses
        raise ValueError(f"“{name}” is no name for a host: use 1 to 50 letters, digits and hyphens")
    email = f"{name}@hosts.invalid"
    role = Role.CREATOR if kind == Host.Kind.CREATOR else Role.WRITER
    host = Host.objects.select_related("account").filter(name=name).first()
    if host is None:
        account = _account(email, password, name=name, role=role)
        return Host.objects.create(
            name=name,
            kind=kind,
            channel=channel,
            account=account,
            signing_key=signing_key,
            operator_email=operator_email,
        )
    if host.kind != kind:
        raise ValueError(f"host {name} is a {host.kind}; choose another name for a {kind}")
    _renew(host.account, password)
    host.channel, host.signing_key = channel, signing_key
    host.operator_email = operator_email or host.operator_email
    host.save()
    return host


def _account(email: str, password: str, *, name: str, role: Role) -> User:
    """A new account, or the one that a deleted host of that name left."""
    left = User.objects.filter(email__iexact=email, host=None).first()
    if left is None:
        return User.objects.create_user(email, password, name=name, role=role)
    left.role = role
    return _renew(left, password)


def _renew(account: User, password: str) -> User:
    account.set_password(password)
    account.token_epoch += 1
    account.is_active = True
    account.save()
    return account


def beat(host: Host, body: Beat) -> BeatAnswer:
    """A sign of life: keep what the host says of itself and its slots; answer what waits for it."""
    kind = Kind(body["kind"])
    if (kind is Kind.CREATE) != (host.kind == Host.Kind.CREATOR):
        raise Problem(403, "not_yours", f"A {host.kind} host does no {kind} tasks.")
    at = clock.now()
    facts = {
        "last_seen_at": at,
        "boot_id": body["boot_id"],
        "version": body["version"],
        "free_bytes": body["free_bytes"],
    }
    Host.objects.filter(pk=host.pk).update(**facts)
    if "slots" in body:
        _see_slots(host, body["boot_id"], body["slots"])
        if host.automatic and not (host.draining or host.disabled):
            _confirm_all(host)
    drain = host.draining or host.disabled
    answer: BeatAnswer = {"ring": [] if drain else [str(task) for task in _ready(host, kind)], "drain": drain}
    if host.kind == Host.Kind.WRITER:
        answer["keep"] = [str(order) for order in _needed(host)]
    return answer


def _ready(host: Host, kind: Kind) -> list[UUID]:
    mine = Q(channel=host.channel_id) if kind is Kind.CREATE else Q(host=host)
    queued = Task.objects.filter(mine, kind=kind, status=TaskStatus.QUEUED, not_before__lte=clock.now())
    return list(queued.order_by("priority", "queued_at").values_list("pk", flat=True)[:RUNG_AT_MOST])


def _needed(host: Host) -> list[UUID]:
    """The orders whose image must stay there: work is ahead, or may be retried. Never cut short."""
    work = Task.objects.filter(
        host=host, kind__in=[Kind.DOWNLOAD, Kind.WRITE], status__in=[*OPEN, TaskStatus.FAILED]
    )
    return list(work.order_by().values_list("order_id", flat=True).distinct())


@transaction.atomic
def _see_slots(host: Host, boot_id: str, seen: list[SlotState]) -> None:
    at = clock.now()
    Host.objects.select_for_update(no_key=True).get(pk=host.pk)  # two first beats must not both make a slot
    known = {slot.name: slot for slot in Slot.objects.select_for_update().filter(host=host)}
    for state in seen:
        slot = known.pop(state["name"], None) or Slot(host=host, name=state["name"])
        slot.present, slot.card_bytes, slot.diskseq = state["present"], state["size"], state["diskseq"]
        slot.model, slot.contents, slot.problem = (
            state["model"][:200],
            state["contents"][:500],
            state["problem"][:500],
        )
        slot.boot_id, slot.seen_at = boot_id, at
        slot.save()
    for gone in known.values():  # no longer configured on the host
        Slot.objects.filter(pk=gone.pk).update(
            present=False, diskseq=None, card_bytes=0, contents="", problem=""
        )


def _confirm_all(host: Host) -> None:
    for slot in Slot.objects.filter(host=host, present=True, disabled=False, problem="").select_related(
        "host"
    ):
        if (
            slot.used
            or Task.objects.filter(slot=slot, status__in=[TaskStatus.QUEUED, TaskStatus.RUNNING]).exists()
        ):
            continue
        try:
            cards.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by=host.name)
        except Problem as problem:
            if problem.get_codes() == "nothing_waits":
                return
            # this card does not do, as the station page says; the next may
