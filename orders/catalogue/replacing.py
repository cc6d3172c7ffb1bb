"""What vanished from the catalogue, and what comes closest to it today."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from orders import keeping
from orders.models import Configuration, Content


def replacements(missing: Iterable[Content]) -> dict[int, Content]:
    """For each of them, by its key, what replaces it best: nothing for those that nothing comes close to.

    The same name counts: in the same flavour rather than in another, from the same publisher rather than
    from another, and then the newest edition.
    """
    gone = [content for content in missing if content.name]
    named = defaultdict(list)
    offered = Content.objects.available().filter(name__in={content.name for content in gone})
    for candidate in offered.defer("package", "search").order_by("pk"):
        named[candidate.kind, candidate.name].append(candidate)
    return {
        content.pk: max(candidates, key=lambda one, content=content: _closeness(one, content))  # type: ignore[misc]
        for content in gone
        if (candidates := named[content.kind, content.name])
    }


def _closeness(candidate: Content, content: Content) -> tuple[bool, bool, str, int, int]:
    return (
        candidate.flavour == content.flavour,
        candidate.publisher == content.publisher,
        str(candidate.issued or ""),
        -abs(candidate.size - content.size),
        -candidate.pk,
    )


@transaction.atomic
def replace(configuration: Configuration, content: Content) -> Content | None:
    """Put in its place what comes closest to it; None, and nothing changes, if nothing does.

    Done twice, or when it is in no more need of it, it changes nothing.
    """
    locked = Configuration.objects.select_for_update().get(pk=configuration.pk)
    if content.available or not locked.contents.filter(pk=content.pk).exists():
        return None
    other = replacements([content]).get(content.pk)
    if other is None:
        return None
    keeping.record(locked, by=None)
    locked.contents.remove(content)
    locked.contents.add(other)
    locked.save(update_fields=["updated_at"])
    keeping.record(locked, by=None, note=_("“%(title)s” replaced") % {"title": content.title})
    return other
