"""A host's try at a task: claim, reports, permit, release. An old attempt changes nothing."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from imager import clock
from imager.api import Problem
from tasks_app import followers
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Attempt, Host, RefusedReport, Task, TaskEvent
from tasks_app.services import built, cards, ending, logs, progress
from tasks_app.services.leases import deadline, lease
from tasks_app.services.moving import lock, move_task
from tasks_app.services.signs import RUNG_AT_MOST, Caller
from workers.contract import (
    PROTOCOL,
    Answer,
    Assignment,
    Claim,
    Kind,
    PermitRequest,
    Report,
    Step,
)


def find(task_id: UUID) -> Task:
    """The task, or 404."""
    try:
        return Task.objects.get(pk=task_id)
    except Task.DoesNotExist:
        raise Problem(404, "not_found", _("There is no such task.")) from None


def find_locked(task_id: UUID) -> Task:
    """The task, its order and itself locked, or 404. Needs a transaction."""
    try:
        return lock(task_id)
    except Task.DoesNotExist:
        raise Problem(404, "not_found", _("There is no such task.")) from None


def belongs(task: Task, host: Host) -> bool:
    """Whether `host` may have the task: builds of its channel, or what is pinned to it."""
    if task.kind == Kind.CREATE:
        return host.kind == Host.Kind.CREATOR and task.channel_id == host.channel_id
    return host.kind == Host.Kind.WRITER and task.host_id == host.pk


def current(task: Task, host: Host, attempt: int) -> bool:
    """The fence: whether `attempt` of `host` is the one that counts."""
    return task.status == TaskStatus.RUNNING and task.attempt == attempt and task.host_id == host.pk


def claim(task_id: UUID, host: Host, body: Claim) -> Assignment:
    """Take a queued task: its attempt number rises by one. The same claim repeated gets the same answer."""
    if body["protocol"] != PROTOCOL:
        raise Problem(
            426,
            "protocol",
            _("This host speaks protocol %(theirs)s; needed is %(ours)s. Upgrade the host.")
            % {"theirs": body["protocol"], "ours": PROTOCOL},
        )
    task = find(task_id)
    if not belongs(task, host):
        raise Problem(403, "not_yours", _("This task belongs to another host or channel."))
    with transaction.atomic():
        task = find_locked(task_id)
        known = Attempt.objects.filter(claim_id=body["claim_id"]).first()
        if known:
            if known.task_id == task.pk and current(task, host, known.attempt):
                return assignment(task, known.claim_id)
            raise Problem(409, "stale", _("That claim is over."))
        refuse_version(body["version"])  # new work only: what was taken before is answered as before
        if not belongs(task, host):  # staff moved it while we waited for the lock
            raise Problem(403, "not_yours", _("This task belongs to another host or channel."))
        _refuse_claim(task, host)
        return _take(task, host, body)


def refuse_version(version: str) -> None:
    """Raise if the worker is older than MIN_HOST_VERSION (numbers with dots; empty allows all)."""
    if not new_enough(version):
        needed = settings.MIN_HOST_VERSION
        raise Problem(
            426,
            "version",
            f"This worker is {version or 'of no version'}; needed is {needed} or newer. Upgrade the host.",
        )


def new_enough(version: str) -> bool:
    """Whether a worker of this version may work here."""
    needed = settings.MIN_HOST_VERSION
    return not needed or _numbers(version) >= _numbers(needed)


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d{1,9}(?:\.\d{1,9}){0,3}", version)
    numbers = [int(part) for part in found.group().split(".")] if found else []
    return tuple(numbers + [0] * (4 - len(numbers)))


def _refuse_claim(task: Task, host: Host) -> None:
    if host.disabled or host.draining:
        raise Problem(403, "draining", _("This host takes no new work now."))
    if task.status == TaskStatus.CANCELED:
        raise Problem(409, "canceled", _("The task was canceled."))
    if task.status == TaskStatus.WAITING or (
        task.status == TaskStatus.QUEUED and task.not_before > clock.now()
    ):
        raise Problem(409, "not_ready", _("The task is not ready yet."))
    if task.status != TaskStatus.QUEUED:
        raise Problem(409, "taken", _("The task is taken or finished."))
    if built.lies_elsewhere(task, host):
        raise Problem(409, "not_ready", _("Another host has built the image already; it comes first."))
    if built.lies_here(task, host):  # nothing is quicker done
        return
    if built.another_lies_here(task, host):
        raise Problem(409, "not_ready", _("This host has built another image already; it comes first."))
    if _is_urged(task, host):
        raise Problem(409, "not_ready", _("More urgent work waits; it comes first."))


def _is_urged(task: Task, host: Host) -> bool:
    """Whether something more urgent waits for this host too: bells are heard in the order of ringing."""
    if task.kind == Kind.WRITE:  # each slot goes on by itself
        return False
    mine = {"channel": task.channel_id} if task.kind == Kind.CREATE else {"host": task.host_id}
    ready = Task.objects.filter(kind=task.kind, status=TaskStatus.QUEUED, not_before__lte=clock.now(), **mine)
    first = ready.filter(priority__lt=task.priority).order_by("priority", "queued_at")[:RUNG_AT_MOST]
    return any(not built.lies_elsewhere(each, host) for each in first)


def _take(task: Task, host: Host, body: Claim) -> Assignment:
    at = clock.now()
    attempt = Attempt.objects.create(
        task=task, attempt=task.attempt + 1, host=host, boot_id=body["boot_id"], claim_id=body["claim_id"]
    )
    fields: dict[str, Any] = {
        "attempt": attempt.attempt,
        "host": host,
        "started_at": at,
        "ended_at": None,
        "trouble": None,
        "step": Step.CLAIMED,
        "progress_at": at,
        "deadline_at": deadline(task, at),
        **lease(at),
    }
    if task.kind == Kind.CREATE:  # what it builds is signed with the key that it has now
        fields["spec"] = {**built.forgotten(task.spec), "signing_key": host.signing_key}
    move_task(task, TaskStatus.RUNNING, by=host.name, note=f"attempt {attempt.attempt}", **fields)
    return assignment(task, attempt.claim_id)


def assignment(task: Task, claim_id: UUID) -> Assignment:
    """What a host is told about its attempt."""
    spec = dict(task.spec)
    if task.kind == Kind.CREATE:
        spec.pop("signing_key", None)  # the host's own
        spec.pop("warehouse", None)  # its ticket says where
        spec["recipe"] = followers.recipe(task.order_id)
    if task.kind == Kind.WRITE and task.slot:
        spec |= {
            "unit": task.unit,
            "serial": cards.serial_of(task),
            "slot": {"name": task.slot.name, "diskseq": task.confirmed_diskseq, "size": task.slot.card_bytes},
        }
    left = max(0, int((task.deadline_at - clock.now()).total_seconds())) if task.deadline_at else 0
    return {
        "task": str(task.pk),
        "order": str(task.order_id),
        "kind": task.kind,
        "attempt": task.attempt,
        "claim_id": str(claim_id),
        "lease": settings.TASK_LEASE,
        "deadline": left,
        "report_every": settings.TASK_REPORT_EVERY,
        "spec": spec,
    }


def assignments(host: Host) -> list[Assignment]:
    """What this host is running, as far as the server knows."""
    running = Task.objects.filter(host=host, status=TaskStatus.RUNNING).select_related("slot", "order")
    claims = {(a.task_id, a.attempt): a.claim_id for a in Attempt.objects.filter(task__in=running)}
    return [assignment(task, claims[task.pk, task.attempt]) for task in running]


def report(task_id: UUID, host: Host, body: Report) -> Answer:
    """Take in where an attempt is, or how it ended."""
    if "outcome" not in body:
        return _take_progress(task_id, host, body)
    with transaction.atomic():
        task = find_locked(task_id)
        known = TaskEvent.objects.filter(event_id=body["event_id"]).first()
        if known:
            return _again(known, task, host, dict(body))
        if not current(task, host, body["attempt"]):
            return refuse(task, host, dict(body), "stale")
        logs.append(task.pk, body)
        ending.end(task, host, body)
        TaskEvent.objects.create(
            event_id=body["event_id"],
            task=task,
            attempt=body["attempt"],
            what=f"outcome:{body['outcome']}",
            answer={"answer": Answer.GO},
        )
        return Answer.GO


def _again(known: TaskEvent, task: Task, host: Host, body: dict[str, Any]) -> Answer:
    """The answer to an event that was taken in before, unless it was another one."""
    if known.task_id != task.pk or "answer" not in known.answer:
        return refuse(task, host, body, "event_of_another_task")
    return Answer(known.answer["answer"])


def _take_progress(task_id: UUID, host: Host, body: Report) -> Answer:
    """The log is kept with the progress, or neither."""
    with transaction.atomic() if "log" in body else nullcontext():
        answer = progress.take_in(task_id, Caller(host.account_id, host.account.token_epoch), body)
        if answer is Answer.STALE:
            return refuse(find(task_id), host, dict(body), "stale")
        logs.append(task_id, body)
        return answer


def refuse(task: Task, host: Host, body: dict[str, Any], reason: str) -> Answer:
    """Keep evidence of a report that came from an attempt that is over."""
    kept = {key: body[key] for key in ("step", "outcome", "trouble") if key in body}
    RefusedReport.objects.create(
        task=task,
        attempt=body["attempt"],
        host=host,
        event_id=str(body["event_id"]),
        reason=reason,
        body=kept,
    )
    return Answer.STALE


def release(task_id: UUID, host: Host, *, event_id: UUID, attempt: int) -> Answer:
    """Take back a task that a stopping host did not finish. Costs nothing of the budget."""
    with transaction.atomic():
        task = find_locked(task_id)
        body = {"attempt": attempt, "event_id": event_id}
        known = TaskEvent.objects.filter(event_id=event_id).first()
        if known:
            return _again(known, task, host, body)
        if not current(task, host, attempt):
            return refuse(task, host, body, "stale")
        ending.give_back(task, outcome="released", by=host.name)
        TaskEvent.objects.create(
            event_id=event_id, task=task, attempt=attempt, what="release", answer={"answer": Answer.GO}
        )
        return Answer.GO


def permit(task_id: UUID, host: Host, body: PermitRequest) -> str:
    """Allow wiping and writing the confirmed card, once per attempt. Returns the card's serial number."""
    with transaction.atomic():
        task = find_locked(task_id)
        if current(task, host, body["attempt"]):
            return _permit(task, body)
        refused = refuse(task, host, dict(body), "stale_permit")
    raise Problem(409, refused.value, _("That attempt is over. Stop and clean up."))


def _permit(task: Task, body: PermitRequest) -> str:
    """The same event gets the same answer, but none once the order is canceled: the card is still whole."""
    if task.cancel_requested_at:
        raise Problem(409, "canceled", _("The order was canceled."))
    known = TaskEvent.objects.filter(event_id=body["event_id"]).first()
    if known:
        if (known.task_id, known.attempt, known.what) != (task.pk, task.attempt, "permit"):
            raise Problem(409, "event_used", _("That event id was used before. Ask with a new one."))
        return str(known.answer["serial"])
    card = cards.follow(task, body) if "follows" in body else cards.open_card(task, body)
    TaskEvent.objects.create(
        event_id=body["event_id"],
        task=task,
        attempt=body["attempt"],
        what="permit",
        answer={"serial": card.serial},
    )
    return card.serial
