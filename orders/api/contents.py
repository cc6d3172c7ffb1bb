"""The catalogue over HTTP."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from rest_framework import mixins, viewsets

from imager.accounts.permissions import IsMember
from orders.api.serializers import ContentSerializer
from orders.catalogue.finding import MOST_LETTERS, Wanted, found
from orders.models import Content


class ContentFilter(filters.FilterSet):  # type: ignore[misc]  # django-filter brings no types
    """All of them together."""

    kind = filters.ChoiceFilter(choices=Content.Kind.choices)
    language = filters.CharFilter(
        method="by_language", max_length=10, label=_("One of its languages, as its feed names it: fra")
    )
    category = filters.CharFilter(max_length=60)
    text = filters.CharFilter(
        method="by_text",
        max_length=MOST_LETTERS,
        label=_("Words that must all be in title, name, description, publisher, category or tags"),
    )
    ident = filters.CharFilter(max_length=250)

    class Meta:
        model = Content
        fields = ["kind", "language", "category", "text", "ident"]

    def by_language(self, contents: QuerySet[Content], _name: str, value: str) -> QuerySet[Content]:
        return Wanted(language=value).filtered(contents)

    def by_text(self, contents: QuerySet[Content], _name: str, value: str) -> QuerySet[Content]:
        return Wanted(text=value).filtered(contents)


class ContentViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[Content]):
    """The catalogue: what can be ordered, by title."""

    queryset = Content.objects.none()
    serializer_class = ContentSerializer
    permission_classes = [IsMember]
    filterset_class = ContentFilter

    def get_queryset(self) -> QuerySet[Content]:
        return found(Wanted())
