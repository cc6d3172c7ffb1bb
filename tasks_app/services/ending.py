"""How an attempt ends, and what becomes of its task: the budget, the blame, the next try."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from imager import clock
from imager.api import Problem
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Attempt, Host, Task
from tasks_app.services import cards
from tasks_app.services.leases import back_off
from tasks_app.services.moving import move_task, unclaimed
from warehouse import services as warehouse
from workers.contract import (
    ARTIFACT_SUFFIXES,
    MAX_ATTEMPTS,
    TORRENT_SUFFIX,
    Fault,
    Kind,
    Outcome,
    Report,
    Trouble,
)

BIGGEST_IMAGE = 2**50

# a fault of the card or its reader costs the order nothing: another card is asked for
BLAMELESS = frozenset({Fault.CARD, Fault.SLOT})


def end(task: Task, host: Host, report: Report) -> None:
    """Take in the last report of the current attempt of a locked task."""
    outcome = Outcome(report["outcome"])
    task.step = report["step"]  # later than what the row tells
    if task.cancel_requested_at:
        _close(task, outcome.value, report.get("trouble"))
        cards.abandon(task)
        move_task(task, TaskStatus.CANCELED, by=host.name, note=_("stopped as asked"), **ended())
    elif outcome is Outcome.DONE:
        _done(task, host, dict(report.get("result") or {}))
    elif outcome is Outcome.FAILED:
        trouble = report.get("trouble") or {
            "fault": Fault.BUG.value,
            "code": "unknown",
            "message": _("The host gave no reason."),
        }
        fail(task, trouble, by=host.name)
    else:
        give_back(task, outcome="canceled", by=host.name)


def _done(task: Task, host: Host, result: dict[str, Any]) -> None:
    if task.kind == Kind.CREATE:
        _require_published(task)
        _require_size(result)
    if task.kind == Kind.WRITE:
        cards.accept(task, result)
    if task.kind == Kind.DOWNLOAD:
        _bring_cards(task)
    _close(task, Outcome.DONE.value, None)
    move_task(task, TaskStatus.DONE, by=host.name, result=result, **ended())


def _bring_cards(download: Task) -> None:
    """Cards that waited without a host for the image (see `relocating`) are written where it is now."""
    homeless = Task.objects.filter(order_id=download.order_id, kind=Kind.WRITE, host=None)
    homeless.filter(status__in=[TaskStatus.WAITING, TaskStatus.FAILED]).update(host=download.host)


def _require_published(task: Task) -> None:
    names = {
        f.name
        for f in warehouse.published_files(owner=task.order_id)
        if f.task == task.pk and f.attempt == task.attempt
    }
    wanted = (*ARTIFACT_SUFFIXES, TORRENT_SUFFIX) if task.spec.get("torrent") else ARTIFACT_SUFFIXES
    missing = [suffix for suffix in wanted if not any(name.endswith(suffix) for name in names)]
    if missing:
        raise Problem(
            422,
            "not_published",
            _("Not published by this attempt: %(files)s.") % {"files": ", ".join(missing)},
        )


def _require_size(result: dict[str, Any]) -> None:
    size = result.get("image_size")
    if type(size) is not int or not 0 < size <= BIGGEST_IMAGE:
        raise Problem(
            422,
            "bad_result",
            _("The result of a build must hold “image_size”, the size of the image in bytes, above 0."),
        )


def fail(task: Task, trouble: Trouble, *, by: str, outcome: str = "failed") -> None:
    """End the current attempt of a locked task with `trouble`; another follows while the budget lasts."""
    _close(task, outcome, trouble)
    fault = Fault(trouble["fault"])
    cards.blame(task, trouble)
    if task.kind == Kind.WRITE and fault in BLAMELESS:
        cards.occupy(task)  # even without a permit: or an automatic host would try this card for ever
        move_task(
            task, TaskStatus.WAITING, by=by, note=trouble["message"], **unclaimed(task), trouble=trouble
        )
        return
    lost = task.lost_attempts + 1
    if fault is Fault.JOB or lost >= MAX_ATTEMPTS[Kind(task.kind)]:
        move_task(
            task,
            TaskStatus.FAILED,
            by=by,
            note=trouble["message"],
            **ended(),
            trouble=trouble,
            lost_attempts=lost,
        )
        return
    at = clock.now()
    went_to = TaskStatus.WAITING if task.kind == Kind.WRITE else TaskStatus.QUEUED
    again = {
        **unclaimed(task),
        "lost_attempts": lost,
        "queued_at": at,
        "not_before": at + back_off(lost),
        "trouble": trouble,
    }
    move_task(task, went_to, by=by, note=trouble["message"], **again)


def give_back(task: Task, *, outcome: str, by: str) -> None:
    """End the current attempt of a locked task without blame; it is ready for the next at once."""
    if task.cancel_requested_at:
        _close(task, outcome, None)
        cards.abandon(task)
        move_task(task, TaskStatus.CANCELED, by=by, **ended())
        return
    _close(task, outcome, None)
    cards.abandon(task)
    at = clock.now()
    went_to = TaskStatus.WAITING if task.kind == Kind.WRITE else TaskStatus.QUEUED
    move_task(task, went_to, by=by, note=outcome, **{**unclaimed(task), "queued_at": at, "not_before": at})


def ended() -> dict[str, Any]:
    """Fields of a task that is over. Its host and slot stay, as history."""
    return {"lease_expires_at": None, "reclaim_at": None, "deadline_at": None, "ended_at": clock.now()}


def _close(task: Task, outcome: str, trouble: Trouble | None) -> None:
    """End the attempt. What it published without being done is given up, or no other could publish."""
    Attempt.objects.filter(task=task, attempt=task.attempt).update(
        ended_at=clock.now(), outcome=outcome, trouble=trouble
    )
    if task.kind == Kind.CREATE and outcome != Outcome.DONE.value:
        warehouse.remove(owner=task.order_id)
