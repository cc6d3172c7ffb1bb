"""Bodies of orders."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from imager import clock
from imager.accounts.models import Organization, Role
from imager.api.strict import Strict
from orders import certificates, notices
from orders.api.audience import for_members
from orders.models import Address, Configuration, Media, Order, OrderMove
from orders.queries import downloadable, visible_addresses, visible_configurations
from orders.recipients import Recipient
from orders.services import MAX_TRACKING
from tasks_app import queries as tasks
from tasks_app.api.serializers import TroubleSerializer
from tasks_app.models import Card

NO_COUNTRY = gettext_lazy("Not a country code. Use two capital letters, for example ML.")


@extend_schema_field(int)
class VisibleConfiguration(serializers.PrimaryKeyRelatedField[Configuration]):
    """A configuration that the caller sees; any other does not exist."""

    def get_queryset(self) -> QuerySet[Configuration]:
        request = self.context.get("request")
        return visible_configurations(request.user) if request else Configuration.objects.none()


@extend_schema_field(int)
class VisibleAddress(serializers.PrimaryKeyRelatedField[Address]):
    """An address that the caller sees; any other does not exist."""

    def get_queryset(self) -> QuerySet[Address]:
        request = self.context.get("request")
        return visible_addresses(request.user) if request else Address.objects.none()


class RecipientInputSerializer(Strict):
    """Where cards go."""

    recipient_name = serializers.CharField(default="", allow_blank=True, max_length=100)
    recipient_email = serializers.EmailField(default="", allow_blank=True, max_length=254)
    recipient_phone = serializers.CharField(default="", allow_blank=True, max_length=30)
    recipient_address = serializers.CharField(default="", allow_blank=True, max_length=1000)
    recipient_postal_code = serializers.CharField(default="", allow_blank=True, max_length=20)
    recipient_city = serializers.CharField(default="", allow_blank=True, max_length=100)
    recipient_country = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=2,
        help_text="ISO 3166, two capital letters.",
        error_messages={"max_length": NO_COUNTRY},
    )


class OrderInputSerializer(RecipientInputSerializer):
    """What to order. Cards need a recipient; downloads have the quantity 1."""

    configuration = VisibleConfiguration()
    kind = serializers.ChoiceField(choices=Order.Kind.choices)
    media = serializers.PrimaryKeyRelatedField[Media](queryset=Media.objects.all())
    quantity = serializers.IntegerField(default=1)
    address = VisibleAddress(
        required=False,
        allow_null=True,
        help_text="Of the address book of the configuration's organization, instead of a recipient.",
    )
    expected_units = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        help_text="What you think that it costs: any other price is refused with 409 `price_changed`.",
    )
    confirm_duplicate = serializers.BooleanField(
        default=False,
        help_text="Order also what was ordered within the last hour: else 409 `duplicate_order`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One recipient, not two, and none of another organization's."""
        address: Address | None = attrs.get("address")
        if address is None:
            return attrs
        if address.organization_id != attrs["configuration"].organization_id:
            raise serializers.ValidationError(
                {"address": _("This address is not in the address book of the configuration's organization.")}
            )
        if any(attrs[f"recipient_{field}"] for field in Recipient.__dataclass_fields__):
            raise serializers.ValidationError(
                {"address": _("Name an address of the book or a recipient, not both.")}
            )
        return attrs


class ShipInputSerializer(Strict):
    """How the parcel can be traced."""

    tracking = serializers.CharField(max_length=MAX_TRACKING)


class OrderSerializer(serializers.ModelSerializer[Order]):
    """An order in a list."""

    organization = serializers.SlugRelatedField[Organization](slug_field="slug", read_only=True)
    status_label = serializers.CharField(source="get_status_display", read_only=True)
    download_url = serializers.SerializerMethodField()
    torrent_url = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields = [
            "id",
            "number",
            "organization",
            "created_at",
            "status",
            "status_label",
            "failed_stage",
            "failure",
            "kind",
            "media",
            "quantity",
            "configuration",
            "name",
            "image_name",
            "image_bytes",
            "recipient_name",
            "recipient_country",
            "tracking",
            "shipped_at",
            "expires_at",
            "download_url",
            "torrent_url",
        ]
        read_only_fields = fields

    def get_download_url(self, order: Order) -> str | None:
        return notices.download_url(order) if self._works(order) else None

    def get_torrent_url(self, order: Order) -> str | None:
        return (notices.torrent_url(order) or None) if self._works(order) else None

    def _works(self, order: Order) -> bool:
        return order.expires_at is not None and downloadable(order, self._at)

    @cached_property
    def _at(self) -> datetime:
        """One time for all orders of a list."""
        return clock.now()


