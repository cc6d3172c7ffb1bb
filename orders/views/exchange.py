"""Configurations in and out: JSON of the predecessor's format, the recipe as YAML."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from imager.accounts.models import Organization, Role, User
from imager.accounts.visitor import demand
from orders import exchange, json_file, queries, showing
from orders.models import Configuration
from orders.views.visitor import Request, needs, visitor


class ImportForm(forms.Form):
    """A file, and for staff whose it will be."""

    organization = forms.ModelChoiceField(
        Organization.objects.filter(active=True), label=gettext_lazy("organization")
    )
    file = forms.FileField(
        label=gettext_lazy("JSON file"), widget=forms.FileInput(attrs={"accept": ".json,application/json"})
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        if by.role != Role.STAFF:
            del self.fields["organization"]

    def take_in(self) -> exchange.Taken | None:
        """What was imported; None with the refusals in the form."""
        of = self.cleaned_data.get("organization") or self.by.organization
        if of is None:
            self.add_error(None, _("You belong to no organization. Ask the staff to add you to yours."))
            return None
        try:
            return exchange.take_in(json_file.read(self.cleaned_data["file"]), of=of, by=self.by)
        except ValidationError as error:
            self.add_error("file", json_file.sentences(error))
        return None


@login_required
@needs("orders.add_configuration")
@require_http_methods(["GET", "HEAD", "POST"])
def configuration_import(request: Request) -> HttpResponse:
    """A new configuration out of a JSON file; what could not be taken is told."""
    sent = request.method == "POST"
    form = ImportForm(request.POST if sent else None, request.FILES if sent else None, by=visitor(request))
    taken = form.take_in() if sent and form.is_valid() else None
    if taken is None:
        return render(request, "orders/configuration_import.html", {"form": form})
    messages.success(request, _("“%(name)s” is imported. Look it over.") % {"name": taken.configuration})
    for sentence in taken.left_out:
        messages.warning(request, sentence)
    return redirect("configuration", pk=taken.configuration.pk)


def _found(request: Request, pk: int) -> Configuration:
    return get_object_or_404(queries.visible_configurations(visitor(request)), pk=pk)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def configuration_export(request: Request, pk: int) -> HttpResponse:
    """The JSON as a file. Passwords are in it only when they are asked for, by POST."""
    found = _found(request, pk)
    data = exchange.exported(found, secrets=_secrets(request))
    text = json.dumps(data, ensure_ascii=False, indent=2)
    return _file(text, f"{slugify(found.name) or 'configuration'}.json", "application/json")


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def configuration_recipe(request: Request, pk: int) -> HttpResponse:
    """What the builder would be told, as YAML. Passwords and keys are in it only when asked for, by POST."""
    found = _found(request, pk)
    text = showing.recipe_of(found, secrets=_secrets(request))
    return _file(text, f"{slugify(found.name) or 'configuration'}.yaml", "application/yaml; charset=utf-8")


def _secrets(request: Request) -> bool:
    """Whether they are asked for; staff must have the right to change what they protect.

    Only by a form that was sent on purpose: an address alone, that others can plant, shows none.
    """
    asked = request.method == "POST" and request.POST.get("secrets") == "1"
    if asked:
        demand(request, "orders.change_configuration")
    return asked


def _file(text: str, name: str, content_type: str) -> HttpResponse:
    disposition = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    headers = {"Content-Disposition": disposition, "Cache-Control": "private, no-store"}
    return HttpResponse(text, content_type=content_type, headers=headers)
