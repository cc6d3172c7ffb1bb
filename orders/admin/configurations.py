"""Configurations in the admin: passwords are never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from imager.accounts.admin.closed import Closed
from imager.accounts.admin.filters import FewFilter
from imager.accounts.admin.links import links
from imager.accounts.visitor import visitor
from orders import branding, keeping, queries
from orders.models import Configuration


class ConfigurationAdminForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Passwords are never shown; left empty, those that are there stay."""

    class Meta:
        model = Configuration
        fields = [
            "organization",
            "name",
            "ssid",
            "domain",
            "wifi_password",
            "admin_account",
            "admin_password",
            "language",
            "timezone",
            "contents",
        ]
        widgets = {
            "wifi_password": forms.PasswordInput(attrs={"autocomplete": "new-password"}),
            "admin_password": forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kept = {name: getattr(self.instance, name) for name in ("wifi_password", "admin_password")}
        if self.instance.pk and "admin_password" in self.fields:
            self.fields["admin_password"].required = False
        if "contents" in self.fields:  # as in the editor: what went, or was withdrawn, is not chosen anew
            self.fields["contents"].queryset = queries.choosable(self.instance)  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name, kept in self.kept.items():
            if self.instance.pk and name in self.fields and name not in self.errors:
                data[name] = data.get(name) or kept
        return data


@admin.register(Configuration)
class ConfigurationAdmin(Closed, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    form = ConfigurationAdminForm
    secret = frozenset({"wifi_password", "admin_password"})
    list_display = [
        "name",
        "organization",
        "ssid",
        "domain",
        "language",
        "version",
        "updated_at",
        "deleted_at",
    ]
    list_filter = [
        "language",
        ("deleted_at", admin.EmptyFieldListFilter),
        ("organization", FewFilter),
    ]
    search_fields = ["name", "ssid", "domain", "organization__name"]
    autocomplete_fields = [
        "organization",
        "contents",
    ]  # of the catalogue's thousands only those chosen come along
    readonly_fields = [
        "elsewhere",
        "version",
        "created_by",
        "created_at",
        "updated_by",
        "updated_at",
        "deleted_at",
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Configuration | None = None) -> list[str]:
        """What is one organization's never becomes another's: logos, passwords and versions go with it."""
        return [*super().get_readonly_fields(request, obj), *(["organization"] if obj else [])]

    def formfield_for_manytomany(self, *given: Any, **more: Any) -> Any:
        """Without the cross that takes all contents out at once: a list holds nothing but its entries."""
        field = super().formfield_for_manytomany(*given, **more)
        if field:
            field.widget.is_required = True
        return field

    def get_queryset(self, request: HttpRequest) -> QuerySet[Configuration]:
        """With whoever made and changed it."""
        return super().get_queryset(request).select_related("organization", "created_by", "updated_by")

    @admin.display(description=gettext_lazy("elsewhere"))
    def elsewhere(self, configuration: Configuration) -> str:
        """The editor, which has all the fields and counts as one goes, what was saved before, its orders."""
        if not configuration.pk:
            return "–"
        pages = (
            (reverse("configuration", args=[configuration.pk]), _("editor")),
            (reverse("configuration_versions", args=[configuration.pk]), _("versions")),
        )
        own = () if configuration.deleted_at else pages
        orders = links((_("orders"), "orders_order", {"configuration__id__exact": configuration.pk}))
        return format_html("{}{}", format_html_join("", '<a href="{}">{}</a> · ', own), orders)

    def save_model(self, request: HttpRequest, obj: Configuration, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = visitor(request)
        obj.updated_by = visitor(request)
        branding.unbrand(obj)
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What is saved here is a version, too."""
        super().save_related(request, form, formsets, change)
        keeping.record(form.instance, by=visitor(request))
