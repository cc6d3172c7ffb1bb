"""The recipe of an image: what the creator is told, as YAML. It holds the hotspot's passwords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import yaml
from django.conf import settings

from orders.models import Configuration, Content

TLD: Final = "hotspot"  # the landing page is http://DOMAIN.hotspot
WELCOME: Final = "goto.kiwix"


def recipe(configuration: Configuration, contents: Sequence[Content], *, size: int) -> str:
    """The recipe of an image of `size` bytes, in the format of `workers.creator.recipe`."""
    return yaml.safe_dump(
        {
            "base": _base(),
            "output": {"size": size},
            "files": [_file(content) for content in contents],
            "offspot": _offspot(configuration),
        },
        allow_unicode=True,
        sort_keys=False,
        width=4096,
    )


def snapshot(contents: Sequence[Content]) -> list[dict[str, Any]]:
    """What was ordered, for people: it stays when the catalogue changes."""
    return [{"title": content.title, "path": content.path, "size": content.size} for content in contents]


def _base() -> dict[str, Any]:
    base = {"source": settings.BASE_IMAGE_URL, "rootfs_size": settings.BASE_IMAGE_BYTES}
    if settings.BASE_IMAGE_SHA256:
        base["checksum"] = _sha256(settings.BASE_IMAGE_SHA256)
    return base


def _file(content: Content) -> dict[str, Any]:
    file: dict[str, Any] = {"url": content.url, "to": content.path, "via": "direct"}
    if content.size:
        file["size"] = content.size
    if content.sha256:
        file["checksum"] = _sha256(content.sha256)
    return file


def _sha256(digest: str) -> dict[str, str]:
    return {"algo": "sha-256", "value": digest}


def _offspot(configuration: Configuration) -> dict[str, Any]:
    return {
        "timezone": configuration.timezone,
        "hostname": configuration.domain,
        "language": str(configuration.language),
        "ethernet": {"type": "dhcp"},
        "ap": _access_point(configuration),
        "admin": {"login": configuration.admin_account, "password": configuration.admin_password},
    }


def _access_point(configuration: Configuration) -> dict[str, str]:
    point = {"ssid": configuration.ssid, "domain": configuration.domain, "tld": TLD, "welcome": WELCOME}
    if configuration.wifi_password:
        point["passphrase"] = configuration.wifi_password
    return point
