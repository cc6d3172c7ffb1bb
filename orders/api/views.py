"""Orders, configurations and the catalogue over HTTP. Views only translate: body → service → answer."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as Refused
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.settings import api_settings

from imager.accounts.permissions import IsMember, IsStaff
from imager.accounts.visitor import visitor
from imager.api.pages import Ordering
from imager.api.repeats import KEY, digest, key_of
from orders import queries, services
from orders.api import serializers
from orders.api.placing import place, refusal
from orders.models import Media, Order

CONFLICT = OpenApiResponse(description="Not possible in the order's present state.")


class OrderViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Order]):
    """Orders: those of your organization; all of them for staff."""

    queryset = Order.objects.none()
    permission_classes = [IsMember]
    staff_needs = {
        **{verb: f"orders.{verb}_order" for verb in ("cancel", "retry", "ship")},
        "expire": "orders.cancel_order",
    }
    filter_backends: Any = [*api_settings.DEFAULT_FILTER_BACKENDS, Ordering]
    filterset_fields = {"status": ["exact", "in"], "kind": ["exact"]}
    ordering_fields = ["number", "created_at", "status"]
    ordering = ["-number"]
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Order]:
        orders = queries.visible_orders(visitor(self.request))
        if self.action == "list":
            return orders.defer("recipe", "contents")
        return orders.prefetch_related("moves", "cards__host", "cards__slot")

    def get_serializer_class(self) -> type[BaseSerializer[Order]]:
        return serializers.OrderSerializer if self.action == "list" else serializers.OrderDetailSerializer

    @extend_schema(
        parameters=[KEY],
        request=serializers.OrderInputSerializer,
        responses={
            201: serializers.OrderDetailSerializer,
            200: serializers.OrderDetailSerializer,
            409: OpenApiResponse(description="`price_changed` or `duplicate_order`: nothing was placed."),
        },
    )
    def create(self, request: Request) -> Response:
        """Place an order. 200 instead of 201: the same key and body came before, and here is that order."""
        body = serializers.OrderInputSerializer(data=request.data, context={"request": request})
        body.is_valid(raise_exception=True)
        order, created = place(
            dict(body.validated_data),
            by=visitor(request),
            key=key_of(request) or None,
            digest=digest(request.data),
        )
        answer = self._detail(order)
        answer.status_code = status.HTTP_201_CREATED if created else status.HTTP_200_OK
        answer["Location"] = self.reverse_action("detail", args=[order.pk])
        return answer

    @extend_schema(request=None, responses={200: serializers.OrderDetailSerializer, 409: CONFLICT})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:  # `get_object` reads pk
        """Cancel an order that is not over."""
        return self._detail(services.cancel(self.get_object(), by=visitor(request)))

    @extend_schema(request=None, responses={200: serializers.OrderDetailSerializer, 409: CONFLICT})
    @action(detail=True, methods=["post"])
    def expire(self, request: Request, pk: str) -> Response:
        """End a download before its time: its links stop working and the image is removed."""
        return self._detail(services.expire(self.get_object(), by=visitor(request).email))

    @extend_schema(request=None, responses={200: serializers.OrderDetailSerializer, 409: CONFLICT})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """Take a failed order up again where it stopped."""
        return self._detail(services.retry(self.get_object(), by=visitor(request)))

    @extend_schema(
        request=serializers.ShipInputSerializer,
        responses={200: serializers.OrderDetailSerializer, 409: CONFLICT},
    )
    @action(detail=True, methods=["post"], permission_classes=[IsStaff])
    def ship(self, request: Request, pk: str) -> Response:
        """The cards were sent (staff)."""
        body = serializers.ShipInputSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            return self._detail(services.ship(self.get_object(), by=visitor(request), **body.validated_data))
        except Refused as error:
            raise refusal(error) from error

    def _detail(self, order: Order) -> Response:
        order = self.get_queryset().get(pk=order.pk)
        return Response(serializers.OrderDetailSerializer(order, context=self.get_serializer_context()).data)


class MediaViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Media]):
    """Sizes that can be ordered."""

    queryset = Media.objects.filter(active=True)
    serializer_class = serializers.MediaSerializer
    permission_classes = [IsMember]
    filterset_fields = ["kind"]
