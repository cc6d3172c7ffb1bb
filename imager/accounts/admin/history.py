"""The history of something that moves, on its page in the admin."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import pgettext_lazy

from imager.accounts.admin.readonly import ReadOnly
from imager.lifecycle import Move


class History(ReadOnly):
    """Mixin: columns `before` and `after`, the statuses in words."""

    @admin.display(description=pgettext_lazy("moves", "from"))
    def before(self, move: Move) -> str:
        """The status that it left."""
        return move.came_from_label

    @admin.display(description=pgettext_lazy("moves", "to"))
    def after(self, move: Move) -> str:
        """The status that it came to."""
        return move.went_to_label
