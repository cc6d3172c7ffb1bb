"""What may stand in the fields of a configuration. Each message names the limit and an example."""

from __future__ import annotations

import re
import unicodedata
import zoneinfo
from typing import Any, Final
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from orders import countries
from workers.contract import (
    BOOT_CONFIG,
    BOOT_PATH,
    CARD_FILE_BYTES,
    CARD_VARIABLES,
    MAX_BOOT_PATH,
    MAX_CARD_FILES,
    clash,
    longest,
)

SSID_BYTES: Final = 32
WIFI_PASSWORD: Final = (8, 63)

_ssid = RegexValidator(
    r'\A[^!#;+\]/"\t\x00-\x1f\x7f][^+\]/"\t\x00-\x1f\x7f]*\Z',
    _(
        'The Wi-Fi name has 1 to 32 characters; not + ] / " or a tab, and not ! # ; at the beginning. '
        "Example: Kiwix Hotspot"
    ),
    "ssid",
)
hostname = RegexValidator(
    r"\A[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\Z",
    _("The domain has 1 to 32 small letters, digits and inner hyphens. Example: school-library"),
    "hostname",
)
_wifi_password = RegexValidator(
    r"\A[\u0020-\u007e]*\Z",
    _(
        "The Wi-Fi password may hold letters, digits and signs of the basic Latin alphabet only, "
        "without accents. Replace the others."
    ),
    "wifi_password",
)
account = RegexValidator(
    r"\A[A-Za-z0-9_-]{1,31}\Z",
    _("The admin account has 1 to 31 letters, digits, _ and -. Example: admin"),
    "account",
)
admin_password = RegexValidator(
    r"\A[A-Za-z0-9_-]{4,31}\Z",
    _("The admin password has 4 to 31 letters, digits, _ and -. Choose one of these."),
    "admin_password",
)
sha256 = RegexValidator(r"\A[0-9a-f]{64}\Z", _("64 hexadecimal digits, small letters."), "sha256")


def ssid(value: str) -> None:
    """A name for a Wi-Fi network: what access points and phones can take."""
    _ssid(value)
    size = len(value.encode("utf-8", "surrogatepass"))
    if size > SSID_BYTES:
        words = {"has": size, "limit": SSID_BYTES}
        raise ValidationError(
            _(
                "The Wi-Fi name takes %(has)s bytes in UTF-8, but at most %(limit)s fit: letters with "
                "accents take 2 bytes, other scripts 3 or 4. Shorten it."
            ),
            "ssid",
            words,
        )


def wifi_password(value: str) -> None:
    """A WPA2 passphrase."""
    _wifi_password(value)
    least, most = WIFI_PASSWORD
    if not least <= len(value) <= most:
        raise ValidationError(
            _("The Wi-Fi password has %(least)s to %(most)s characters; this one has %(has)s. Change it."),
            "wifi_password",
            {"least": least, "most": most, "has": len(value)},
        )


def timezone_name(value: str) -> None:
    """An IANA time zone."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(
            _("Unknown time zone. Choose one of the IANA list, for example Africa/Bamako."), "timezone"
        )


def country(value: str) -> None:
    """A country of ISO 3166."""
    if value not in countries.CODES:
        raise ValidationError(_("Not a country code. Use two capital letters, for example ML."), "country")


def content_url(value: str) -> None:
    """An http(s) address without credentials."""
    try:
        parts = urlsplit(value)
    except ValueError:  # brackets that hold no address
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValidationError(_("Give an address that begins with https:// or http://."), "content_url")
    if parts.username or parts.password:
        raise ValidationError(_("An address without user name and password."), "content_url")


def preload_url(value: str) -> None:
    """An address that creator hosts can fetch an archive from."""
    content_url(value)
    if not value.isprintable() or " " in value:
        raise ValidationError(_("The address must not hold blanks or control characters."), "preload_url")


def card_path(value: str) -> None:
    """A place below /data, without `.` and `..`."""
    root, *parts = value.split("/")[1:] or [""]
    plain = value.startswith("/") and root == "data" and parts and value.isprintable()
    if not plain or {"", ".", ".."} & set(parts) or any(len(part.encode()) > 255 for part in parts):
        raise ValidationError(
            _("A path below /data, without “.” and “..”. Example: /data/content/zims/wikipedia.zim"),
            "card_path",
        )
    if parts[0] == "lost+found":
        raise ValidationError(_("lost+found belongs to the file system. Choose another name."), "card_path")


def per_card(value: Any) -> None:
    """Files of the boot partition that say something else on each card; what the creator takes."""
    keys = {"to", "content"}
    if not (
        isinstance(value, list)
        and all(isinstance(each, dict) and each.keys() == keys for each in value)
        and all(isinstance(text, str) for each in value for text in each.values())
    ):
        raise ValidationError(_("Give a list of files, each with “to” and “content” as text."), "per_card")
    if len(value) > MAX_CARD_FILES:
        told = _("A card has at most %(most)s files of its own; these are %(has)s. Remove some.")
        raise ValidationError(told, "per_card", {"most": MAX_CARD_FILES, "has": len(value)})
    for each in value:
        _boot_path(each["to"])
        _card_content(each["to"], each["content"])
    if twice := clash([each["to"] for each in value]):
        told = _(
            "“%(to)s” is there twice, or another file's folder (capitals make no difference). Rename one."
        )
        raise ValidationError(told, "per_card", {"to": twice})


def _boot_path(to: str) -> None:
    fits = len(to) <= MAX_BOOT_PATH and re.fullmatch(BOOT_PATH, to)
    if not fits or to.casefold().split("/")[0] == BOOT_CONFIG:
        raise ValidationError(
            _(
                "“%(to)s” is no name for a file of each card: up to %(most)s letters without accents, "
                "digits, “.”, “-” and “_”, folders with “/”, and not %(taken)s. Example: serial.txt"
            ),
            "per_card",
            {"to": to[:MAX_BOOT_PATH], "most": MAX_BOOT_PATH, "taken": BOOT_CONFIG},
        )


def _can_be_shown(char: str) -> bool:
    """Also blanks of all widths: “Zs”, which Python counts as not printable."""
    return char.isprintable() or char in "\n\t" or unicodedata.category(char) == "Zs"


def _card_content(to: str, content: str) -> None:
    if not any(variable in content for variable in CARD_VARIABLES):
        told = _("“%(to)s” would be the same on all cards. Put {serial} or {suffix} into what it says.")
        raise ValidationError(told, "per_card", {"to": to})
    if not all(_can_be_shown(char) for char in content):
        told = _("“%(to)s” holds characters that cannot be shown. Remove them.")
        raise ValidationError(told, "per_card", {"to": to})
    if longest(content) > CARD_FILE_BYTES:
        told = _(
            "“%(to)s” may grow to %(has)s bytes on a card, but at most %(most)s fit. Shorten what it says."
        )
        raise ValidationError(told, "per_card", {"to": to, "has": longest(content), "most": CARD_FILE_BYTES})
