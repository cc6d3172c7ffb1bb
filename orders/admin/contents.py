"""The catalogue in the admin: contents with their editions, and the feeds that they come from."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.asking import Question, after_asking
from imager.accounts.admin.filters import ValuesFilter
from imager.accounts.admin.links import links
from imager.accounts.admin.readonly import ReadOnly
from imager.sizes import words as size_in_words
from orders.catalogue import finding, syncing
from orders.models import Content, Edition, Feed, Source

MOST: Final = 500  # entries at a time: forms have a thousand fields at most


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
    readonly_fields = ["source", "missing_since", "elsewhere"]
    actions = ["withdraw", "offer"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Content], search_term: str
    ) -> tuple[QuerySet[Content], bool]:
        """As everywhere else: all words, accents aside; or the identifier.

        Choosers offer what can be ordered.
        """
        if request.path == reverse("admin:autocomplete"):
            queryset = queryset.filter(active=True, missing_since=None)
        return finding.Wanted(text=search_term).filtered(queryset) | queryset.filter(ident=search_term), False

    def get_readonly_fields(self, request: HttpRequest, obj: Content | None = None) -> list[str]:
        if obj is None or obj.source == Source.STAFF:
            return list(super().get_readonly_fields(request, obj))
        return [field.name for field in Content._meta.fields if field.editable and field.name != "active"] + [
            *self.readonly_fields,
        ]

    @admin.display(description=_("elsewhere"))
    def elsewhere(self, content: Content) -> str:
        """Who has chosen it."""
        mine = {"contents__id__exact": content.pk}
        return links((_("configurations"), "orders_configuration", mine)) if content.pk else "–"

    @admin.display(description=_("languages"))
    def codes(self, content: Content) -> str:
        return ", ".join(content.languages)

    @admin.display(description=_("size"), ordering="size")
    def room(self, content: Content) -> str:
        return size_in_words(content.size)

    @admin.action(description=_("Withdraw: can no longer be ordered"), permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Content]) -> HttpResponse | None:
        """Feeds do not bring it back."""
        warning = gettext(
            "They can no longer be chosen, and configurations that hold them cannot be ordered until they are"
            " taken out. What was ordered stays as it is."
        )
        asked = Question("withdraw", gettext("Withdraw"), warning, partial(_offer, active=False), most=MOST)
        return after_asking(self, request, queryset.defer("package", "search"), asked)

    @admin.action(description=_("Offer again"), permissions=["change"])
    def offer(self, request: HttpRequest, queryset: QuerySet[Content]) -> HttpResponse | None:
        """What vanished stays missing until its feed names it again."""
        warning = gettext("They can be chosen again, unless they have vanished from their feed.")
        asked = Question("offer", gettext("Offer again"), warning, partial(_offer, active=True), most=MOST)
        return after_asking(self, request, queryset.defer("package", "search"), asked)


def _offer(content: Content, *, active: bool) -> None:
    """Or withdraw it. Raises ValidationError when another entry has its place by now."""
    try:
        with transaction.atomic():
            Content.objects.filter(pk=content.pk).update(active=active)
    except IntegrityError as error:
        taken = gettext("Not changed: another entry has the same place on the card. Withdraw that one first.")
        raise ValidationError(taken) from error


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
    def look_now(self, request: HttpRequest, queryset: QuerySet[Feed]) -> HttpResponse | None:
        """The server's worker does it."""
        warning = gettext("The server fetches them in a moment. Reload the list then to see how it went.")
        question = Question("look_now", gettext("Look at it now"), warning, _look_at)
        return after_asking(self, request, queryset, question)


def _look_at(feed: Feed) -> None:
    syncing.ask_for(Source(feed.source))
