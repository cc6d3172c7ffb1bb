"""What pages and the API ask about accounts: who sees which rows."""

from __future__ import annotations

from django.db.models import QuerySet

from imager.accounts.models import UnitEntry, User


def visible_units(user: User) -> QuerySet[UnitEntry]:
    """The entries of the person's own organization."""
    entries = UnitEntry.objects.select_related("order").defer("order__recipe", "order__contents")
    if user.is_host or not user.organization_id:
        return entries.none()
    return entries.filter(organization=user.organization_id)
