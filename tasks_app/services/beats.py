"""Signs of life: what a host's beat brings, and what it is answered."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from imager.api import Problem
from tasks_app.lifecycle import TaskStatus
from tasks_app.models import Host, Slot, Task
from tasks_app.services import cards, pace, signs
from tasks_app.services.signs import Caller, Heard
from workers.contract import Answer, Beat, BeatAnswer, Kind


def beat(host: Host, body: Beat) -> BeatAnswer:
    """Keep what the host says of itself, its slots and its attempts; answer what waits for it."""
    kind = Kind(body["kind"])
    if (kind is Kind.CREATE) != (host.kind == Host.Kind.CREATOR):
        raise Problem(403, "not_yours", f"A {host.kind} host does no {kind} tasks.")
    answer = beat_of(Caller(host.account_id, host.account.token_epoch), body)
    if answer is None:
        raise Problem(403, "not_yours", _("This host was removed. Run create_host again."))
    return answer


def beat_of(caller: Caller, body: Beat) -> BeatAnswer | None:
    """The same for the account of a verified token; None if that is no host of this kind (any more)."""
    heard = signs.take_in(caller, body)
    if heard and heard.automatic and not heard.drain and "slots" in body and _confirm_all(heard.host):
        heard = signs.take_in(caller, body)  # what was confirmed is to be heard at once
    return _answer(heard, body) if heard else None


def _answer(heard: Heard, body: Beat) -> BeatAnswer:
    answer: BeatAnswer = {"ring": [str(task) for task in heard.ring], "drain": heard.drain}
    if body["kind"] != Kind.CREATE:
        answer["keep"] = [str(order) for order in heard.keep]
    if (told := body.get("attempts")) is not None:
        current, canceled = set(heard.current), set(heard.canceled)
        answers = {held["task"]: _word(UUID(held["task"]), current, canceled) for held in told}
        answer["answers"] = {task: word for task, word in answers.items() if word != Answer.GO}
        answer["pace"], answer["every"] = pace.told()
    return answer


def _word(task: UUID, current: set[UUID], canceled: set[UUID]) -> str:
    if task in canceled:
        return Answer.CANCEL.value
    return Answer.GO.value if task in current else Answer.STALE.value


def _confirm_all(host: int) -> bool:
    """Confirm whatever may be written. Whether anything was."""
    confirmed = False
    busy = Task.objects.filter(slot=OuterRef("pk"), status__in=[TaskStatus.QUEUED, TaskStatus.RUNNING])
    present = Slot.objects.filter(host=host, present=True, disabled=False, quarantined_at=None, problem="")
    for slot in present.exclude(Exists(busy)).select_related("host"):
        if slot.used:
            continue
        try:
            cards.confirm(slot, diskseq=slot.diskseq, boot_id=slot.boot_id, by=slot.host.name)
            confirmed = True
        except Problem as problem:
            if problem.get_codes() == "nothing_waits":
                break
            # this card does not do, as the station page says; the next may
    return confirmed
