"""Logos and archives for creator hosts: whoever knows the key may have the file; recipes alone tell it."""

from __future__ import annotations

from typing import BinaryIO, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from orders.models import Upload
from warehouse import responses


@require_safe
def upload(request: HttpRequest, key: str) -> HttpResponseBase:
    """The file, whole or a range of it; always as a download, so that no browser shows or runs it."""
    found = get_object_or_404(Upload, key=key)
    try:
        file = cast("BinaryIO", found.file.open("rb"))
    except FileNotFoundError:
        text = _("This upload is missing on the server. Tell the staff.")
        return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8")
    return responses.ranged(request, file, name=found.pk.hex, size=found.size, etag=found.sha256)
