"""Units over HTTP: the balance, and the ledger behind it."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from imager.accounts import ledger, queries
from imager.accounts.models import UnitEntry
from imager.accounts.permissions import IsMember
from imager.accounts.visitor import visitor


class PurseSerializer(serializers.Serializer[ledger.Purse]):
    """Units that are left, and those that orders under way hold. Unlimited: they are only counted."""

    balance = serializers.IntegerField()
    reserved = serializers.IntegerField()
    limited = serializers.BooleanField()


class UnitEntrySerializer(serializers.ModelSerializer[UnitEntry]):
    """An entry: what changed, and what it came to."""

    class Meta:
        model = UnitEntry
        fields = ["number", "kind", "units", "held", "balance", "reserved", "order", "by", "note", "at"]
        read_only_fields = fields

    def to_representation(self, instance: UnitEntry) -> dict[str, Any]:
        """Members do not read who or which host it was, as in the history of an order."""
        told = super().to_representation(instance)
        staff = visitor(self.context["request"]).is_staff
        return told if staff else {**told, "by": ""}


class UnitViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[UnitEntry]):
    """The ledger of your organization, newest first."""

    queryset = UnitEntry.objects.none()
    serializer_class = UnitEntrySerializer
    permission_classes = [IsMember]
    filterset_fields = {"kind": ["exact"], "order": ["exact"]}

    def get_queryset(self) -> QuerySet[UnitEntry]:
        """The caller's own, and nobody else's."""
        return queries.visible_units(visitor(self.request)).order_by("-number")

    @extend_schema(responses=PurseSerializer)
    @action(detail=False, pagination_class=None, filter_backends=[])
    def balance(self, request: Request) -> Response:
        """What is left."""
        organization = visitor(request).organization
        if organization is None:
            raise NotFound
        return Response(PurseSerializer(ledger.purse(organization)).data)
