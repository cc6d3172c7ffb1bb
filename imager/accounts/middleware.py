"""Pages: in the person's language, and for people only."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import gettext as _

from imager.accounts import second_factor
from imager.accounts.models import Bar, User
from imager.faults import as_problem

API = "/api/"


class PersonMiddleware:
    """After AuthenticationMiddleware. Ends sessions of hosts and of disabled people; sets the language."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User):
            bar = user.bar
            if bar or user.is_host:
                logout(request)
                if bar in {Bar.EXPIRED, Bar.ORGANIZATION} and not request.path.startswith(API):
                    return redirect("account_barred", bar)
            elif language := user.preferred_language:
                translation.activate(language)
                request.LANGUAGE_CODE = translation.get_language()
        return self.get_response(request)


# Where staff get a second factor, or out. The rest waits until they have one.
OPEN_WITHOUT = ("/accounts/2fa/", "/accounts/reauthenticate/", "/accounts/logout/", "/i18n/", "/static/")


class SecondFactorMiddleware:
    """With SECOND_FACTOR_FOR_STAFF, pages and admin work for staff only once they have a second factor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if second_factor.is_missing(request.user) and not request.path.startswith(OPEN_WITHOUT):
            if request.path.startswith(API):
                return as_problem(403, "second_factor_missing", _("Set up a second factor first."))
            messages.warning(request, _("Staff need a second factor here: set one up first."))
            return redirect("mfa_index")
        return self.get_response(request)
