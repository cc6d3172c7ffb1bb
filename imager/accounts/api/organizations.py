"""Organizations over HTTP: what is theirs to use. Staff change them in the admin."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import serializers, viewsets
from rest_framework.filters import SearchFilter

from imager.accounts import queries
from imager.accounts.models import Channel, Organization
from imager.accounts.permissions import IsMember
from imager.accounts.visitor import visitor
from imager.api.pages import Ordering


class OrganizationSerializer(serializers.ModelSerializer[Organization]):
    """Whose things are shared by its members, and how much they may order; null: no limit of its own."""

    channel = serializers.SlugRelatedField[Channel](slug_field="slug", read_only=True)
    email = serializers.CharField(read_only=True)  # may be empty
    language = serializers.CharField(read_only=True)

    class Meta:
        model = Organization
        fields = [
            "slug",
            "name",
            "email",
            "language",
            "channel",
            "active",
            "limited",
            "max_open_orders",
            "max_open_orders_per_member",
            "max_quantity",
            "download_days",
            "can_brand",
            "beta_is_active",
            "created_at",
        ]
        read_only_fields = fields


class OrganizationViewSet(viewsets.ReadOnlyModelViewSet[Organization]):
    """Your organization; all of them for staff."""

    queryset = Organization.objects.none()
    serializer_class = OrganizationSerializer
    permission_classes = [IsMember]
    filter_backends = [Ordering, SearchFilter]
    search_fields = ["name", "slug"]
    ordering_fields = ["name", "created_at"]
    ordering = ["name", "pk"]
    lookup_field = "slug"
    lookup_value_converter = "slug"

    def get_queryset(self) -> QuerySet[Organization]:
        return queries.visible_organizations(visitor(self.request))
