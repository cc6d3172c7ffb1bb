"""The hotspot's programs in a recipe: what offspot-config's builder makes of a configuration.

The builder is asked for nothing that it would fetch: sizes and digests are those of the catalogue, and
pictures of contents are left away. Its sets are sorted: the same configuration is the same recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import attrs
import yaml
from django.conf import settings
from offspot_config.builder import INTERNAL_IMAGES, BaseConfig, ConfigBuilder
from offspot_config.catalog import app_catalog
from offspot_config.constants import INTERNAL_BRANDING_PATH
from offspot_config.packages import AppPackage, FilesPackage, ZimPackage
from offspot_config.utils.dashboard import Link, Reader
from offspot_config.utils.misc import b64_encode

from orders.models import Configuration, Content

FILE_MANAGER: Final = "file-manager.offspot.kiwix.org"
CONTENTS: Final = "/data/contents"  # where the programs look for everything
BRANDING: Final = f"{CONTENTS}/branding"
PRELOAD: Final = f"{CONTENTS}/{FILE_MANAGER}"
ZIMS: Final = f"{CONTENTS}/zims"
ALWAYS: Final = ("dashboard", "adminui", "captive-portal", "reverse-proxy", "hwclock")
WITH_ZIMS: Final = ("kiwix-serve", "file-browser", "file-manager")
_SORTED: Final = ("SERVICES", "FILES_MAPPING", "PROTECTED_SERVICES")


def image_bytes(configuration: Configuration, contents: Iterable[Content]) -> int:
    """What the container images take, packed and unfolded, beside those that are contents themselves."""
    names = [*ALWAYS, *(["metrics"] if configuration.content_metrics else [])]
    kinds = {content.kind for content in contents}
    if Content.Kind.ZIM in kinds or Content.Kind.FILES in kinds:
        names += WITH_ZIMS
    return sum(map(_internal_bytes, names))


def _internal_bytes(name: str) -> int:
    if name == "file-manager":
        package = app_catalog.get_apppackage(FILE_MANAGER)
        return int(package.image_filesize + package.image_fullsize)
    entry = INTERNAL_IMAGES[name]
    return int(entry["filesize"]) + int(entry["fullsize"])


def readers() -> list[Reader]:
    """The readers that visitors may install. Their exact size is their server's to say."""
    return [
        Reader(platform, url, PurePosixPath(urlsplit(url).path).name, settings.KIWIX_READER_BYTES)
        for platform, url in settings.KIWIX_READERS.items()
    ]


def parts(configuration: Configuration, contents: Sequence[Content]) -> dict[str, Any]:
    """`oci_images`, `files` and `offspot` of the recipe, as plain data; without the files of contents."""
    builder = _builder(configuration)
    for content in contents:
        _add(builder, content)
    builder.add_hwclock()
    if configuration.content_metrics:
        builder.add_metrics()
    made: dict[str, Any] = yaml.safe_load(builder.render())
    _sort(made)
    theirs = {content.url for content in contents if not packaged(content)}
    theirs |= set(settings.KIWIX_READERS.values())
    made["files"] = [file for file in made["files"] if file.get("url") not in theirs]
    made["files"] += _own_logos(configuration)
    return {name: made[name] for name in ("oci_images", "files", "offspot")}


def _own_logos(configuration: Configuration) -> list[dict[str, Any]]:
    """The hotspot's own logos, where the organization has none: the programs look for them there."""
    given = {"horizontal": configuration.branding_logo, "square": configuration.branding_favicon}
    files = []
    for shape in (name for name, upload in given.items() if upload is None):
        name = f"{shape}-logo-light.png"
        data = (INTERNAL_BRANDING_PATH / name).read_bytes()
        files.append({"content": b64_encode(data), "to": f"{BRANDING}/{name}", "via": "base64"})
    return files


def _builder(configuration: Configuration) -> ConfigBuilder:
    builder = ConfigBuilder(
        base=BaseConfig(source="unused", rootfs_size=1),
        name=configuration.ssid,
        domain=configuration.domain,
        tld="hotspot",
        ssid=configuration.ssid,
        passphrase=configuration.wifi_password or None,
        environ={
            "ADMIN_USERNAME": configuration.admin_account,
            "ADMIN_PASSWORD": configuration.admin_password,
        },
        variant=configuration.variant,
    )
    links = [Link("Metrics", "//metrics.${FQDN}")] if configuration.content_metrics else []
    builder.add_dashboard(
        allow_zim_downloads=True,
        readers=readers() if configuration.option_kiwix_readers else [],
        links=links,
    )
    builder.add_adminui()
    builder.add_captive_portal()
    builder.add_reverseproxy()
    return builder


def _add(builder: ConfigBuilder, content: Content) -> None:
    """Let the programs know of the content. Files that staff added by hand are files, and nothing else."""
    if packaged(content) and content.kind == Content.Kind.APP:
        builder.add_app(AppPackage(**_entry(AppPackage, content.package)))
    elif packaged(content):
        builder.add_files_package(FilesPackage(**_entry(FilesPackage, content.package)))
    elif content.kind == Content.Kind.ZIM and content.ident.count(":") >= 2:
        builder.add_zim(_zim(content))


def _entry(kind: type[Any], package: dict[str, Any]) -> dict[str, Any]:
    """What the builder knows of an entry of the app catalogue; later editions of that may say more."""
    known = {field.name for field in attrs.fields(kind)}
    return {name: value for name, value in package.items() if name in known and name != "icon_url"}


def packaged(content: Content) -> bool:
    """Whether the app catalogue says how it is put on the card: the builder does it then."""
    return content.kind != Content.Kind.ZIM and bool(content.package)


def _zim(content: Content) -> ZimPackage:
    _publisher, name, flavour = content.ident.split(":", 2)
    return ZimPackage(
        ident=content.ident,
        name=name,
        flavour=flavour,
        version=content.version,
        title=content.title,
        description=content.description,
        languages=content.languages or ["mul"],
        download_url=content.url,
        download_size=content.size,
    )


def place_of(content: Content) -> str:
    """Where the programs look for it: sites by the name that the builder gives them."""
    if content.kind == Content.Kind.ZIM and content.ident.count(":") >= 2:
        return f"{ZIMS}/{_zim(content).filename}"
    return content.path


def _sort(made: dict[str, Any]) -> None:
    made["oci_images"] = sorted(
        ({key: value for key, value in image.items() if value is not None} for image in made["oci_images"]),
        key=lambda image: image["ident"],
    )
    proxy = made["offspot"]["containers"]["services"]["reverse-proxy"]["environment"]
    for name in _SORTED:
        proxy[name] = ",".join(sorted(proxy[name].split(",")))
    point = made["offspot"]["ap"]
    made["offspot"]["ap"] = {key: value for key, value in point.items() if value is not None}
