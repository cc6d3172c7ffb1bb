"""Where the accounts answer: `pages` at the root, `api` below /api/v1/."""

from django.urls import path

from imager.accounts import api as views

pages = [
    path(".well-known/jwks.json", views.jwks, name="jwks"),
]

api = [
    path("auth/token/", views.LoginView.as_view(), name="token"),
    path("auth/token/refresh/", views.RefreshView.as_view(), name="token-refresh"),
    path("auth/token/verify/", views.VerifyView.as_view(), name="token-verify"),
]
