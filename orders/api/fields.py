"""Fields that more than one body uses."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from imager.accounts.models import Organization, Role, User
from orders.models import Configuration, Content

MAX_CONTENTS = 1000


def whose(body: serializers.BaseSerializer[Any], attrs: dict[str, Any]) -> Organization:
    """Whose it is: the caller's organization's; staff choose, but never move a thing to another one."""
    user: User = body.context["request"].user
    kept = body.instance.organization if body.instance is not None else user.organization
    chosen: Organization | None = attrs.get("organization", kept)
    if chosen is None:
        raise serializers.ValidationError(
            {"organization": _("You belong to no organization: name the one that this is for.")}
        )
    if chosen != kept and (body.instance is not None or user.role != Role.STAFF):
        raise serializers.ValidationError(
            {"organization": _("It must be %(name)s.") % {"name": kept.slug if kept else ""}}
        )
    return chosen


@extend_schema_field(serializers.ListField(child=serializers.CharField(), max_length=MAX_CONTENTS))
class ContentsField(serializers.Field[list[Content], Any, list[str], Any]):
    """Contents of the catalogue by their identifiers; one query, however many there are."""

    def to_internal_value(self, data: Any) -> list[Content]:
        if not isinstance(data, list) or not all(isinstance(ident, str) for ident in data):
            raise serializers.ValidationError(_("Send a list of identifiers of the catalogue: [“…”, “…”]."))
        if len(data) > MAX_CONTENTS:
            words = {"limit": MAX_CONTENTS, "has": len(data)}
            raise serializers.ValidationError(
                _("At most %(limit)s contents fit in a configuration; these are %(has)s. Leave some out.")
                % words
            )
        known = Content.objects.filter(ident__in=data).defer("package", "search")
        kept = self._kept()
        found = {one.ident: one for one in known if one.available or one.pk in kept}
        unknown = [ident for ident in data if ident not in found]
        if unknown:
            raise serializers.ValidationError(
                _("Not in the catalogue: %(idents)s. Leave them out, or choose others.")
                % {"idents": ", ".join(unknown[:10])}
            )
        return list(found.values())

    def _kept(self) -> set[int]:
        """What is chosen already may stay although it is missing: people replace or remove it, we do not."""
        instance = getattr(self.parent, "instance", None)
        return (
            set(instance.contents.values_list("pk", flat=True))
            if isinstance(instance, Configuration)
            else set()
        )

    def to_representation(self, value: Any) -> list[str]:
        return sorted(content.ident for content in value.all())
