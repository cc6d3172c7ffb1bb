"""Invitations over HTTP, for staff: invite, send again, revoke. The token is in the mail alone."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as Refused
from django.db import transaction
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.filters import SearchFilter
from rest_framework.request import Request
from rest_framework.response import Response

from imager.accounts import invitations
from imager.accounts.models import Invitation, Organization, User
from imager.accounts.permissions import IsStaff
from imager.accounts.visitor import visitor
from imager.api import Problem
from imager.api.pages import Ordering
from imager.api.strict import Strict
from imager.sentences import sentences

OVER = OpenApiResponse(description="`over`: it was accepted or revoked.")
AWAY = OpenApiResponse(description="`mail_away`: the mail server does not take it now. Send it again later.")


class InvitationSerializer(serializers.ModelSerializer[Invitation]):
    """Whom somebody let in, and what became of it. `sent_at` is null while no mail went."""

    organization = serializers.SlugRelatedField[Organization](slug_field="slug", read_only=True)
    invited_by = serializers.SlugRelatedField[User](slug_field="email", read_only=True, allow_null=True)
    language = serializers.CharField(read_only=True)  # may be empty

    class Meta:
        model = Invitation
        fields = [
            "id",
            "organization",
            "email",
            "name",
            "language",
            "account_ends_at",
            "can_order_cards",
            "invited_by",
            "created_at",
            "sent_at",
            "expires_at",
            "accepted_at",
            "revoked_at",
        ]
        read_only_fields = fields


class InvitationInputSerializer(Strict, serializers.ModelSerializer[Invitation]):
    """Whom to invite."""

    organization = serializers.SlugRelatedField[Organization](
        slug_field="slug", queryset=Organization.objects.filter(active=True)
    )

    class Meta:
        model = Invitation
        fields = ["organization", "email", "name", "language", "account_ends_at", "can_order_cards"]
        validators: list[Any] = []  # the service looks, under the same rules as the admin


class InvitationViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Invitation]
):
    """Who was invited to which organization, the newest first."""

    queryset = Invitation.objects.select_related("organization", "invited_by")
    serializer_class = InvitationSerializer
    permission_classes = [IsStaff]
    filter_backends = [Ordering, SearchFilter]
    search_fields = ["email", "name", "organization__slug"]
    ordering_fields = ["created_at", "email"]
    ordering = ["-created_at", "-pk"]
    lookup_value_converter = "int"

    @extend_schema(request=InvitationInputSerializer, responses={201: InvitationSerializer, 503: AWAY})
    def create(self, request: Request) -> Response:
        """Invite somebody by mail. With 503 the invitation is there, and can be sent later."""
        body = InvitationInputSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            made = invitations.invite(Invitation(**body.validated_data), by=visitor(request))
        except Refused as error:
            raise ValidationError(sentences(error)) from error
        return self._sent(made, status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={200: InvitationSerializer, 409: OVER, 503: AWAY})
    @action(detail=True, methods=["post"])
    def send(self, request: Request, pk: int) -> Response:  # `get_object` reads pk
        """Mail it with a new link; the one before is void."""
        return self._sent(self.get_object(), status.HTTP_200_OK)

    @extend_schema(request=None, responses={200: InvitationSerializer, 409: OVER})
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: int) -> Response:
        """The link is void from now on."""
        try:
            return self._shown(invitations.revoke(self.get_object()))
        except invitations.Gone as error:
            raise _over() from error

    def _sent(self, invitation: Invitation, code: int) -> Response:
        try:
            with transaction.atomic():  # what did not go was not sent
                return self._shown(invitations.send(invitation), code)
        except invitations.Gone as error:
            raise _over() from error
        except OSError as error:
            told = _("The mail server does not take the invitation now. Send it again later.")
            raise Problem(503, "mail_away", told, invitation=invitation.pk) from error

    def _shown(self, invitation: Invitation, code: int = status.HTTP_200_OK) -> Response:
        return Response(InvitationSerializer(invitation).data, status=code)


def _over() -> Problem:
    return Problem(409, "over", _("This invitation was accepted or revoked: invite the person anew."))
