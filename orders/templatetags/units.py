"""Numbers of units in people's words."""

from __future__ import annotations

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import ngettext

register = template.Library()


@register.filter("units")
def in_units(number: int) -> str:
    """`1 unit`, `12,400 units`; grouped as the language has it."""
    return ngettext("%(units)s unit", "%(units)s units", abs(number)) % {"units": intcomma(number)}
