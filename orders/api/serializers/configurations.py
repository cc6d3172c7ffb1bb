"""Bodies of configurations, their versions and uploads."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from imager.accounts.models import Organization
from imager.api.strict import Strict, Telling
from orders import branding, describing, keeping, queries, sizes, validators
from orders.api.fields import ContentsField, whose
from orders.models import UPLOADS, Configuration, ConfigurationVersion, Content, Upload
from workers.contract import CARD_FILE_BYTES, MAX_BOOT_PATH, MAX_CARD_FILES


@extend_schema_field({"type": "string"})
class Owner(serializers.SlugRelatedField[Organization]):
    """Whose it is, in a form: left out or empty, the visitor's organization."""

    def __init__(self) -> None:
        super().__init__(
            slug_field="slug",
            queryset=Organization.objects.filter(active=True),
            required=False,
            help_text="Yours, unless you are staff.",
        )


class YesOrNo(serializers.BooleanField):
    """In JSON, only what is true or false; a form has nothing but words for it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool) and not isinstance(getattr(self.root, "initial_data", None), QueryDict):
            self.fail("invalid", input=data)
        return bool(super().to_internal_value(data))


class UploadField(serializers.PrimaryKeyRelatedField[Upload]):
    """An upload by its id, of those that the visitor sees."""

    def get_queryset(self) -> Any:
        return queries.visible_uploads(self.context["request"].user)


@extend_schema_field(
    {
        "type": "array",
        "maxItems": MAX_CARD_FILES,
        "items": {
            "type": "object",
            "required": ["to", "content"],
            "additionalProperties": False,
            "properties": {
                "to": {"type": "string", "maxLength": MAX_BOOT_PATH, "example": "serial.txt"},
                "content": {"type": "string", "maxLength": CARD_FILE_BYTES, "example": "{serial}"},
            },
        },
    }
)
class CardFilesField(serializers.JSONField):
    """Files of the boot partition that are different on each card."""


def upload_field(words: str) -> UploadField:
    """One that may be left out."""
    return UploadField(
        queryset=Upload.objects.none(),
        pk_field=serializers.UUIDField(),
        required=False,
        allow_null=True,
        help_text=words,
    )


class ConfigurationSerializer(Strict, serializers.ModelSerializer[Configuration]):
    """A hotspot. Passwords can be written, never read; an empty Wi-Fi password makes an open network.

    Send `version` as you have read it, and the change is refused with 409 if somebody else was faster.
    """

    organization = Owner()
    contents = ContentsField(required=False, help_text="Identifiers of the catalogue.")
    branding_logo = upload_field("An upload of the kind `logo`.")
    branding_favicon = upload_field("An upload of the kind `favicon`.")
    preload_zip = upload_field(
        "An upload of the kind `zip`; its files lie in the File Manager of the hotspot."
    )
    beta_features = serializers.ListField(
        child=serializers.CharField(max_length=50), required=False, max_length=50
    )
    per_card = CardFilesField(
        required=False,
        validators=[validators.per_card],
        help_text="Small files of the boot partition that say something else on each card: `{serial}` "
        "becomes its serial number, `{suffix}` the first two groups of it. A download says `unset` there.",
    )
    version = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1)
    has_wifi_password = serializers.SerializerMethodField()
    needed_bytes = serializers.SerializerMethodField(
        help_text="What an image of it takes: choose a media of that size."
    )

    missing_contents = serializers.SerializerMethodField(
        help_text="Of its contents those that are no longer available: `replace/` them, or leave them out."
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
            "variant",
            *UPLOADS,
            "contents",
            "missing_contents",
            "content_metrics",
            "option_kiwix_readers",
            "preload_url",
            "beta_features",
            "per_card",
            "needed_bytes",
            "version",
            "created_at",
            "updated_at",
        ]
        extra_kwargs = {
            "wifi_password": {"write_only": True, "trim_whitespace": False},
            "admin_password": {"write_only": True, "trim_whitespace": False},
        }

    def get_has_wifi_password(self, configuration: Configuration) -> bool:
        return bool(configuration.wifi_password)

    def get_missing_contents(self, configuration: Configuration) -> list[str]:
        return sorted(content.ident for content in configuration.contents.all() if not content.available)

    def get_needed_bytes(self, configuration: Configuration) -> int:
        return sizes.needed_by(configuration)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Settle whose configuration it is, and whether its parts go together."""
        of = whose(self, attrs)
        old = self.instance if isinstance(self.instance, Configuration) else None
        attrs["organization"] = of
        if old:
            branding.unbrand(old)
            branding.leave_betas(old, settings.BETA_FEATURES)
        errors = self._foreign(attrs, of)
        contents: list[Content] = attrs.get("contents", list(old.contents.all()) if old else [])
        was = old or Configuration(organization=of)
        values = {**{name: getattr(was, name) for name in describing.NAMES}, **attrs}
        draft = describing.Draft(of, values, tuple(contents), was.preload_url, was.preload_bytes)
        errors = errors or describing.refusals(draft)
        if errors:
            raise serializers.ValidationError(errors)
        attrs["preload_bytes"] = draft.preload_bytes
        return attrs

    def _foreign(self, attrs: dict[str, Any], of: Organization) -> dict[str, str]:
        """Uploads of another organization (staff see all), or of another kind."""
        told = _("It must be an upload of the kind “%(kind)s” that belongs to %(name)s.")
        return {
            name: told % {"kind": kind, "name": of}
            for name, kind in UPLOADS.items()
            if attrs.get(name) and (attrs[name].organization_id != of.pk or attrs[name].kind != kind)
        }

    def create(self, validated_data: dict[str, Any]) -> Configuration:
        validated_data.pop("version", None)
        return self._keep(Configuration(), validated_data, None)

    def update(self, instance: Configuration, validated_data: dict[str, Any]) -> Configuration:
        return self._keep(instance, validated_data, validated_data.pop("version", None))

    def _keep(self, one: Configuration, values: dict[str, Any], seen: int | None) -> Configuration:
        contents = values.pop("contents", None)
        for name, value in values.items():
            setattr(one, name, value)
        return keeping.keep(one, by=self.context["request"].user, contents=contents, seen=seen)


