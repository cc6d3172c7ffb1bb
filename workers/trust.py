"""Whom this host believes to be its broker: TLS, a certificate of our authority, the right name."""

from __future__ import annotations

import base64
import binascii
import ssl
from typing import Any
from urllib.parse import urlsplit

from workers.links import is_loopback

BEGIN = "-----BEGIN CERTIFICATE-----"


def authorities(text: str) -> str:
    """The certificates in `text` as PEM: PEM as it is, or base64 of PEM, which fits one line of an env file.

    Empty for no text. Raises ValueError if there is no certificate in it.
    """
    if not text:
        return ""
    if BEGIN not in text:
        try:
            text = base64.b64decode("".join(text.split()), validate=True).decode("ascii")
        except (binascii.Error, UnicodeError) as error:
            raise ValueError(str(error)) from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, TypeError) as error:  # TypeError: letters beyond ASCII
        raise ValueError(str(error)) from error
    return text


def is_safe(url: str) -> bool:
    """Whether a password may travel to this broker: encrypted, or not further than this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "rediss" or (parts.scheme == "redis" and is_loopback(url))
    )


def checks(url: str, *, pem: str = "", ca_file: str = "") -> dict[str, Any]:
    """What the TLS connection to the broker `url` must show; nothing for one without TLS.

    Left out, redis would trust any impostor. Without an authority of our own, those of the system count.
    """
    if urlsplit(url).scheme != "rediss":
        return {}
    wanted: dict[str, Any] = {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }
    if pem:
        return {**wanted, "ssl_ca_data": pem}
    return {**wanted, "ssl_ca_certs": ca_file} if ca_file else wanted
