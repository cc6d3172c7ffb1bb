"""The recipe of an image: what the creator is told, as YAML. It holds the hotspot's passwords."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import yaml
from django.conf import settings

from orders import software
from orders.models import Configuration, Content, Upload

TLD: Final = "hotspot"  # the landing page is http://DOMAIN.hotspot
WELCOME: Final = "goto.kiwix"
SHADES: Final = ("light", "dark")


def recipe(configuration: Configuration, contents: Sequence[Content], *, size: int) -> str:
    """The recipe of an image of `size` bytes, in the format of `workers.creator.recipe`."""
    parts = software.parts(configuration, contents) if settings.HOTSPOT_SOFTWARE else {}
    images = {"oci_images": parts["oci_images"]} if parts else _images(contents)
    return yaml.safe_dump(
        {
            "base": _base(),
            "output": {"size": size},
            **images,
            **({"per_card": configuration.per_card} if configuration.per_card else {}),
            "files": [*_files(configuration, contents), *parts.get("files", [])],
            "offspot": {**parts.get("offspot", {}), **_offspot(configuration, parts.get("offspot", {}))},
        },
        allow_unicode=True,
        sort_keys=False,
        width=4096,
    )


def snapshot(contents: Sequence[Content]) -> list[dict[str, Any]]:
    """What was ordered, for people: it stays when the catalogue changes."""
    return [
        {
            "title": content.title,
            "path": content.path,
            "size": content.size,
            "ident": content.ident,
            "version": content.version,
        }
        for content in contents
    ]


def _base() -> dict[str, Any]:
    base = {"source": settings.BASE_IMAGE_URL, "rootfs_size": settings.BASE_IMAGE_BYTES}
    if settings.BASE_IMAGE_SHA256:
        base["checksum"] = _sha256(settings.BASE_IMAGE_SHA256)
    return base


def _files(configuration: Configuration, contents: Sequence[Content]) -> list[dict[str, Any]]:
    plain = [each for each in contents if not (settings.HOTSPOT_SOFTWARE and software.packaged(each))]
    files = [_file(content) for content in plain if content.url]
    if configuration.option_kiwix_readers:
        files += [
            {"url": each.download_url, "to": f"{software.ZIMS}/{each.filename}", "via": "direct"}
            for each in software.readers()
        ]
    return files + _branding(configuration) + _preload(configuration)


def _file(content: Content) -> dict[str, Any]:
    """A Metalink as address brings mirrors and digest along; sizes that are not exact would be refused."""
    to = software.place_of(content) if settings.HOTSPOT_SOFTWARE else content.path
    file: dict[str, Any] = {"url": content.url, "to": to, "via": _via(content)}
    if content.size and content.exact:
        file["size"] = content.size
    if content.sha256:
        file["checksum"] = _sha256(content.sha256)
    elif told := content.package.get("download_checksum"):
        file["checksum"] = {key: str(told[key]) for key in ("algo", "value", "kind") if told.get(key)}
    return file


def _via(content: Content) -> str:
    """How the file is packed; archives are unpacked into their place."""
    key = "download_via" if content.kind == Content.Kind.APP else "via"
    return content.package.get(key) or "direct"


def _images(contents: Sequence[Content]) -> dict[str, Any]:
    """The container images of apps."""
    apps = [content.package for content in contents if content.package.get("image")]
    images = {
        app["image"]: {
            "ident": app["image"],
            "filesize": app.get("image_filesize"),
            "fullsize": app.get("image_fullsize"),
        }
        for app in apps
    }
    return {"oci_images": list(images.values())} if images else {}


def _branding(configuration: Configuration) -> list[dict[str, Any]]:
    wanted = {"horizontal": configuration.branding_logo, "square": configuration.branding_favicon}
    return [
        _upload(upload, f"{software.BRANDING}/{shape}-logo-{shade}.png", "direct")
        for shape, upload in wanted.items()
        if upload
        for shade in SHADES
    ]


def _preload(configuration: Configuration) -> list[dict[str, Any]]:
    if configuration.preload_zip:
        return [_upload(configuration.preload_zip, software.PRELOAD, "zip")]
    if configuration.preload_url:
        return [{"url": configuration.preload_url, "to": software.PRELOAD, "via": "zip"}]
    return []


def _upload(upload: Upload, to: str, via: str) -> dict[str, Any]:
    return {
        "url": settings.PUBLIC_URL.rstrip("/") + upload.path,
        "to": to,
        "via": via,
        "size": upload.unpacked,
        "checksum": _sha256(upload.sha256),
    }


def _sha256(digest: str) -> dict[str, str]:
    return {"algo": "sha-256", "value": digest}


def _offspot(configuration: Configuration, made: dict[str, Any]) -> dict[str, Any]:
    return {
        "timezone": configuration.timezone,
        "hostname": configuration.domain,
        "language": str(configuration.language),
        **({"variant": configuration.variant} if configuration.variant else {}),
        **({"beta_features": configuration.beta_features} if configuration.beta_features else {}),
        "ethernet": {"type": "dhcp"},
        "ap": {**made.get("ap", {}), **_access_point(configuration)},
        "admin": {"login": configuration.admin_account, "password": configuration.admin_password},
    }


def _access_point(configuration: Configuration) -> dict[str, str]:
    point = {"ssid": configuration.ssid, "domain": configuration.domain, "tld": TLD, "welcome": WELCOME}
    if configuration.wifi_password:
        point["passphrase"] = configuration.wifi_password
    return point
