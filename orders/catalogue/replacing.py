"""What vanished from the catalogue, and what comes closest to it today."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from imager.accounts.models import User
from orders import keeping
from orders.models import Configuration, ConfigurationVersion, Content

NOTE: Final = ConfigurationVersion._meta.get_field("note").max_length


def replacements(missing: Iterable[Content]) -> dict[int, Content]:
    """For each of them, by its key, what replaces it best: nothing for those that nothing comes close to.

    The same name counts: in the same flavour rather than in another, from the same publisher rather than
    from another, and then the newest edition.
    """
    gone = [content for content in missing if content.name]
    if not gone:
        return {}
    named = defaultdict(list)
    offered = Content.objects.available().filter(name__in={content.name for content in gone})
    for candidate in offered.defer("package", "search").order_by("pk"):
        named[candidate.kind, candidate.name].append(candidate)
    best = {}
    for content in gone:
        candidates = named[content.kind, content.name]
        if candidates:
            best[content.pk] = max(candidates, key=_closeness_to(content))
    return best


def _closeness_to(content: Content) -> Callable[[Content], tuple[bool, bool, str, int, int]]:
    def closeness(other: Content) -> tuple[bool, bool, str, int, int]:
        return (
            other.flavour == content.flavour,
            other.publisher == content.publisher,
            str(other.issued or ""),
            -abs(other.size - content.size),
            -other.pk,
        )

    return closeness


@transaction.atomic
def replace_missing(configuration: Configuration, *, by: User) -> list[tuple[Content, Content | None]]:
    """Put what comes closest in the place of all that is missing. Returns pairs of old and new.

    What nothing comes close to stays where it is, with None as its new one. Done twice, it changes nothing.
    """
    locked = Configuration.objects.select_for_update().get(pk=configuration.pk)
    gone = list(locked.contents.unavailable().order_by("title", "pk"))
    found = replacements(gone)
    pairs = [(old, found.get(old.pk)) for old in gone]
    done = {old.pk: new for old, new in pairs if new}
    if done:
        stay = locked.contents.exclude(pk__in=done)
        titles = ", ".join(str(new) for new in done.values())
        note = _("replaced: %(titles)s") % {"titles": titles}
        keeping.keep(locked, by=by, contents=[*stay, *done.values()], note=note[:NOTE])
    return pairs
