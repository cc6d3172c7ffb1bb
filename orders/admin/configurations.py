"""Configurations in the admin: passwords are never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from imager.accounts.admin.filters import FewFilter
from imager.accounts.visitor import visitor
from orders import branding, keeping
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

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name, kept in self.kept.items():
            if self.instance.pk and name in self.fields and name not in self.errors:
                data[name] = data.get(name) or kept
        return data


@admin.register(Configuration)
class ConfigurationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    form = ConfigurationAdminForm
    list_display = ["name", "organization", "ssid", "domain", "language", "updated_at"]
    list_filter = ["language", ("organization", FewFilter)]
    list_select_related = ["organization"]
    search_fields = ["name", "ssid", "domain", "organization__name"]
    filter_horizontal = ["contents"]
    readonly_fields = ["created_by", "created_at", "updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Configuration | None = None) -> list[str]:
        """What is one organization's never becomes another's: logos, passwords and versions go with it."""
        return [*super().get_readonly_fields(request, obj), *(["organization"] if obj else [])]

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
