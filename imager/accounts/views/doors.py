"""Coming in by invitation, and being told why not."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from imager.accounts import invitations
from imager.accounts.forms import AcceptForm
from imager.accounts.models import Bar

BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_safe
def barred(request: HttpRequest, why: str) -> HttpResponse:
    """Why an account may do nothing at present."""
    if why not in Bar.values:
        raise Http404
    context = {"why": Bar(why).label, "support": settings.SUPPORT_EMAIL}
    return render(request, "accounts/barred.html", context, status=403)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """What the mail leads to. Looking changes nothing: mail scanners look, too."""
    form = AcceptForm(request.POST or None)
    try:
        found = invitations.find(token)
        form.fields["name"].initial = found.name
        user = form.accept(token) if form.is_valid() else None
    except invitations.Gone:
        return render(request, "accounts/invitation.html", {"invitation": None}, status=410)
    if user is None:
        return render(request, "accounts/invitation.html", {"invitation": found, "form": form})
    login(request, user, backend=BACKEND)
    text = _("Welcome! You belong to %(organization)s now.")
    messages.success(request, text % {"organization": user.organization})
    return redirect("home")
