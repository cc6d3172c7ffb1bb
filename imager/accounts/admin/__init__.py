"""Accounts in Django's admin."""

from imager.accounts.admin.access import (
    AuthenticatorAdmin,
    EmailAddressAdmin,
    LogEntryAdmin,
    UserSessionAdmin,
)
from imager.accounts.admin.groups import GroupAdmin
from imager.accounts.admin.invitations import InvitationAdmin
from imager.accounts.admin.organizations import ChannelAdmin, OrganizationAdmin
from imager.accounts.admin.people import UserAdmin
from imager.accounts.admin.purchases import ShopEventAdmin
from imager.accounts.admin.units import UnitEntryAdmin

__all__ = [
    "AuthenticatorAdmin",
    "ChannelAdmin",
    "EmailAddressAdmin",
    "GroupAdmin",
    "InvitationAdmin",
    "LogEntryAdmin",
    "OrganizationAdmin",
    "ShopEventAdmin",
    "UnitEntryAdmin",
    "UserAdmin",
    "UserSessionAdmin",
]