class UploadSerializer(serializers.ModelSerializer[Upload]):
    """A file that was checked: a logo (kept as PNG), or a ZIP archive."""

    organization = serializers.SlugRelatedField[Organization](slug_field="slug", read_only=True)

    class Meta:
        model = Upload
        fields = ["id", "organization", "kind", "name", "size", "sha256", "created_at"]
        read_only_fields = fields


class UploadInputSerializer(Telling):
    """`multipart/form-data`."""

    organization = Owner()
    kind = serializers.ChoiceField(choices=Upload.Kind.choices)
    file = serializers.FileField(allow_empty_file=True)


class ImportSerializer(Telling):
    """`multipart/form-data`: a JSON file as it is exported, of at most 8 MiB."""

    organization = Owner()
    file = serializers.FileField(allow_empty_file=True)


class ImportedSerializer(serializers.Serializer[Any]):
    """What an import made, and what it left out, in sentences."""

    configuration = ConfigurationSerializer(read_only=True)
    left_out = serializers.ListField(child=serializers.CharField(), read_only=True)


class ReplacedSerializer(serializers.Serializer[Any]):
    """A content that is no longer available, and what stands in its place; null: nothing comes close."""

    old = serializers.CharField(read_only=True)
    new = serializers.CharField(read_only=True, allow_null=True)


class ReplacementsSerializer(serializers.Serializer[Any]):
    """What became of all that was missing."""

    configuration = ConfigurationSerializer(read_only=True)
    replaced = ReplacedSerializer(many=True, read_only=True)


class SecretsSerializer(Telling):
    """Whether passwords shall be in it."""

    secrets = YesOrNo(default=False)


class RecipeTextSerializer(serializers.Serializer[Any]):
    """A recipe in the builder's format."""

    text = serializers.CharField()


class RestoreSerializer(Telling):
    """`version`: the newest that you have seen."""

    version = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1)


class VersionSerializer(serializers.ModelSerializer[ConfigurationVersion]):
    """One save."""

    saved_by = serializers.SerializerMethodField(help_text="Null when nobody or a deleted account did.")

    class Meta:
        model = ConfigurationVersion
        fields = ["number", "saved_at", "saved_by", "note"]
        read_only_fields = fields

    def get_saved_by(self, version: ConfigurationVersion) -> str | None:
        return str(version.saved_by) if version.saved_by else None


class DifferenceSerializer(serializers.Serializer[Any]):
    """A field that two versions have not in common. Passwords are never told."""

    field = serializers.CharField()
    before = serializers.CharField(allow_blank=True)
    after = serializers.CharField(allow_blank=True)
    added = serializers.ListField(child=serializers.CharField())
    removed = serializers.ListField(child=serializers.CharField())


class ComparedSerializer(VersionSerializer):
    """A version, and what it has changed."""

    compared_with = serializers.IntegerField(allow_null=True)
    differences = DifferenceSerializer(many=True)

    class Meta(VersionSerializer.Meta):
        fields = [*VersionSerializer.Meta.fields, "compared_with", "differences"]
        read_only_fields = fields
