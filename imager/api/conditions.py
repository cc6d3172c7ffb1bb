"""Two people, one thing: what is read carries an ETag, and a change that names it meets only what was read.

The tag is a digest of what the reader got, so that nothing can change unseen, whatever the answer is made of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from imager.api.problems import Problem

if TYPE_CHECKING:
    from rest_framework.viewsets import ModelViewSet

    _ViewSet = ModelViewSet[Any]
else:
    _ViewSet = object

TAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, response=[200, 201], description="Of what was read, for `If-Match`."
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of what was read. If somebody has changed it since: 412, and nothing happens.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="An ETag. Nothing has changed since: 304."
)


def etag(told: Any) -> str:
    """A strong tag of an answer's body."""
    written = json.dumps(told, cls=JSONEncoder, sort_keys=True)
    return f'"{hashlib.sha256(written.encode()).hexdigest()[:32]}"'


def names(header: str, tag: str) -> bool:
    """Whether an If-Match or If-None-Match holds the tag, or takes any."""
    return any(each.strip().removeprefix("W/") in {tag, "*"} for each in header.split(","))


class Conditional(_ViewSet):
    """For ModelViewSets: ETags on what is read and written; If-Match to change and delete, under lock."""

    def tagged(self, answer: Response) -> Response:
        """With the tag of its body."""
        answer["ETag"] = etag(answer.data)
        return answer

    @extend_schema(parameters=[TAG, IF_NONE_MATCH])
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One of them, with its ETag; 304 if the reader has it already."""
        answer = self.tagged(super().retrieve(request, *args, **kwargs))
        seen = request.headers.get("If-None-Match", "")
        if seen and names(seen, answer["ETag"]):
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": answer["ETag"]})
        return answer

    @extend_schema(parameters=[TAG, IF_MATCH])
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change fields; with If-Match only if nobody has changed it since it was read."""
        with self.unchanged(request):
            return self.tagged(super().partial_update(request, *args, **kwargs))

    @extend_schema(parameters=[IF_MATCH])
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete it; with If-Match only if nobody has changed it since it was read."""
        with self.unchanged(request):
            return super().destroy(request, *args, **kwargs)

    @contextmanager
    def unchanged(self, request: Request) -> Iterator[None]:
        """Hold the row meanwhile; 412 if it is not what If-Match names. Nothing without such a header."""
        wanted = request.headers.get("If-Match", "")
        if not wanted:
            yield
            return
        with transaction.atomic():
            self._refuse_changed(wanted)
            yield

    def _refuse_changed(self, wanted: str) -> None:
        seen = self.get_object()
        rows = type(seen)._default_manager.select_for_update(no_key=True, of=("self",))
        if not rows.filter(pk=seen.pk).exists():
            raise Http404
        tag = etag(self.get_serializer(self.get_object()).data)
        if not names(wanted, tag):
            sentence = _("Somebody has changed this since you read it. Read it again, then make your change.")
            raise Problem(status.HTTP_412_PRECONDITION_FAILED, "changed", sentence, etag=tag)
