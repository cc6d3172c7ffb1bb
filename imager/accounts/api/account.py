"""The caller's own account over HTTP. Password, address and second factor are changed on the pages alone."""

from __future__ import annotations

from django.db.models import CharField
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from imager.accounts.models import Organization, User
from imager.accounts.permissions import IsMember
from imager.accounts.visitor import visitor
from imager.api.strict import Strict, Words


class AccountSerializer(serializers.ModelSerializer[User]):
    """Who asks, and what for: `organization` is empty for staff who belong to none."""

    organization = serializers.SlugRelatedField[Organization](
        slug_field="slug", read_only=True, allow_null=True
    )
    language = serializers.CharField(read_only=True)  # may be empty
    may_order_cards = serializers.BooleanField(read_only=True)

    class Meta:
        model = User
        fields = ["email", "name", "language", "role", "organization", "may_order_cards", "expires_at"]
        read_only_fields = fields


class AccountInputSerializer(Strict, serializers.ModelSerializer[User]):
    """What people say about themselves. An empty language: the organization's, or the browser's."""

    serializer_field_mapping = {**serializers.ModelSerializer.serializer_field_mapping, CharField: Words}

    class Meta:
        model = User
        fields = ["name", "language"]


class AccountView(APIView):
    """Your own account."""

    permission_classes = [IsMember]

    @extend_schema(responses=AccountSerializer)
    def get(self, request: Request) -> Response:
        """Who you are here, and what you may order."""
        return Response(AccountSerializer(visitor(request)).data)

    @extend_schema(request=AccountInputSerializer, responses=AccountSerializer)
    def patch(self, request: Request) -> Response:
        """Change your name or your language."""
        user = visitor(request)
        body = AccountInputSerializer(user, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        for name, value in body.validated_data.items():
            setattr(user, name, value)
        user.save(update_fields=list(body.validated_data))
        return Response(AccountSerializer(user).data)
