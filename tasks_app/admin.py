"""Staff see everything about tasks and hosts; a task's status moves only through its actions."""

from __future__ import annotations

from functools import partial

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from imager import clock
from imager.accounts.admin.links import links
from tasks_app import outbox, services
from tasks_app.asking import Question, after_asking, person
from tasks_app.models import (
    Attempt,
    Card,
    Host,
    Outbox,
    RefusedReport,
    SlotEvent,
    Stumble,
    Task,
    TaskMove,
)
from tasks_app.presence import presence
from tasks_app.slot_admin import SlotAdmin
from tasks_app.slot_inline import SlotInline

__all__ = ["SlotAdmin"]


class ReadOnly:
    """Looked at, not changed by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class MoveInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = TaskMove
    extra = 0
    fields = ["at", "came_from", "went_to", "by", "note"]
    readonly_fields = ["at"]


class LogLink:
    """The log is long: it has a page of its own."""

    @admin.display(description=_("log"))
    def log_link(self, attempt: Attempt) -> str:
        """To the page of the log."""
        url = reverse("attempt_log", args=[attempt.task_id, attempt.attempt])
        return format_html('<a href="{}">{}</a>', url, _("open"))


class AttemptInline(LogLink, ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    model = Attempt
    extra = 0
    fields = ["attempt", "host", "started_at", "ended_at", "outcome", "trouble", "log_link"]
    readonly_fields = ["started_at", "log_link"]
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).select_related("task", "host")


@admin.register(Task)
class TaskAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = [
        "short_id",
        "order_link",
        "kind",
        "unit",
        "status",
        "step",
        "host",
        "slot",
        "attempt",
        "created_at",
    ]
    list_filter = ["status", "kind", "host", "channel"]
    search_fields = ["id", "order__id", "order__name", "=order__number"]
    list_select_related = ["order", "host", "slot__host"]
    show_full_result_count = False
    date_hierarchy = "created_at"
    exclude = ["spec"]
    inlines = [AttemptInline, MoveInline]
    actions = ["retry", "unconfirm", "relocate"]

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Tasks are never edited, but whoever may change them may act on them."""
        return request.user.has_perm("tasks_app.change_task")

    @admin.action(description=_("Retry failed tasks"), permissions=["act"])
    def retry(self, request: HttpRequest, tasks: QuerySet[Task]) -> HttpResponse | None:
        """Start failed tasks again, with a full budget."""
        warning = gettext(
            "They start again with a full budget of attempts; what other tasks finished is kept."
        )
        by = person(request).email
        verb = partial(services.retry_task, by=by)
        return after_asking(self, request, tasks, Question("retry", gettext("Retry"), warning, verb))

    @admin.action(description=_("Take back the confirmation of cards"), permissions=["act"])
    def unconfirm(self, request: HttpRequest, tasks: QuerySet[Task]) -> HttpResponse | None:
        """Have confirmed cards that no host has begun wait for a card again."""
        warning = gettext("The cards wait to be confirmed anew. Cards that a host has begun are left alone.")
        verb = partial(services.unconfirm, by=person(request).email)
        return after_asking(self, request, tasks, Question("unconfirm", gettext("Take back"), warning, verb))

    @admin.action(description=_("Move downloads, and their cards, to another host"), permissions=["act"])
    def relocate(self, request: HttpRequest, tasks: QuerySet[Task]) -> HttpResponse | None:
        """Have the image downloaded and the cards written by another host."""
        warning = gettext(
            "The image is downloaded anew by the host that you choose, and the cards that are not yet being"
            " written are written there. What the present host still reports of the download is refused."
        )
        verb = partial(services.relocate, by=person(request).email)
        hosts = Host.objects.filter(kind=Host.Kind.WRITER, disabled=False, draining=False)
        question = Question("relocate", gettext("Move"), warning, verb, hosts.select_related("channel"))
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
class AttemptAdmin(LogLink, ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["task", "attempt", "host", "started_at", "ended_at", "outcome", "log_link"]
    exclude = ["log_end", "log_cut_to", "log_left_out"]
    readonly_fields = ["log_link"]
    list_filter = ["outcome", "task__kind", "host", "ended_at"]
    search_fields = ["task__id", "task__order__id", "=task__order__number"]
    list_select_related = ["task", "host"]
    show_full_result_count = False


@admin.register(Host)
class HostAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = [
        "name",
        "kind",
        "channel",
        "state",
        "draining",
        "disabled",
        "automatic",
        "version",
        "last_seen_at",
    ]
    list_filter = ["kind", "channel", "disabled", "draining"]
    search_fields = ["name", "account__email", "operator_email"]
    list_select_related = ["channel"]
    readonly_fields = [
        "kind",
        "account",
        "signing_key",
        "state",
        "draining",
        "disabled",
        "version",
        "boot_id",
        "free_bytes",
        "last_seen_at",
        "elsewhere",
    ]
    inlines = [SlotInline]
    actions = ["drain", "resume", "disable", "enable"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # `manage.py create_host` makes the account and the keys, too

    def get_queryset(self, request: HttpRequest) -> QuerySet[Host]:
        """With the time by the database's clock."""
        hosts: QuerySet[Host] = super().get_queryset(request).annotate(asked_at=Now())
        return hosts

    @admin.display(description=_("elsewhere"))
    def elsewhere(self, host: Host) -> str:
        """What it did."""
        mine = {"host__id__exact": host.pk}
        return links(
            (_("tasks"), "tasks_app_task", mine),
            (_("attempts"), "tasks_app_attempt", mine),
            (_("cards"), "tasks_app_card", mine),
        )

    @admin.display(description=_("state"))
    def state(self, host: Host) -> str:
        """Whether it is there."""
        return str(presence(host, getattr(host, "asked_at", None) or clock.now()).label)

    @admin.action(description=_("Drain: finish the work, take no more"), permissions=["change"])
    def drain(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        """Stop giving work to these hosts."""
        warning = gettext("They finish what they are doing, and take nothing new until they are resumed.")
        return self._ask(request, hosts, "drain", gettext("Drain"), warning)

    @admin.action(description=_("Resume: take work again"), permissions=["change"])
    def resume(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        """Give work to these hosts again."""
        return self._ask(request, hosts, "resume", gettext("Resume"), gettext("They take work again."))

    @admin.action(description=_("Disable: out at once, tokens end"), permissions=["change"])
    def disable(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        """Shut these hosts out."""
        warning = gettext(
            "They are shut out at once and cannot log in. What they are doing is lost: builds start again"
            " elsewhere, downloads and cards wait until they are moved. To let them finish, drain them."
        )
        return self._ask(request, hosts, "disable", gettext("Disable"), warning)

    @admin.action(description=_("Enable: may log in again"), permissions=["change"])
    def enable(self, request: HttpRequest, hosts: QuerySet[Host]) -> HttpResponse | None:
        """Let these hosts in again."""
        return self._ask(
            request, hosts, "enable", gettext("Enable"), gettext("They may log in again, and take work.")
        )

    def _ask(
        self, request: HttpRequest, hosts: QuerySet[Host], action: str, title: str, warning: str
    ) -> HttpResponse | None:
        verb = partial(getattr(services, action), by=person(request))
        return after_asking(self, request, hosts, Question(action, title, warning, verb))


@admin.register(Card)
class CardAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["serial", "verdict", "order", "unit", "host", "slot", "card_bytes", "permitted_at"]
    list_filter = ["verdict", "host"]
    search_fields = ["serial", "order__id", "=order__number"]
    list_select_related = ["order", "host", "slot__host"]
    show_full_result_count = False
    date_hierarchy = "permitted_at"


@admin.register(SlotEvent)
class SlotEventAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["at", "slot", "what", "by", "note"]
    list_filter = ["what", "slot__host"]
    list_select_related = ["slot__host"]
    search_fields = ["slot__host__name", "slot__name", "by", "note"]


@admin.register(RefusedReport)
class RefusedReportAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["at", "task", "attempt", "host", "reason"]
    list_filter = ["reason", "host"]
    search_fields = ["task__id", "event_id"]
    list_select_related = ["task", "host"]
    show_full_result_count = False


@admin.register(Outbox)
class OutboxAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["dedupe", "kind", "created_at", "sent_at", "given_up_at", "tries", "last_error"]
    list_filter = [
        "kind",
        ("sent_at", admin.EmptyFieldListFilter),
        ("given_up_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["dedupe"]
    show_full_result_count = False
    actions = ["again"]

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Entries are never edited, but whoever may change them may have them tried again."""
        return request.user.has_perm("tasks_app.change_outbox")

    @admin.action(description=_("Try again what was not sent"), permissions=["act"])
    def again(self, request: HttpRequest, entries: QuerySet[Outbox]) -> None:
        """Start over with a full budget of tries."""
        for entry in entries:
            outbox.again(entry)


@admin.register(Stumble)
class StumbleAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    list_display = ["job", "subject", "error", "count", "first_at", "last_at", "not_before"]
    list_filter = ["job"]
    search_fields = ["subject"]
