"""What was refused, what was sent, what stumbled."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.asking import Question, after_asking
from imager.accounts.admin.filters import FewFilter
from imager.accounts.admin.large import known
from imager.accounts.admin.readonly import ReadOnly
from imager.paging import Bounded
from tasks_app import outbox
from tasks_app.admin.facts import FactsInWords
from tasks_app.admin.wording import worded
from tasks_app.models import (
    Chore,
    Outbox,
    Pulse,
    RefusedReport,
    Stumble,
)
from tasks_app.record_words import CHORES, JOBS, PROCESSES, REFUSALS, WORKS

REASON, REASON_AND_CODE = worded("reason", _("reason"), REFUSALS)
KIND, KIND_AND_CODE = worded("kind", _("kind"), WORKS)
CHORE, CHORE_AND_CODE = worded("name", _("name"), CHORES)
SUBJECT, SUBJECT_AND_CODE = worded("subject", _("of what"), CHORES)
PROCESS, PROCESS_AND_CODE = worded("role", _("process"), PROCESSES)
JOB, JOB_AND_CODE = worded("job", _("job"), JOBS)


@admin.register(RefusedReport)
class RefusedReportAdmin(FactsInWords, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["at", "task", "attempt", "host", REASON]
    list_filter = [known("reason", _("reason"), REFUSALS.items()), ("host", FewFilter)]
    search_fields = ["task__id", "event_id", "=reason"]
    paginator = Bounded
    fields = ["at", "task", "attempt", "host", REASON_AND_CODE, "event_id", "body_facts"]
    readonly_fields = ["at", REASON_AND_CODE, "body_facts"]
    list_select_related = ["task", "host"]
    show_full_result_count = False


@admin.register(Outbox)
class OutboxAdmin(FactsInWords, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["dedupe", KIND, "created_at", "sent_at", "given_up_at", "tries", "last_error"]
    list_filter = [
        known("kind", _("kind"), WORKS.items()),
        ("sent_at", admin.EmptyFieldListFilter),
        ("given_up_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["dedupe", "=kind"]
    ordering = ["-id"]  # of very many the first are shown
    paginator = Bounded
    fields = [
        KIND_AND_CODE,
        "dedupe",
        "payload_facts",
        "created_at",
        "not_before",
        "rung_at",
        "sent_at",
        "tries",
        "last_error",
        "given_up_at",
    ]
    readonly_fields = [KIND_AND_CODE, "created_at", "payload_facts"]
    show_full_result_count = False
    actions = ["again"]

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Entries are never edited, but whoever may change them may have them tried again."""
        return request.user.has_perm("tasks_app.change_outbox")

    @admin.action(description=_("Try again what was not sent"), permissions=["act"])
    def again(self, request: HttpRequest, entries: QuerySet[Outbox]) -> HttpResponse | None:
        """Start over with a full budget of tries."""
        warning = gettext(
            "What was not sent is tried again at once, from the beginning. What was sent stays so."
        )
        question = Question("again", gettext("Try again"), warning, outbox.again)
        return after_asking(self, request, entries, question)


@admin.register(Stumble)
class StumbleAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = [JOB, SUBJECT, "error", "count", "first_at", "last_at", "not_before"]
    list_filter = [known("job", _("job"), JOBS.items())]
    search_fields = ["subject", "=job"]
    fields = [JOB_AND_CODE, SUBJECT_AND_CODE, "error", "count", "first_at", "last_at", "not_before"]
    readonly_fields = [JOB_AND_CODE, SUBJECT_AND_CODE, "first_at"]


@admin.register(Pulse)
class PulseAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Which processes of the server are there; what that means stands on the page of its health."""

    list_display = [PROCESS, "place", "at"]
    list_filter = [known("role", _("process"), PROCESSES.items())]
    search_fields = ["place", "=role"]
    fields = [PROCESS_AND_CODE, "place", "at"]
    readonly_fields = [PROCESS_AND_CODE]


@admin.register(Chore)
class ChoreAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """What is due each hour or day, and for which of them it was done."""

    list_display = [CHORE, "slot"]
    list_filter = [("slot", admin.EmptyFieldListFilter)]
    search_fields = ["name"]
    fields = [CHORE_AND_CODE, "slot"]
    readonly_fields = [CHORE_AND_CODE]
