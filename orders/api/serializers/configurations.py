"""Bodies of configurations."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from imager.accounts.models import Organization
from orders import sizes
from orders.api.fields import ContentsField, whose
from orders.models import Configuration
from tasks_app.api.serializers import Strict


class ConfigurationSerializer(Strict, serializers.ModelSerializer[Configuration]):
    """A hotspot. Passwords can be written, never read; an empty Wi-Fi password makes an open network."""

    organization = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=Organization.objects.filter(active=True),
        required=False,
        help_text="Yours, unless you are staff. Cannot be changed later.",
    )
    contents = ContentsField(required=False, help_text="Identifiers of the catalogue.")
    has_wifi_password = serializers.SerializerMethodField()
    needed_bytes = serializers.SerializerMethodField(
        help_text="What an image of it takes: choose a media of that size."
    )

    class Meta:
        model = Configuration
        fields = [
            "id",
            "organization",
            "name",
            "ssid",
            "domain",
            "wifi_password",
            "has_wifi_password",
            "admin_account",
            "admin_password",
            "language",
            "timezone",
            "contents",
            "needed_bytes",
            "created_at",
            "updated_at",
        ]
        extra_kwargs = {
            "wifi_password": {"write_only": True, "trim_whitespace": False},
            "admin_password": {"write_only": True, "trim_whitespace": False},
        }

    def get_has_wifi_password(self, configuration: Configuration) -> bool:
        return bool(configuration.wifi_password)

    def get_needed_bytes(self, configuration: Configuration) -> int:
        return sizes.needed_by(configuration)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Settle whose configuration it is."""
        attrs["organization"] = whose(self, attrs)
        return attrs
