"""Configurations over HTTP, with their versions, uploads, imports and exports."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError as Refused
from django.db.models import Q, QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.filters import SearchFilter
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from imager.accounts.permissions import IsMember
from imager.accounts.visitor import visitor
from imager.api import Problem
from imager.api.conditions import IF_MATCH, TAG, Conditional
from imager.api.pages import Filters, Ordering
from imager.api.repeats import KEY, Repeatable
from orders import exchange, json_file, keeping, queries, showing, uploads
from orders.api import serializers
from orders.api.fields import whose
from orders.catalogue import replacing
from orders.differences import differences
from orders.models import Configuration, ConfigurationVersion, Upload

STALE = OpenApiResponse(
    description="`stale`: the `version` in the body is not the newest any more. The answer's `version` is."
)
NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH)
JSON = extend_schema(request=serializers.SecretsSerializer, responses={200: OpenApiTypes.OBJECT})


class ConfigurationFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter brings no types
    """For whoever sees those of many."""

    organization = filters.CharFilter(
        "organization__slug", max_length=50, label="The slug of its organization"
    )
    mine = filters.ChoiceFilter(
        choices=[("true", "true"), ("false", "false")], method="by_me", label="Whether you saved it last"
    )

    class Meta:
        model = Configuration
        fields = ["organization", "mine"]

    def by_me(self, found: QuerySet[Configuration], _name: str, value: str) -> QuerySet[Configuration]:
        mine = Q(updated_by=visitor(self.request))
        return found.filter(mine) if value == "true" else found.exclude(mine)


class ConfigurationViewSet(Repeatable, Conditional, viewsets.ModelViewSet[Configuration]):
    """Configurations: those of your organization; all of them for staff."""

    queryset = Configuration.objects.none()
    serializer_class = serializers.ConfigurationSerializer
    permission_classes = [IsMember]
    filter_backends = [Filters, Ordering, SearchFilter]
    filterset_class = ConfigurationFilter
    search_fields = ["name", "ssid"]
    ordering_fields = ["name", "updated_at"]
    ordering = ["-updated_at"]
    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    lookup_value_converter = "int"
    staff_needs = {
        "duplicate": "orders.add_configuration",
        "take_in": "orders.add_configuration",
        "undelete": "orders.delete_configuration",
        "measure": "orders.view_configuration",
    }

    def get_queryset(self) -> QuerySet[Configuration]:
        return queries.visible_configurations(visitor(self.request))

    @extend_schema(
        parameters=[TAG, IF_MATCH], responses={200: serializers.ConfigurationSerializer, 409: STALE}
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change some fields; the change is a new version."""
        try:
            return super().partial_update(request, *args, **kwargs)
        except keeping.Stale as error:
            raise stale(error) from error

    def perform_destroy(self, instance: Configuration) -> None:
        keeping.delete(instance)

    @extend_schema(request=None, responses={200: serializers.ConfigurationSerializer})
    @action(detail=True, methods=["post"])
    def undelete(self, request: Request, pk: int) -> Response:
        """Take a deleted one back, within 30 days."""
        found = get_object_or_404(queries.deleted_configurations(visitor(request)), pk=pk)
        keeping.undelete(found)
        return self._shown(found)

    @extend_schema(parameters=[KEY], request=None, responses={201: serializers.ConfigurationSerializer})
    @action(detail=True, methods=["post"])
    def duplicate(self, request: Request, pk: int) -> Response:  # `get_object` reads pk
        """A copy of it, with its contents, logos and passwords. 200 instead of 201: it was made before."""
        found = self.get_object()

        def copied() -> Response:
            return self._shown(keeping.duplicate(found, by=visitor(request)), status.HTTP_201_CREATED)

        return self.once(request, copied)

    @extend_schema(responses={200: serializers.VersionSerializer(many=True)}, filters=False)
    @action(detail=True, pagination_class=None)
    def versions(self, request: Request, pk: int) -> Response:
        """The last 100 saves, the newest first."""
        found = self.get_object().versions.select_related("saved_by").defer("values")[:100]
        return Response(serializers.VersionSerializer(found, many=True).data)

    @extend_schema(
        parameters=[
            NUMBER,
            OpenApiParameter("with", int, description="Another version; else the one before."),
        ],
        responses={200: serializers.ComparedSerializer},
    )
    @action(detail=True, url_path="versions/<int:number>")
    def version(self, request: Request, pk: int, number: int) -> Response:
        """What a version has changed, or how it differs from another one."""
        found = self.get_object()
        shown = _version(found, number)
        asked = request.query_params.get("with", "")
        if asked and not (asked.isascii() and asked.isdigit() and len(asked) < 9):
            raise ValidationError({"with": "The number of a version."})
        before = found.versions.filter(number__lt=number).order_by("-number")
        other = _version(found, int(asked)) if asked else before.first()
        facts = serializers.VersionSerializer(shown).data
        changed = differences(other.values, shown.values) if other else []
        listed = serializers.DifferenceSerializer(changed, many=True).data
        return Response({**facts, "compared_with": other and other.number, "differences": listed})

    @extend_schema(
        parameters=[NUMBER],
        request=serializers.RestoreSerializer,
        responses={200: serializers.ImportedSerializer, 409: STALE},
    )
    @action(detail=True, methods=["post"], url_path="versions/<int:number>/restore")
    def restore(self, request: Request, pk: int, number: int) -> Response:
        """Make an old version the newest one. `left_out`: contents that are no longer in the catalogue."""
        found = self.get_object()
        body = serializers.RestoreSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        seen = body.validated_data.get("version")
        try:
            lost = keeping.restore(found, _version(found, number), by=visitor(request), seen=seen)
        except keeping.Stale as error:
            raise stale(error) from error
        return Response({"configuration": self._shown(found).data, "left_out": lost})

    @extend_schema(request=serializers.MeasureSerializer, responses={200: serializers.MeasuredSerializer})
    @action(detail=False, methods=["post"])
    def measure(self, request: Request) -> Response:
        """What an image with these contents and options would need. Nothing is saved."""
        body = serializers.MeasureSerializer(data=request.data, context=self.get_serializer_context())
        body.is_valid(raise_exception=True)
        return Response(serializers.MeasuredSerializer(body.measured()).data)

    @extend_schema(request=None, responses={200: serializers.ReplacementsSerializer})
    @action(detail=True, methods=["post"])
    def replace(self, request: Request, pk: int) -> Response:
        """Put what comes closest in the place of everything that is no longer available."""
        found = self.get_object()
        pairs = replacing.replace_missing(found, by=visitor(request))
        replaced = [{"old": old.ident, "new": new and new.ident} for old, new in pairs]
        return Response({"configuration": self._shown(found).data, "replaced": replaced})

    @JSON
    @action(detail=True, methods=["post"])
    def export(self, request: Request, pk: int) -> Response:
        """As JSON, for an import here or by the former service."""
        return Response(exchange.exported(self.get_object(), secrets=_secrets(request)))

    @extend_schema(request=serializers.SecretsSerializer, responses={200: serializers.RecipeTextSerializer})
    @action(detail=True, methods=["post"])
    def recipe(self, request: Request, pk: int) -> Response:
        """What the builder would be told, as YAML in `text`; passwords and keys hidden unless asked for."""
        return Response({"text": showing.recipe_of(self.get_object(), secrets=_secrets(request))})

    @extend_schema(
        parameters=[KEY],
        request={"multipart/form-data": serializers.ImportSerializer},
        responses={201: serializers.ImportedSerializer},
    )
    @action(detail=False, methods=["post"], url_path="import", parser_classes=[MultiPartParser])
    def take_in(self, request: Request) -> Response:
        """A new configuration out of a JSON file. 200 instead of 201: it was made before."""
        return self.once(request, lambda: self._taken_in(request), within="configuration", left_out=[])

    def _taken_in(self, request: Request) -> Response:
        body = serializers.ImportSerializer(data=request.data, context=self.get_serializer_context())
        body.is_valid(raise_exception=True)
        user, file = visitor(request), body.validated_data["file"]
        of = whose(body, body.validated_data)
        try:
            taken = exchange.take_in(json_file.read(file), of=of, by=user)
        except Refused as error:
            raise ValidationError({"file": json_file.sentences(error)}) from error
        shown = self._shown(taken.configuration).data
        answer = {"configuration": shown, "left_out": taken.left_out}
        return Response(answer, status=status.HTTP_201_CREATED)

    def _shown(self, one: Configuration, code: int = status.HTTP_200_OK) -> Response:
        fresh = get_object_or_404(self.get_queryset(), pk=one.pk)  # deleted meanwhile, by somebody else
        return Response(self.get_serializer(fresh).data, status=code)


class UploadViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Upload]):
    """Logos and archives: those of your organization; all of them for staff."""

    queryset = Upload.objects.none()
    serializer_class = serializers.UploadSerializer
    permission_classes = [IsMember]
    filterset_fields = ["kind"]
    lookup_value_converter = "uuid"
    staff_needs = {
        "list": "orders.view_configuration",
        "retrieve": "orders.view_configuration",
        "create": "orders.add_configuration",
    }

    def get_queryset(self) -> QuerySet[Upload]:
        return queries.visible_uploads(visitor(self.request))

    def get_parsers(self) -> list[Any]:
        return [MultiPartParser()]

    @extend_schema(
        request={"multipart/form-data": serializers.UploadInputSerializer},
        responses={201: serializers.UploadSerializer},
    )
    def create(self, request: Request) -> Response:
        """Bring a file along; then name its `id` in a configuration."""
        body = serializers.UploadInputSerializer(data=request.data, context=self.get_serializer_context())
        body.is_valid(raise_exception=True)
        user, data = visitor(request), body.validated_data
        of = whose(body, data)
        try:
            made = uploads.keep(data["file"], kind=Upload.Kind(data["kind"]), of=of, by=user)
        except Refused as error:
            raise ValidationError({"file": error.messages}) from error
        return Response(serializers.UploadSerializer(made).data, status=status.HTTP_201_CREATED)


def stale(error: keeping.Stale) -> Problem:
    """409, with the newest version."""
    return Problem(status.HTTP_409_CONFLICT, "stale", str(error), version=error.newest.version)


def _version(configuration: Configuration, number: int) -> ConfigurationVersion:
    if number > 2**31 - 1:
        raise Http404
    return get_object_or_404(configuration.versions.select_related("saved_by"), number=number)


def _secrets(request: Request) -> bool:
    body: BaseSerializer[Any] = serializers.SecretsSerializer(data=request.data)
    body.is_valid(raise_exception=True)
    return bool(body.validated_data["secrets"])
