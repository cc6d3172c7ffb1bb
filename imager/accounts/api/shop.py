"""The shop's calls: signed, each signature once, and not too many of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError as Invalid
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from imager.accounts import shop, signatures
from imager.accounts.ledger import MOST
from imager.accounts.models import Language
from imager.api import Problem
from imager.api.strict import Strict
from imager.sentences import sentences

SIGNATURE = OpenApiParameter(
    "Imager-Signature",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="`t=<seconds since 1970>,v1=<HMAC-SHA-256 of “t.body” in hex>`; for five minutes, once.",
)


class PurchaseSerializer(Strict):
    """What was sold. `event` is the shop's own number for it: the same one is done once."""

    event = serializers.RegexField(r"\A[!-~]{1,100}\Z")
    email = serializers.EmailField(max_length=254)
    name = serializers.CharField(default="", allow_blank=True, max_length=150)
    organization = serializers.CharField(default="", allow_blank=True, max_length=100)
    language = serializers.ChoiceField(Language.choices, default="", allow_blank=True)
    days = serializers.IntegerField(
        default=None,
        allow_null=True,
        min_value=1,
        max_value=3660,
        help_text="How much longer. Left out: a new account never ends, one that is here keeps its end.",
    )
    limited = serializers.BooleanField(default=True, help_text="Whether its orders need units.")
    cards = serializers.BooleanField(
        default=None,
        allow_null=True,
        help_text="Whether they may order cards; otherwise downloads alone. Left out: a new account may, "
        "an invitation stays as it is. true allows it to an account that is here; false takes nothing away.",
    )
    units = serializers.IntegerField(default=0, min_value=0, max_value=MOST)


class DeliverySerializer(serializers.Serializer[Any]):
    """What came of it: an invitation by mail, or more for an account that was here."""

    organization = serializers.SlugField()
    outcome = serializers.ChoiceField(["invited", "extended"])


class AccountsView(APIView):
    """Make accounts for whoever bought access."""

    authentication_classes: list[type] = []
    permission_classes: list[type] = []
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "shop"

    def get_authenticate_header(self, request: Request) -> str:  # DRF's signature
        """So that a refusal is 401, not 403."""
        return "Imager-Signature"

    @extend_schema(
        parameters=[SIGNATURE],
        request=PurchaseSerializer,
        responses={201: DeliverySerializer, 200: DeliverySerializer},
    )
    def post(self, request: Request) -> Response:
        """A purchase. 200 instead of 201: it was told before."""
        if not settings.SHOP_WEBHOOK_SECRETS:
            raise Http404
        _check(request)
        body = PurchaseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        event, fresh = _deliver(dict(body.validated_data))
        try:
            shop.send(event)
        except OSError as error:
            sentence = _(
                "The mail server does not take the invitation now. Tell the same purchase again later."
            )
            raise Problem(503, "mail_away", sentence) from error
        told = {
            "organization": event.organization.slug,
            "outcome": "invited" if event.invitation_id else "extended",
        }
        return Response(DeliverySerializer(told).data, status=201 if fresh else 200)


def _check(request: Request) -> None:
    body, header = request._request.body, request.headers.get("Imager-Signature", "")  # noqa: SLF001  # DRF's wrapper
    try:
        signatures.spend(signatures.check(header, body, secrets=settings.SHOP_WEBHOOK_SECRETS))
    except signatures.Unsigned as error:
        sentence = _(
            "The call is not signed as it should be, or was made more than five minutes ago, or twice."
        )
        raise Problem(401, error.code, sentence) from error


def _deliver(fields: dict[str, Any]) -> Any:
    told = {name: value for name, value in fields.items() if name != "cards" or value is not None}
    # Without `cards` it is as before there was any: such purchases are kept, and may be told again.
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    try:
        return shop.deliver(shop.Purchase(**fields), digest=digest)
    except Invalid as error:
        raise ValidationError(sentences(error)) from error
    except shop.Refused as error:
        refusals = {
            "event_conflict": _("This purchase was told before, with another content."),
            "not_a_member": _("This address belongs to an account that cannot be sold anything."),
            "disabled": _(
                "This account or its organization is disabled: ask the people who run this service."
            ),
        }
        raise Problem(409, error.code, refusals[error.code]) from error
