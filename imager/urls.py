"""Composition: which room answers where."""

from typing import NoReturn

from django.contrib import admin
from django.http import Http404, HttpRequest
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

import imager.accounts.urls
import orders.urls
import tasks_app.urls
import warehouse.urls
from imager.accounts import language


def not_here(_request: HttpRequest) -> NoReturn:
    """A page of a library that we do not offer."""
    raise Http404


api = [
    *imager.accounts.urls.api,
    *orders.urls.api,
    *tasks_app.urls.api,
    *warehouse.urls.api,
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/email/", not_here),  # addresses are changed by staff, who know the person
    path("accounts/", include("allauth.urls")),
    path("i18n/setlang/", language.choose, name="set_language"),
    path("api/v1/", include(api)),
    *imager.accounts.urls.pages,
    *orders.urls.pages,
    *tasks_app.urls.pages,
    *warehouse.urls.pages,
]

handler404 = "imager.faults.not_found"
handler500 = "imager.faults.server_error"
