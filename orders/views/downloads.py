"""The public download of a finished image: whoever knows the address may have it, until it expires."""

from __future__ import annotations

from typing import BinaryIO

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from orders.lifecycle import OrderStatus
from orders.models import Order
from orders.notices import download_url
from orders.queries import downloadable
from warehouse import responses, torrents
from warehouse import services as warehouse
from workers.contract import TORRENT_SUFFIX

ENDED = frozenset({OrderStatus.AVAILABLE, OrderStatus.EXPIRED, OrderStatus.CANCELED})


@require_safe
def download(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """A file of the order's image, whole or a range of it; 410 when its time is over.

    The torrent leads to this address, which needs no session and no cookie: any client can fetch from it.
    """
    order = get_object_or_404(
        Order.objects.select_related("organization"), download_token=token, kind=Order.Kind.VIRTUAL
    )
    if not downloadable(order):
        if order.status in ENDED and order.expires_at:
            return render(request, "orders/download_ended.html", {"order": order}, status=410)
        raise Http404
    stored = next((file for file in warehouse.published_files(owner=order.pk) if file.name == name), None)
    if stored is None:
        raise Http404
    try:
        file = warehouse.open_file(stored)
    except warehouse.Unavailable as error:
        return HttpResponse(str(error), status=503, content_type="text/plain; charset=utf-8")
    if stored.name.endswith(TORRENT_SUFFIX):
        return _torrent(order, stored.name, file)
    return responses.ranged(request, file, name=stored.name, size=stored.size, etag=stored.sha256)


def _torrent(order: Order, name: str, file: BinaryIO) -> HttpResponse:
    try:
        with file:
            page = torrents.offered(file, webseed=download_url(order), trackers=settings.TORRENT_TRACKERS)
    except torrents.Damaged:
        text = _("The torrent of this download is damaged. Download the image itself.")
        return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8")
    disposition = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    headers = {"Content-Disposition": disposition, "Cache-Control": "private, no-transform"}
    return HttpResponse(page, content_type=torrents.CONTENT_TYPE, headers=headers)
