"""How often people may ask. Hosts and warehouses have no limit here: leases and beats keep their pace.

Each web process counts for itself, in its memory: a limit that wrote to the database with each request would
be the load that it is there to keep away. What must hold for all processes together (guesses at passwords,
the shop's calls) counts in the shared cache, by `ScopedRateThrottle`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.core.cache import caches
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import AnonRateThrottle, UserRateThrottle

if TYPE_CHECKING:  # views name these classes while they are imported
    from rest_framework.views import APIView


def _rate(scope: str | None) -> str | None:
    """As the settings say at this moment; None: no limit."""
    rates = cast("dict[str | None, str | None]", api_settings.DEFAULT_THROTTLE_RATES)
    return rates.get(scope) or None


class PersonThrottle(UserRateThrottle):
    """By account."""

    cache = caches["throttle"]

    def get_rate(self) -> str | None:
        """Of this scope."""
        return _rate(self.scope)

    def get_cache_key(self, request: Request, view: APIView) -> str | None:
        """Nobody is counted by the other one."""
        return super().get_cache_key(request, view) if request.user.is_authenticated else None


class NobodyThrottle(AnonRateThrottle):
    """By network address, where nobody is logged in."""

    cache = caches["throttle"]

    def get_rate(self) -> str | None:
        """Of this scope."""
        return _rate(self.scope)
