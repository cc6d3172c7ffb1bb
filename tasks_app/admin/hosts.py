"""Hosts: drained, disabled, resumed; made by `manage.py create_host`."""

from __future__ import annotations

from functools import partial

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from imager import clock
from imager.accounts.admin.asking import Question, after_asking
from imager.accounts.admin.links import links
from imager.accounts.visitor import visitor
from tasks_app import services
from tasks_app.admin.slot_inline import SlotInline
from tasks_app.models import (
    Host,
)
from tasks_app.presence import presence


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
    autocomplete_fields = ["lot"]
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
        verb = partial(getattr(services, action), by=visitor(request))
        return after_asking(self, request, hosts, Question(action, title, warning, verb))
