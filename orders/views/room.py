"""What everything chosen in the editor takes, the smallest card for it, and what stays free on that."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import QueryDict

from orders import sizes
from orders.models import UPLOADS, Configuration, Content, Media, Upload
from orders.sizes import needed_by

OPTIONS = ("content_metrics", "option_kiwix_readers")


def room(subject: Configuration, sent: QueryDict | None) -> dict[str, object]:
    """How many contents, how many bytes, what the image needs, the smallest card, and what stays free on it.

    `sent`: what is in the form, not saved yet; None: as it is stored.
    """
    contents = _stored(subject) if sent is None else _chosen(sent)
    needed = needed_by(subject if sent is None else _draft(subject, sent), contents)
    bytes_ = sum(content.size for content in contents)
    smallest = sizes.smallest_fitting(Media.Kind.PHYSICAL, needed)
    return {
        "count": len(contents),
        "bytes": bytes_,
        "needed": needed,
        "smallest": smallest,
        "free": smallest.bytes - needed if smallest else 0,
        "unasked": bool(sent and sent.get("preload_url") and sent["preload_url"] != subject.preload_url),
    }


def _stored(subject: Configuration) -> list[Content]:
    return list(subject.contents.all()) if subject.pk else []


def _chosen(sent: QueryDict) -> list[Content]:
    keys = [key for key in map(_number, sent.getlist("contents")) if key is not None]
    return list(Content.objects.filter(pk__in=keys).only("kind", "size"))


def _draft(subject: Configuration, sent: QueryDict) -> Configuration:
    """A configuration that is never saved, with what takes room. A part of the form keeps the rest."""
    names = [*OPTIONS, *UPLOADS, "preload_url", "preload_bytes"]
    draft = Configuration(**{name: getattr(subject, name) for name in names})
    if "version" not in sent:
        return draft
    for name in OPTIONS:
        setattr(draft, name, name in sent)
    if sent.get("preload_url", "") != subject.preload_url:
        draft.preload_bytes = 0
    mine = _uploads(subject, [str(sent[name]) for name in UPLOADS if sent.get(name)])
    for name in UPLOADS:
        if name in sent:
            setattr(draft, name, None if f"{name}_remove" in sent else mine.get(str(sent[name])))
    return draft


def _uploads(subject: Configuration, keys: list[str]) -> dict[str, Any]:
    """Those of the same organization alone: sizes are nobody else's business."""
    if not subject.organization_id:
        return {}
    found = Upload.objects.filter(organization=subject.organization_id, pk__in=filter(is_uuid, keys))
    return {str(upload.pk): upload for upload in found}


def is_uuid(text: str) -> bool:
    """Whether the database would take it for one."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
