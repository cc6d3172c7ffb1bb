"""The desk over HTTP, for staff: notes, priority, another address, the same again."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as Refused
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from imager.accounts.permissions import IsStaff
from imager.accounts.visitor import visitor
from imager.api import Problem
from imager.api.repeats import KEY, key_of
from orders import desk, queries, services
from orders.api import serializers
from orders.api.placing import refusal
from orders.api.views import CONFLICT
from orders.models import Order, Priority
from orders.recipients import Recipient


class DeskViewSet(viewsets.GenericViewSet[Order]):
    """What staff do with an order. Members see none of it."""

    queryset = Order.objects.none()
    serializer_class = serializers.DeskSerializer
    permission_classes = [IsStaff]
    filter_backends: list[Any] = []
    lookup_value_converter = "uuid"
    staff_needs = {
        "desk": "orders.view_ordernote",
        "notes": "orders.view_ordernote",
        "note": "orders.add_ordernote",
        "prioritize": "orders.prioritize_order",
        "readdress": "orders.readdress_order",
        "recreate": "orders.add_order",
    }

    def get_queryset(self) -> QuerySet[Order]:
        return queries.visible_orders(visitor(self.request)).defer("recipe", "contents")

    @extend_schema(responses={200: serializers.DeskSerializer})
    @action(detail=True)
    def desk(self, request: Request, pk: str) -> Response:  # `get_object` reads pk
        """Its priority, how many notes there are, and what can be done with it now."""
        return self._told(self.get_object())

    @extend_schema(responses={200: serializers.NoteSerializer(many=True)})
    @action(detail=True)
    def notes(self, request: Request, pk: str) -> Response:
        """What was written about it, the oldest first."""
        found: Any = self.get_object().notes.order_by("pk")
        page: Any = self.paginate_queryset(found)
        return self.get_paginated_response(serializers.NoteSerializer(page, many=True).data)

    @extend_schema(request=serializers.NoteInputSerializer, responses={201: serializers.NoteSerializer})
    @notes.mapping.post
    def note(self, request: Request, pk: str) -> Response:
        """Leave a note."""
        order = self.get_object()
        body = serializers.NoteInputSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        made = desk.note(order, body.validated_data["text"], by=visitor(request))
        return Response(serializers.NoteSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=serializers.PriorityInputSerializer,
        responses={200: serializers.DeskSerializer, 409: CONFLICT},
    )
    @action(detail=True, methods=["post"])
    def prioritize(self, request: Request, pk: str) -> Response:
        """Have its work done sooner, or later."""
        order = self.get_object()
        body = serializers.PriorityInputSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._told(desk.prioritize(order, by=visitor(request), **body.validated_data))

    @extend_schema(
        request=serializers.RecipientInputSerializer,
        responses={200: serializers.OrderDetailSerializer, 409: CONFLICT},
    )
    @action(detail=True, methods=["post"])
    def readdress(self, request: Request, pk: str) -> Response:
        """Send the cards somewhere else; the whole address, possible until they are on their way."""
        order = self.get_object()
        body = serializers.RecipientInputSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        fields = {name.removeprefix("recipient_"): value for name, value in body.validated_data.items()}
        try:
            order = desk.readdress(order, by=visitor(request), recipient=Recipient(**fields))
        except Refused as error:
            raise refusal(error) from error
        return self._order(order)

    @extend_schema(
        parameters=[KEY],
        request=serializers.RecreateInputSerializer,
        responses={
            201: serializers.OrderDetailSerializer,
            200: serializers.OrderDetailSerializer,
            409: CONFLICT,
        },
    )
    @action(detail=True, methods=["post"])
    def recreate(self, request: Request, pk: str) -> Response:
        """The same again, with the contents of today: a new order. 200: the same key came before."""
        order = self.get_object()
        body = serializers.RecreateInputSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        by, key = visitor(request), key_of(request)
        try:
            again, created = desk.recreate(order, by=by, key=key, **body.validated_data)
        except Refused as error:
            raise refusal(error) from error
        except services.IdempotencyConflict as error:
            raise Problem(status.HTTP_422_UNPROCESSABLE_ENTITY, "idempotency_conflict", str(error)) from error
        return self._order(again, status.HTTP_201_CREATED if created else status.HTTP_200_OK)

    def _told(self, order: Order) -> Response:
        offered = desk.offered(order, to=visitor(self.request))
        priority = Priority(order.priority).name.lower()
        told = {"priority": priority, "notes": order.notes.count(), "offered": offered}
        return Response(serializers.DeskSerializer(told).data)

    def _order(self, order: Order, code: int = status.HTTP_200_OK) -> Response:
        orders = self.get_queryset().defer(None).prefetch_related("moves", "cards__host", "cards__slot")
        found = orders.get(pk=order.pk)
        told = serializers.OrderDetailSerializer(found, context=self.get_serializer_context())
        return Response(told.data, status=code)
