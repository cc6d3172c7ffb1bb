"""The one door through which a status moves."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Protocol, TypeVar

from django.db import models, transaction
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


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
        raise IllegalMove(f"{subject}: {came_from} → {went_to}")
    with transaction.atomic():
        unmoved = type(subject)._default_manager.filter(pk=subject.pk, status=came_from)
        if not unmoved.update(status=went_to, **fields):
            raise LostRace(f"{subject}: no longer {came_from}")
        subject.moves.create(came_from=came_from, went_to=went_to, by=by, note=note)  # type: ignore[attr-defined]
    for name, value in {"status": went_to, **fields}.items():
        setattr(subject, name, value)
    return subject


class Move(models.Model):
    """A row of history. Each lifecycle has its own table, with a key `subject` (`related_name="moves"`)."""

    came_from = models.CharField(pgettext_lazy("moves", "from"), max_length=20)
    went_to = models.CharField(pgettext_lazy("moves", "to"), max_length=20)
    by = models.CharField(_("by"), max_length=200)
    note = models.TextField(_("note"), blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True)

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
        return str(dict(subjects._meta.get_field("status").flatchoices).get(status, status))
