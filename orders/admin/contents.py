"""The catalogue in the admin: contents with their editions, and the feeds that they come from."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db import IntegrityError, models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from imager.accounts.admin.filters import ValuesFilter
from imager.accounts.admin.readonly import ReadOnly
from imager.sizes import words as size_in_words
from orders.catalogue import finding, syncing
from orders.models import Content, Edition, Feed, Source


class LanguageFilter(admin.SimpleListFilter):
    """By one of the languages."""

    title = _("language")
    parameter_name = "language"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # Django's
        return finding.languages()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Content]) -> QuerySet[Content]:
        return queryset.filter(languages__contains=[self.value()]) if self.value() else queryset


class MissingFilter(admin.SimpleListFilter):
    """Whether it can be ordered."""

    title = _("availability")
    parameter_name = "available"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("can be ordered")), ("missing", _("vanished")), ("hidden", _("withdrawn by staff"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Content]) -> QuerySet[Content]:
        chosen: dict[str, dict[str, Any]] = {
            "yes": {"active": True, "missing_since": None},
            "missing": {"missing_since__isnull": False},
            "hidden": {"active": False},
        }
        return queryset.filter(**chosen.get(self.value() or "", {}))


class EditionInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]  # not generic at run time
    """The editions that were seen."""

    model = Edition
    fields = ["version", "issued", "size", "url", "seen_at"]
    readonly_fields = ["version", "issued", "size", "url", "seen_at"]


@admin.register(Content)
class ContentAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """What feeds keep up to date can only be withdrawn here: the next look would undo anything else."""

    list_display = [
        "title",
        "ident",
        "kind",
        "codes",
        "category",
        "version",
        "room",
        "active",
        "missing_since",
    ]
    list_filter = ["kind", "source", MissingFilter, LanguageFilter, ("category", ValuesFilter)]
    search_fields = ["search", "ident"]
    formfield_overrides = {models.URLField: {"assume_scheme": "https"}}
    list_per_page = 50
    show_full_result_count = False
    inlines = [EditionInline]
    readonly_fields = ["source", "missing_since"]
    actions = ["withdraw", "offer"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Content], search_term: str
    ) -> tuple[QuerySet[Content], bool]:
        """As everywhere else: all words, accents aside; or the identifier."""
        return finding.Wanted(text=search_term).filtered(queryset) | queryset.filter(ident=search_term), False

    def get_readonly_fields(self, request: HttpRequest, obj: Content | None = None) -> list[str]:
        if obj is None or obj.source == Source.STAFF:
            return list(super().get_readonly_fields(request, obj))
        return [field.name for field in Content._meta.fields if field.editable and field.name != "active"] + [
            "source",
            "missing_since",
        ]

    @admin.display(description=_("languages"))
    def codes(self, content: Content) -> str:
        return ", ".join(content.languages)

    @admin.display(description=_("size"), ordering="size")
    def room(self, content: Content) -> str:
        return size_in_words(content.size)

    @admin.action(description=_("Withdraw: can no longer be ordered"), permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Content]) -> None:
        """Feeds do not bring it back."""
        self._say(request, queryset.update(active=False))

    @admin.action(description=_("Offer again"), permissions=["change"])
    def offer(self, request: HttpRequest, queryset: QuerySet[Content]) -> None:
        """What vanished stays missing until its feed names it again."""
        try:
            with transaction.atomic():
                count = queryset.update(active=True)
        except IntegrityError:
            taken = _("Nothing is changed: another entry has the same place on the card. Withdraw it first.")
            self.message_user(request, taken, messages.ERROR)
            return
        self._say(request, count)

    def _say(self, request: HttpRequest, count: int) -> None:
        sentence = ngettext("%(count)s entry is changed.", "%(count)s entries are changed.", count)
        self.message_user(request, sentence % {"count": count})


@admin.register(Feed)
class FeedAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """How the last looks ended."""

    list_display = ["__str__", "url", "entries", "outcome", "checked_at", "taken_at"]
    search_fields = ["source", "url"]
    actions = ["look_now"]

    def has_act_permission(self, request: HttpRequest) -> bool:
        """What feeds say is never edited, but whoever may change them may have them looked at."""
        return request.user.has_perm("orders.change_feed")

    @admin.action(description=_("Look at it now"), permissions=["act"])
    def look_now(self, request: HttpRequest, queryset: QuerySet[Feed]) -> None:
        """The server's worker does it."""
        for feed in queryset:
            syncing.ask_for(Source(feed.source))
        self.message_user(
            request, _("The server looks at it in a moment; reload this page then."), messages.SUCCESS
        )
