"""What an organization may call its hotspots: those that may not brand get the names of the service."""

from __future__ import annotations

from typing import Any, Final

from orders.models import Configuration
from orders.models.configurations import DEFAULT_DOMAIN, DEFAULT_SSID

DEFAULTS: Final[dict[str, Any]] = {
    "ssid": DEFAULT_SSID,
    "domain": DEFAULT_DOMAIN,
    "variant": "",
    "branding_logo": None,
    "branding_favicon": None,
}


def unbrand(configuration: Configuration) -> list[str]:
    """Set what the organization may not choose to its default. Returns the names of what was changed."""
    if configuration.organization.can_brand:
        return []
    changed = [name for name, value in DEFAULTS.items() if getattr(configuration, name) != value]
    for name in changed:
        setattr(configuration, name, DEFAULTS[name])
    return changed


def leave_betas(configuration: Configuration, known: dict[str, str]) -> None:
    """Keep only the beta features that there are, and none where the organization does not try any."""
    allowed = known if configuration.organization.beta_is_active else {}
    configuration.beta_features = [name for name in configuration.beta_features if name in allowed]
