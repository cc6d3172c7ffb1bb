"""Pages: in the person's language, and for people only."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation

from imager.accounts.models import Bar, User

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
