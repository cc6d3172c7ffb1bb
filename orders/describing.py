"""What does not go together in a configuration: the same sentences for pages, API and imports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from imager.accounts.models import Organization
from orders import branding, preload, software
from orders.models import Content

NAMES: Final = (*branding.DEFAULTS, "preload_url", "preload_zip", "beta_features")


@dataclass
class Draft:
    """A configuration before it is saved; `values` by the names of its fields. `was`: the address it had."""

    organization: Organization
    values: Mapping[str, Any]
    contents: tuple[Content, ...]
    was: str = ""
    was_bytes: int = 0
    preload_bytes: int = field(default=0, init=False)  # what the archive elsewhere takes; known once asked


def refusals(draft: Draft) -> dict[str, str]:
    """Sentences by field. Asks the server of a new address for its archive, which may take some seconds."""
    return {**_branding(draft), **_betas(draft), **_preload(draft)}


def _branding(draft: Draft) -> dict[str, str]:
    if draft.organization.can_brand:
        return {}
    told = _("%(name)s may not brand its hotspots: this must be “%(default)s”. Staff can give it the right.")
    return {
        name: told % {"name": draft.organization, "default": default or "—"}
        for name, default in branding.DEFAULTS.items()
        if draft.values.get(name, default) != default
    }


def _betas(draft: Draft) -> dict[str, str]:
    wanted = draft.values.get("beta_features") or []
    if not wanted:
        return {}
    if not draft.organization.beta_is_active:
        return {
            "beta_features": _("%(name)s does not try beta features. Staff can switch them on.")
            % {"name": draft.organization}
        }
    unknown = [name for name in wanted if name not in settings.BETA_FEATURES]
    if not unknown:
        return {}
    words = {"unknown": ", ".join(unknown[:5]), "known": ", ".join(settings.BETA_FEATURES) or "—"}
    return {"beta_features": _("Unknown beta features: %(unknown)s. Known: %(known)s.") % words}


def _preload(draft: Draft) -> dict[str, str]:
    url, archive = draft.values.get("preload_url") or "", draft.values.get("preload_zip")
    if not url and not archive:
        return {}
    if url and archive:
        return {"preload_url": _("Give either an address or an upload, not both. Empty one of them.")}
    idents = {content.ident for content in draft.contents}
    if settings.HOTSPOT_SOFTWARE and software.FILE_MANAGER not in idents:
        return {
            "preload_url" if url else "preload_zip": _(
                "Visitors read these files in the File Manager: choose it among the contents, too."
            )
        }
    if not url:
        return {}
    if url == draft.was:
        draft.preload_bytes = draft.was_bytes
        return {}
    try:
        draft.preload_bytes = preload.look(url).unpacked
    except ValidationError as error:
        return {"preload_url": " ".join(error.messages)}
    return {}
