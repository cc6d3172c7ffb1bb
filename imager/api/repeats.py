"""Creates that may be sent again: `Idempotency-Key` says that it is the same request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from imager.accounts.models import Repeat
from imager.accounts.visitor import visitor
from imager.api.problems import Problem

if TYPE_CHECKING:
    from rest_framework.viewsets import ModelViewSet

    _ViewSet = ModelViewSet[Any]
else:
    _ViewSet = object

MAX_KEY: Final = 100
KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
    OpenApiParameter.HEADER,
    description="The same key and body make nothing twice: 200, with what was made then.",
)


def key_of(request: Request) -> str:
    """The request's key; empty without one. 400 if it can be none, as an empty one."""
    if "Idempotency-Key" not in request.headers:
        return ""
    key: str = request.headers["Idempotency-Key"]
    if not 1 <= len(key) <= MAX_KEY or not (key.isascii() and key.isprintable() and " " not in key):
        sentence = _("An Idempotency-Key has 1 to %(limit)d visible ASCII characters; use a new UUID.")
        raise Problem(400, "bad_idempotency_key", sentence % {"limit": MAX_KEY})
    return key


def digest(body: Any) -> str:
    """What tells one request from another: the body's values, however they are laid out."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: Any) -> str:
    """Of a file what is in it, whatever it is called."""
    if not isinstance(value, UploadedFile):
        return str(value)
    found = hashlib.sha256()
    for piece in value.chunks():
        found.update(piece)
    value.seek(0)
    return found.hexdigest()


class Repeatable(_ViewSet):
    """For ModelViewSets: a create with a key is done once, also by two requests at the same time."""

    @extend_schema(parameters=[KEY])
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make one. With an Idempotency-Key it is made once, however often the request comes."""
        return self.once(request, lambda: super(Repeatable, self).create(request, *args, **kwargs))

    def once(
        self, request: Request, make: Callable[[], Response], *, within: str = "", **beside: Any
    ) -> Response:
        """What `make` answers; to the same key and body again what was made then, without making it.

        `within`: the part of the answer that holds what was made (by default all of it). What the first
        answer told next to it is kept and comes again; `beside` is for those from before it was kept.
        """
        key = key_of(request)
        if not key:
            return make()
        with transaction.atomic():
            kept, fresh = Repeat.objects.get_or_create(
                user=visitor(request), path=request.path, key=key, defaults={"digest": digest(request.data)}
            )
            if not fresh:
                again = self._again(kept, request)
                return Response({within: again, **beside, **kept.beside}) if within else Response(again)
            answer = make()
            made = answer.data[within] if within else answer.data
            told = {name: value for name, value in answer.data.items() if within and name != within}
            Repeat.objects.filter(pk=kept.pk).update(made=str(made["id"]), beside=told)
        return answer

    def _again(self, kept: Repeat, request: Request) -> Any:
        if kept.digest != digest(request.data):
            sentence = _("The key “%(key)s” was used for another request. Use a new key for a new request.")
            raise Problem(
                status.HTTP_422_UNPROCESSABLE_ENTITY, "idempotency_conflict", sentence % {"key": kept.key}
            )
        made = self.get_queryset().filter(pk=kept.made).first()
        if made is None:
            raise Http404
        return self.get_serializer(made).data
