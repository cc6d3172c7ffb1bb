"""The orders room in the admin: everything can be browsed and searched; no status is edited by hand."""

from __future__ import annotations

from orders.admin import addresses, catalogue, configurations, contents, kept, orders

__all__ = ["addresses", "catalogue", "configurations", "contents", "kept", "orders"]
