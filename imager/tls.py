"""What the broker must show before the server talks to it. Left out, redis would trust any impostor."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

TLS = "rediss"


def broker_checks(url: str, ca_file: str = "") -> dict[str, Any]:
    """Arguments for redis; none for a URL without TLS. Without a CA file, the system's authorities count."""
    if urlsplit(url).scheme != TLS:
        return {}
    checks: dict[str, Any] = {
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "ssl_check_hostname": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }
    return {**checks, "ssl_ca_certs": ca_file} if ca_file else checks


def without_options(name: str, url: str) -> str:
    """The broker's address in the setting `name`. Raises if it has options, which overrule our checks."""
    if urlsplit(url).query:
        raise ImproperlyConfigured(
            f"{name} must not have options behind a “?”: redis would take them over our own, even one that "
            "turns the check of certificates off. Remove them; REDIS_CA_FILE names an authority of your own."
        )
    return url


def certificates(ca_file: str) -> str:
    """The PEM of `ca_file` as one line of base64, for an env file; empty for none."""
    if not ca_file:
        return ""
    try:
        pem = Path(ca_file).read_text(encoding="ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ImproperlyConfigured(f"{ca_file} holds no certificates in PEM: {error}.") from error
    return base64.b64encode(pem.encode()).decode()