class StageSerializer(serializers.Serializer[tasks.StageProgress]):
    """A task of an order and where it is: bytes, bytes per second, seconds."""

    task = serializers.UUIDField()
    kind = serializers.CharField()
    unit = serializers.IntegerField()
    status = serializers.CharField()
    step = serializers.CharField()
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    percent = serializers.IntegerField(allow_null=True)
    rate = serializers.FloatField(allow_null=True)
    eta = serializers.FloatField(
        allow_null=True,
        help_text="Seconds until the task is done: foreseen from earlier cards of that reader and media.",
    )
    position = serializers.IntegerField(allow_null=True)
    host = serializers.CharField()
    slot = serializers.CharField()
    attempt = serializers.IntegerField()
    trouble = TroubleSerializer(allow_null=True)


class ReasonSerializer(serializers.Serializer[dict[str, Any]]):
    """Why the order does not go on: a stable code, the cards concerned, and a sentence."""

    code = serializers.CharField()
    kind = serializers.CharField()
    units = serializers.ListField(child=serializers.IntegerField())
    detail = serializers.CharField()


class MoveSerializer(serializers.ModelSerializer[OrderMove]):
    class Meta:
        model = OrderMove
        fields = ["came_from", "went_to", "by", "note", "at"]
        read_only_fields = fields


class CardSerializer(serializers.ModelSerializer[Card]):
    host = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    slot = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    certificate_url = serializers.SerializerMethodField()

    class Meta:
        model = Card
        fields = [
            "serial",
            "unit",
            "verdict",
            "host",
            "slot",
            "card_bytes",
            "permitted_at",
            "ended_at",
            "certificate_url",
        ]
        read_only_fields = fields

    def get_certificate_url(self, card: Card) -> str | None:
        """Public; for verified cards."""
        return certificates.address_of(card) if card.verdict == Card.Verdict.ACCEPTED else None


class OrderedContentSerializer(serializers.Serializer[dict[str, Any]]):
    """A content as it was ordered."""

    title = serializers.CharField()
    path = serializers.CharField()
    size = serializers.IntegerField()


class OrderDetailSerializer(OrderSerializer):
    """An order with everything that people may know about it.

    Hosts and slots, who moved it, and faults that are being mended are for staff: members find them empty.
    """

    contents = OrderedContentSerializer(many=True, read_only=True)
    stages = serializers.SerializerMethodField()
    waiting = serializers.SerializerMethodField()
    history = MoveSerializer(source="moves", many=True, read_only=True)
    cards = CardSerializer(many=True, read_only=True)
    recipient_email = serializers.CharField(read_only=True, help_text="Empty for downloads.")

    class Meta(OrderSerializer.Meta):
        fields = [
            *OrderSerializer.Meta.fields,
            "recipient_email",
            "recipient_phone",
            "recipient_address",
            "recipient_postal_code",
            "recipient_city",
            "contents",
            "stages",
            "waiting",
            "history",
            "cards",
        ]
        read_only_fields = fields

    def to_representation(self, instance: Order) -> dict[str, Any]:
        told = super().to_representation(instance)
        return told if self._is_staff() else {**told, **for_members(told)}

    def _is_staff(self) -> bool:
        request = self.context.get("request")
        return request is not None and getattr(request.user, "role", "") == Role.STAFF

    def get_stages(self, order: Order) -> list[dict[str, Any]]:
        return [dict(StageSerializer(stage).data) for stage in tasks.progress(order)]

    @extend_schema_field(ReasonSerializer(many=True))
    def get_waiting(self, order: Order) -> list[dict[str, Any]]:
        staff = self._is_staff()
        return [
            {
                "code": reason.code,
                "kind": reason.kind,
                "units": list(reason.units),
                "detail": reason.words(staff=staff),
            }
            for reason in tasks.why_waiting(order)
        ]
