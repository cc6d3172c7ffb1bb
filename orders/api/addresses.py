"""The address book over HTTP."""

from __future__ import annotations

from django.db.models import QuerySet
from rest_framework import viewsets
from rest_framework.filters import SearchFilter
from rest_framework.serializers import BaseSerializer

from imager.accounts.permissions import IsMember
from imager.accounts.visitor import visitor
from imager.api.conditions import Conditional
from imager.api.pages import Ordering
from imager.api.repeats import Repeatable
from orders import queries
from orders.api.serializers import AddressSerializer
from orders.models import Address


class AddressViewSet(Repeatable, Conditional, viewsets.ModelViewSet[Address]):
    """Where cards can go: the addresses of your organization; all of them for staff."""

    queryset = Address.objects.none()
    serializer_class = AddressSerializer
    permission_classes = [IsMember]
    filter_backends = [Ordering, SearchFilter]
    search_fields = ["name", "recipient", "city"]
    ordering_fields = ["name", "updated_at"]
    ordering = ["name", "pk"]
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    lookup_value_converter = "int"

    def get_queryset(self) -> QuerySet[Address]:
        return queries.visible_addresses(visitor(self.request))

    def perform_create(self, serializer: BaseSerializer[Address]) -> None:
        serializer.save(created_by=visitor(self.request))
