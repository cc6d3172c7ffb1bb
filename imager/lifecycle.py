"""The one door through which a status moves."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Protocol, TypeVar

from django.db import models, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy


class IllegalMove(Exception):
    """The table has no such move."""


class LostRace(Exception):
    """Somebody else moved the subject between our reading and our writing."""


class Moving(Protocol):
    """What `move()` needs: a status, a primary key, and a history under `moves`."""

    pk: Any
    status: str


S = TypeVar("S", bound=models.Model)

Table = Mapping[str, AbstractSet[str]]


def move(subject: S, went_to: str, *, table: Table, by: str, note: str = "", **fields: Any) -> S:
    """Move `subject` to the status `went_to`, with its history row and `fields`, or refuse.

    Compare-and-set against the status that was read, so that two movers cannot both win. Returns the subject,
    updated. Raises IllegalMove (not in `table`) or LostRace (no longer in the status that was read); then
    nothing was changed.
    """
    came_from: str = subject.status  # type: ignore[attr-defined]
    if went_to not in table[came_from]:
        refused = _("%(subject)s is “%(now)s”: it cannot become “%(wanted)s”.")
        now, wanted = (status_in_words(type(subject), status) for status in (came_from, went_to))
        raise IllegalMove(refused % {"subject": subject, "now": now, "wanted": wanted})
    with transaction.atomic():
        unmoved = type(subject)._default_manager.filter(pk=subject.pk, status=came_from)
        if not unmoved.update(status=went_to, **fields):
            lost = _("%(subject)s is no longer “%(then)s”: somebody moved it meanwhile. Look at it again.")
            raise LostRace(lost % {"subject": subject, "then": status_in_words(type(subject), came_from)})
        subject.moves.create(came_from=came_from, went_to=went_to, by=by, note=note)  # type: ignore[attr-defined]
    for name, value in {"status": went_to, **fields}.items():
        setattr(subject, name, value)
    return subject


def status_in_words(of: type[models.Model], status: str) -> str:
    """Its label, translated; of a status that there is no more, its code."""
    known: Any = of._meta.get_field("status")
    return str(dict(known.flatchoices).get(status, status))


class Move(models.Model):
    """A row of history. Each lifecycle has its own table, with a key `subject` (`related_name="moves"`)."""

    came_from = models.CharField(pgettext_lazy("moves", "from"), max_length=20)
    went_to = models.CharField(pgettext_lazy("moves", "to"), max_length=20)
    by = models.CharField(gettext_lazy("by"), max_length=200)
    note = models.TextField(gettext_lazy("note"), blank=True)
    at = models.DateTimeField(gettext_lazy("at"), auto_now_add=True)

    class Meta:
        abstract = True
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.came_from_label} → {self.went_to_label}"

    @property
    def came_from_label(self) -> str:
        """The status before, translated."""
        return self._label(self.came_from)

    @property
    def went_to_label(self) -> str:
        """The status after, translated."""
        return self._label(self.went_to)

    def _label(self, status: str) -> str:
        subjects: Any = self._meta.get_field("subject").related_model
        return status_in_words(subjects, status)
