"""Organizations and channels in the admin."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from imager.accounts.admin.links import links
from imager.accounts.admin.units import grant
from imager.accounts.models import Channel, Organization, UnitEntry

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    _Organizations = ModelAdmin[Organization]
    _Channels = ModelAdmin[Channel]
else:
    _Organizations = _Channels = admin.ModelAdmin


@admin.register(Organization)
class OrganizationAdmin(_Organizations):
    """Who orders."""

    list_display = ("name", "slug", "channel", "language", "email", "active", "limited", "balance", "people")
    list_filter = ("active", "limited", "channel", "language")
    list_select_related = ("channel",)
    search_fields = ("name", "slug", "email")
    ordering = ("name",)  # the model's own is lost where rows are counted
    autocomplete_fields = ("channel",)
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("created_at", "balance", "elsewhere")
    fieldsets = (
        (
            None,
            {"fields": ("name", "slug", "email", "language", "channel", "active", "created_at", "elsewhere")},
        ),
        (_("Images"), {"fields": ("warehouse", "public_warehouse")}),
        (
            _("Limits"),
            {
                "fields": (
                    "limited",
                    "balance",
                    "max_open_orders",
                    "max_open_orders_per_member",
                    "max_quantity",
                    "download_days",
                    "can_brand",
                    "beta_is_active",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Organization]:
        """With the number of users and the balance, counted by the database."""
        last = UnitEntry.objects.filter(organization=OuterRef("pk")).order_by("-number")
        return (
            super()
            .get_queryset(request)
            .annotate(people_count=Count("users"), units_left=Subquery(last.values("balance")[:1]))
        )

    def get_urls(self) -> list[Any]:
        """With the form that grants units."""
        view = self.admin_site.admin_view(partial(grant, self.admin_site))
        mine: list[URLPattern] = [path("<int:pk>/grant/", view, name="accounts_organization_grant")]
        return [*mine, *super().get_urls()]

    @admin.display(description=_("elsewhere"))
    def elsewhere(self, organization: Organization) -> str:
        """What belongs to it."""
        mine = {"organization__id__exact": organization.pk}
        return (
            links(
                (_("users"), "accounts_user", mine),
                (_("orders"), "orders_order", mine),
                (_("configurations"), "orders_configuration", mine),
                (_("uploads"), "orders_upload", mine),
                (_("addresses"), "orders_address", mine),
                (_("ledger"), "accounts_unitentry", mine),
                (_("invitations"), "accounts_invitation", mine),
            )
            if organization.pk
            else "–"
        )

    @admin.display(description=_("users"), ordering="people_count")
    def people(self, organization: Organization) -> int:
        """How many accounts belong to it."""
        return int(getattr(organization, "people_count", 0))

    @admin.display(description=_("balance"), ordering="units_left")
    def balance(self, organization: Organization) -> int:
        """Its units."""
        return getattr(organization, "units_left", 0) or 0


@admin.register(Channel)
class ChannelAdmin(_Channels):
    """Production lines."""

    list_display = ("name", "slug", "active", "private", "sender_name", "sender_email")
    list_filter = ("active", "private")
    search_fields = ("name", "slug", "sender_name", "sender_email")
    prepopulated_fields = {"slug": ("name",)}
    readonly_fields = ("elsewhere",)

    @admin.display(description=_("elsewhere"))
    def elsewhere(self, channel: Channel) -> str:
        """Whom it serves, and who works for it."""
        mine = {"channel__id__exact": channel.pk}
        return (
            links(
                (_("organizations"), "accounts_organization", mine),
                (_("hosts"), "tasks_app_host", mine),
                (_("orders"), "orders_order", {"organization__channel__id__exact": channel.pk}),
            )
            if channel.pk
            else "–"
        )
