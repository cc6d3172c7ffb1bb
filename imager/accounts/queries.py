"""What pages and the API ask about accounts: who sees which rows."""

from __future__ import annotations

from django.db.models import QuerySet

from imager.accounts.models import Organization, Role, UnitEntry, User


def visible_organizations(user: User) -> QuerySet[Organization]:
    """All for staff with the right, for members their own, others none."""
    organizations = Organization.objects.select_related("channel").order_by("name", "pk")
    if user.role == Role.STAFF and user.has_perm("accounts.view_organization"):
        return organizations
    if user.role == Role.MEMBER and user.organization_id:
        return organizations.filter(pk=user.organization_id)
    return organizations.none()


def visible_units(user: User) -> QuerySet[UnitEntry]:
    """The entries of the person's own organization."""
    entries = UnitEntry.objects.select_related("order").defer("order__recipe", "order__contents")
    if user.is_host or not user.organization_id:
        return entries.none()
    return entries.filter(organization=user.organization_id)
