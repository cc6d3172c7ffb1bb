"""Where the accounts answer: `pages` at the root, `api` below /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from imager.accounts.api import tokens
from imager.accounts.api.account import AccountView
from imager.accounts.api.invitations import InvitationViewSet
from imager.accounts.api.organizations import OrganizationViewSet
from imager.accounts.api.shop import AccountsView
from imager.accounts.api.units import UnitViewSet
from imager.accounts.views import doors, profile, units

router = SimpleRouter(use_regex_path=False)
router.register("invitations", InvitationViewSet, basename="api-invitation")
router.register("organizations", OrganizationViewSet, basename="api-organization")
router.register("units", UnitViewSet, basename="api-unit")

pages = [
    path(".well-known/jwks.json", tokens.jwks, name="jwks"),
    path("accounts/barred/<slug:why>/", doors.barred, name="account_barred"),
    path("invitation/<str:token>/", doors.invitation, name="invitation"),
    path("account/", profile.profile, name="profile"),
    path("account/delete/", profile.delete, name="account_delete"),
    path("units/", units.units, name="units"),
]

api = [
    path("auth/token/", tokens.LoginView.as_view(), name="token"),
    path("auth/token/refresh/", tokens.RefreshView.as_view(), name="token-refresh"),
    path("auth/token/verify/", tokens.VerifyView.as_view(), name="token-verify"),
    path("account/", AccountView.as_view(), name="api_account"),
    path("shop/accounts/", AccountsView.as_view(), name="shop_accounts"),
    *router.urls,
]
