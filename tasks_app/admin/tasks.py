"""Tasks and their attempts; a status moves only through actions."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.asking import Question, after_asking
from imager.accounts.admin.filters import FewFilter
from imager.accounts.admin.history import History
from imager.accounts.admin.large import Large, known
from imager.accounts.admin.readonly import ReadOnly
from imager.accounts.visitor import visitor
from tasks_app import services
from tasks_app.admin.facts import FactsInWords
from tasks_app.admin.finding import of_orders
from tasks_app.admin.wording import NoteInWords, OutcomeInWords, StepInWords, TroubleInWords
from tasks_app.lifecycle import ENDED, OPEN
from tasks_app.models import (
    Attempt,
    Host,
    Task,
    TaskMove,
)
from tasks_app.places import LARGE
from tasks_app.words import OUTCOMES

FACTS = ("trouble_facts", "result_facts", "spec_facts")


class OverFilter(admin.SimpleListFilter):
    """Whether there is an outcome yet, whichever."""

    title = _("outcome")
    parameter_name = "over"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # Django's
        return [("no", _("none yet")), ("yes", _("done, failed or canceled"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        of = {"no": OPEN, "yes": ENDED}.get(self.value() or "")
        return queryset.filter(status__in=sorted(of)) if of else queryset


class HostChoice(forms.ModelChoiceField):  # type: ignore[type-arg]  # not generic at run time
    """Hosts with their channels: two channels may have hosts of one sort."""

    def label_from_instance(self, host: Host) -> str:
        return f"{host} ({host.channel})"


class HostForm(forms.Form):
    """Where the work shall go."""

    host = HostChoice(
        Host.objects.none(),
        label=_("Host"),
        empty_label="–",
        error_messages={
            "required": _("Choose a host from the list."),
            "invalid_choice": _("Choose a host from the list."),
        },
    )

    def __init__(self, data: Any, tasks: QuerySet[Task]) -> None:  # the same for all
        super().__init__(data)
        fit = Host.objects.filter(kind=Host.Kind.WRITER, disabled=False, draining=False)
        self.fields["host"].queryset = fit.select_related("channel")  # type: ignore[attr-defined]

    def arguments(self, task: Task) -> dict[str, Any]:  # the same for all
        """For `services.relocate`."""
        return {"to": self.cleaned_data["host"]}


class MoveInline(History, NoteInWords, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = TaskMove
    verbose_name_plural = _("history")
    fields = ["at", "before", "after", "by", "note_words"]
    readonly_fields = ["at", "before", "after", "note_words"]


class LogLink:
    """The log is long: it has a page of its own."""

    @admin.display(description=_("log"))
    def log_link(self, attempt: Attempt) -> str:
        """To the page of the log."""
        url = reverse("attempt_log", args=[attempt.task_id, attempt.attempt])
        return format_html('<a href="{}">{}</a>', url, _("open"))


class AttemptInline(LogLink, OutcomeInWords, TroubleInWords, ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Attempt
    fields = ["attempt", "host", "started_at", "ended_at", "outcome_words", "trouble_sentence", "log_link"]
    readonly_fields = ["started_at", "outcome_words", "trouble_sentence", "log_link"]
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).select_related("task", "host")


@admin.register(Task)
class TaskAdmin(Large, StepInWords, FactsInWords, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = [
        "short_id",
        "order_link",
        "kind",
        "unit",
        "status",
        "step_words",
        "host",
        "slot",
        "attempt",
        "created_at",
    ]
    list_filter = [OverFilter, "status", "kind", ("host", FewFilter), "channel"]
    search_fields = ["id", "order__id", "order__name", "=order__number"]
    ordering = ["-created_at"]
    sortable_by = ["created_at"]
    date_hierarchy = "created_at"
    exclude = ["spec", "step", "trouble", "result"]
    readonly_fields = ["step_words", *FACTS]
    inlines = [AttemptInline, MoveInline]
    actions = ["retry", "unconfirm", "relocate"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        """With what it is called by, in the list and on its page, whatever kind it is of."""
        tasks: QuerySet[Task] = super().get_queryset(request)
        return tasks.select_related("order", "channel", "host", "slot__host").defer(*LARGE)

    def find(self, rows: QuerySet[Task], sought: str) -> QuerySet[Task]:
        """By the order, or the beginning of its identifier or the task's."""
        return of_orders(rows, sought, task="pk")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Tasks are never edited, but whoever may change them may act on them."""
        return request.user.has_perm("tasks_app.change_task")

    @admin.action(description=_("Retry failed tasks"), permissions=["act"])
    def retry(self, request: HttpRequest, tasks: QuerySet[Task]) -> HttpResponse | None:
        """Start failed tasks again, with a full budget."""
        warning = gettext(
            "They start again with a full budget of attempts; what other tasks finished is kept."
        )
        by = visitor(request).email
        verb = partial(services.retry_task, by=by)
        return after_asking(self, request, tasks, Question("retry", gettext("Retry"), warning, verb))

    @admin.action(description=_("Take back the confirmation of cards"), permissions=["act"])
    def unconfirm(self, request: HttpRequest, tasks: QuerySet[Task]) -> HttpResponse | None:
        """Have confirmed cards that no host has begun wait for a card again."""
        warning = gettext("The cards wait to be confirmed anew. Cards that a host has begun are left alone.")
        verb = partial(services.unconfirm, by=visitor(request).email)
        return after_asking(self, request, tasks, Question("unconfirm", gettext("Take back"), warning, verb))

    @admin.action(description=_("Move downloads, and their cards, to another host"), permissions=["act"])
    def relocate(self, request: HttpRequest, tasks: QuerySet[Task]) -> HttpResponse | None:
        """Have the image downloaded and the cards written by another host."""
        warning = gettext(
            "The image is downloaded anew by the host that you choose, and the cards that are not yet being"
            " written are written there. What the present host still reports of the download is refused."
        )
        verb = partial(services.relocate, by=visitor(request).email)
        question = Question("relocate", gettext("Move"), warning, verb, HostForm)
        return after_asking(self, request, tasks, question)

    @admin.display(description=_("task"))
    def short_id(self, task: Task) -> str:
        """The beginning of the id."""
        return str(task.pk)[:8]

    @admin.display(description=_("order"), ordering="order__number")
    def order_link(self, task: Task) -> str:
        """The order, as a link."""
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:orders_order_change", args=[task.order_id]), task.order
        )


@admin.register(Attempt)
class AttemptAdmin(Large, LogLink, OutcomeInWords, FactsInWords, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["task", "attempt", "host", "started_at", "ended_at", "outcome_words", "log_link"]
    exclude = ["outcome", "trouble", "log_end", "log_cut_to", "log_left_out"]
    readonly_fields = ["outcome_words", "trouble_facts", "log_link"]
    list_filter = [
        known("outcome", _("outcome"), OUTCOMES.items(), none=_("none yet"), unset={"ended_at": None}),
        "task__kind",
        ("host", FewFilter),
        "ended_at",
    ]
    search_fields = ["task__id", "task__order__id", "=task__order__number"]
    list_select_related = ["task", "host"]
    ordering = ["-pk"]

    def find(self, rows: QuerySet[Attempt], sought: str) -> QuerySet[Attempt]:
        """By the order, or the beginning of its identifier or the task's."""
        return of_orders(rows, sought, task="task", order="task__order")
