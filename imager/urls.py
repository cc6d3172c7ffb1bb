"""Composition: which room answers where."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

import imager.accounts.urls
import orders.urls
import tasks_app.urls
import warehouse.urls
from imager import docs_pages, pages
from imager.accounts import language
from imager.accounts.views import profile

admin.site.site_header = admin.site.site_title = "Imager Service"
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # one login for all pages

api = [
    *imager.accounts.urls.api,
    *orders.urls.api,
    *tasks_app.urls.api,
    *warehouse.urls.api,
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", docs_pages.swagger, name="api_docs"),
    path("redoc/", docs_pages.redoc, name="api_redoc"),
]

urlpatterns = [
    path("health/", pages.health_check, name="health"),
    path("staff/health/", pages.health_page, name="health_page"),
    path("admin/", admin.site.urls),
    path("accounts/email/", profile.email, name="account_email"),
    path("accounts/", include("allauth.urls")),
    path("i18n/setlang/", language.choose, name="set_language"),
    path("api/v1/", include(api)),
    *imager.accounts.urls.pages,
    *orders.urls.pages,
    *tasks_app.urls.pages,
    *warehouse.urls.pages,
]

handler400 = "imager.faults.bad_request"
handler403 = "imager.faults.forbidden"
handler404 = "imager.faults.not_found"
handler500 = "imager.faults.server_error"
