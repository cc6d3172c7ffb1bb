"""What pages say about contents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django import template

from orders.catalogue.tongues import tongue

register = template.Library()

SHOWN: Final = 4


@register.filter
def tongues(codes: Iterable[str]) -> str:
    """`French, Bambara` for `["fra", "bam"]`; of many, the first ones."""
    names = [tongue(code) for code in codes]
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
