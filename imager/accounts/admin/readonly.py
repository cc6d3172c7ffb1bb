"""What is looked at in the admin, and not changed by hand."""

from __future__ import annotations

from typing import Any

TABLE = "admin/inline.html"  # of rows on the page of what they belong to


class ReadOnly:
    """Mixin: looks, never touches."""

    extra = 0
    can_delete = False
    template = TABLE

    def has_add_permission(self, *_args: Any) -> bool:
        return False

    def has_change_permission(self, *_args: Any) -> bool:
        return False

    def has_delete_permission(self, *_args: Any) -> bool:
        return False
