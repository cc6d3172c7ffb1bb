"""The desk: what staff do with an order on its page. Members see none of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import fields
from typing import Final

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from imager.accounts.visitor import staff_only
from imager.lifecycle import IllegalMove, LostRace
from orders import checks, desk, queries, services, showing
from orders.address_form import country_choices
from orders.models import Order, Priority
from orders.recipients import LIMITS, Recipient
from orders.views.visitor import Request, visitor

RECIPE: Final = "orders.view_configuration"  # it tells what a configuration holds


class RecipientForm(forms.Form):
    """Where the cards go."""

    name = forms.CharField(label=gettext_lazy("recipient"), max_length=LIMITS["name"])
    email = forms.EmailField(label=gettext_lazy("recipient's e-mail"), required=False)
    phone = forms.CharField(label=gettext_lazy("phone"), max_length=LIMITS["phone"], required=False)
    address = forms.CharField(
        label=gettext_lazy("address"),
        max_length=LIMITS["address"],
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    postal_code = forms.CharField(
        label=gettext_lazy("postal code"), max_length=LIMITS["postal_code"], required=False
    )
    city = forms.CharField(label=gettext_lazy("city"), max_length=LIMITS["city"], required=False)
    country = forms.ChoiceField(label=gettext_lazy("country"), choices=country_choices)

    def recipient(self) -> Recipient:
        """What was entered."""
        return Recipient(**self.cleaned_data)


def found(request: Request, pk: str, permission: str) -> Order:
    """The order, for staff with that right."""
    staff_only(request, permission)
    return get_object_or_404(queries.visible_orders(visitor(request)).defer("recipe", "contents"), pk=pk)


@login_required
@require_POST
def order_note(request: Request, pk: str) -> HttpResponse:
    """Leave a note."""
    order = found(request, pk, "orders.add_ordernote")
    text = request.POST.get("text", "")
    return _done(request, order, lambda: desk.note(order, text, by=visitor(request)), _("The note is kept."))


@login_required
@require_POST
def order_priority(request: Request, pk: str) -> HttpResponse:
    """Have its work done sooner, or later."""
    order = found(request, pk, "orders.prioritize_order")
    wanted = request.POST.get("priority", "")
    priority = int(wanted) if wanted in map(str, Priority.values) else -1
    return _done(
        request,
        order,
        lambda: desk.prioritize(order, by=visitor(request), priority=priority),
        _("The priority is set."),
    )


@login_required
@require_POST
def order_recreate(request: Request, pk: str) -> HttpResponse:
    """The same again, with the contents of today; then the page of the new order."""
    order = found(request, pk, "orders.add_order")
    made: list[Order] = []

    def again() -> None:
        free = request.POST.get("free") == "yes"
        key = request.POST.get("key", "")[: checks.MAX_KEY]
        made.append(desk.recreate(order, by=visitor(request), free=free, key=key)[0])

    answer = _done(request, order, again, _("Made again, with the contents of today."))
    return redirect(made[0]) if made else answer


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def order_address(request: Request, pk: str) -> HttpResponse:
    """Send the cards somewhere else."""
    order = found(request, pk, "orders.readdress_order")
    names = [field.name for field in fields(Recipient)]
    present = {name: getattr(order, f"recipient_{name}") for name in names}
    form = RecipientForm(request.POST or None, initial=present)
    if request.method == "POST" and form.is_valid():
        try:
            desk.readdress(order, by=visitor(request), recipient=form.recipient())
        except ValidationError as error:
            for name, sentences in error.message_dict.items():
                form.add_error(name.removeprefix("recipient_"), sentences)
        except (IllegalMove, LostRace) as error:
            messages.error(request, str(error))
            return redirect(order)
        else:
            messages.success(request, _("The cards will be sent to that address."))
            return redirect(order)
    status = 422 if form.errors else 200
    return render(request, "orders/desk/address.html", {"order": order, "form": form}, status=status)


@login_required
@require_safe
def order_recipe(request: Request, pk: str) -> HttpResponse:
    """What the builder was told, as YAML, without its passwords, for whoever may read configurations."""
    staff_only(request, "orders.view_order")
    staff_only(request, RECIPE)
    order = get_object_or_404(queries.visible_orders(visitor(request)), pk=pk)
    headers = {
        "Content-Disposition": f'attachment; filename="order-{order.number}.yaml"',
        "Cache-Control": "private, no-store",
    }
    return HttpResponse(
        showing.ordered(order), content_type="application/yaml; charset=utf-8", headers=headers
    )


def _done(request: Request, order: Order, deed: Callable[[], object], said: str) -> HttpResponse:
    """Do it, say how it went, and show the order."""
    try:
        deed()
    except ValidationError as error:
        for sentence in error.messages:
            messages.error(request, sentence)
    except (IllegalMove, LostRace, services.IdempotencyConflict) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    return redirect(order)


def facts(request: Request, order: Order) -> dict[str, object]:
    """What the desk shows beside an order; nothing at all for members."""
    user = visitor(request)
    if not (user.is_staff and user.has_perm("orders.view_ordernote")):
        return {}
    return {
        "desk": {
            "notes": list(order.notes.all()),
            "priorities": Priority.choices,
            "recipe": user.has_perm(RECIPE),
            "key": uuid.uuid4(),  # a form that is sent twice makes one order
            **{f"can_{deed}": can for deed, can in desk.offered(order, to=user).items()},
        }
    }
