"""Whom to write to or call about an order, to click on."""

from __future__ import annotations

from urllib.parse import quote

from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from orders import countries
from orders.models import Order


class Contacts:
    """Mixin: columns of orders."""

    @admin.display(description=_("country"))
    def land(self, order: Order) -> str:
        """Where the cards go, by its name."""
        return countries.name_of(order.recipient_country) or "–"

    @admin.display(description=_("recipient's e-mail"))
    def mail(self, order: Order) -> str:
        return _link("mailto", order.recipient_email)

    @admin.display(description=_("phone"))
    def call(self, order: Order) -> str:
        return _link("tel", order.recipient_phone)

    @admin.display(description=_("e-mail of whoever ordered"))
    def orderer_mail(self, order: Order) -> str:
        return _link("mailto", order.created_by.email if order.created_by else "")


def _link(scheme: str, to: str) -> str:
    """What members wrote stays an address: no `?` in it begins a subject or a copy to others."""
    address = quote(to.replace(" ", ""), safe="@+")
    return format_html('<a href="{}:{}">{}</a>', scheme, address, to) if to else "–"
