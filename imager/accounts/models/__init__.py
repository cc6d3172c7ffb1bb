"""Who may do what: channels, organizations and their units, users, refresh tokens."""

from imager.accounts.models.invitations import Invitation
from imager.accounts.models.organizations import Channel, Language, Organization
from imager.accounts.models.people import Bar, Role, User, UserManager
from imager.accounts.models.repeats import Repeat
from imager.accounts.models.shop import ShopEvent, ShopSignature
from imager.accounts.models.tokens import RefreshToken
from imager.accounts.models.units import UnitEntry

__all__ = [
    "Bar",
    "Channel",
    "Invitation",
    "Language",
    "Organization",
    "RefreshToken",
    "Repeat",
    "Role",
    "ShopEvent",
    "ShopSignature",
    "UnitEntry",
    "User",
    "UserManager",
]
