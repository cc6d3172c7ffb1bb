"""The visitor's own account: name, language, and the way out."""

from __future__ import annotations

from allauth.account.views import email as change_email
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import override
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from imager.accounts import addresses, leaving
from imager.accounts.forms import DeleteForm, ProfileForm
from imager.accounts.models import Role
from imager.accounts.visitor import visitor


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Name and language; the language of pages and mails."""
    user = visitor(request)
    form = ProfileForm(request.POST or None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        with override(user.preferred_language or None):
            messages.success(request, _("Saved."))
        return redirect("profile")
    return render(request, "accounts/profile.html", {"form": form})


@login_required
def email(request: HttpRequest) -> HttpResponse:
    """Ask for another address; it counts once its mail is answered."""
    addresses.vouch(visitor(request))
    answer: HttpResponse = change_email(request)
    return answer


@login_required
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest) -> HttpResponse:
    """Delete the account, once its password confirms it. Staff are deleted by staff."""
    user = visitor(request)
    if user.role != Role.MEMBER:
        raise PermissionDenied
    form = DeleteForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        leaving.delete(user)
        logout(request)
        messages.success(request, _("Your account is deleted."))
        return redirect("account_login")
    return render(request, "accounts/delete.html", {"form": form, "orders": leaving.open_orders(user)})
