"""Is the web server of this container answering? Exit code 0 or 1, for Docker's HEALTHCHECK.

`HEALTH_URL` (default: plain HTTP on 8000) is asked under the first name of `ALLOWED_HOSTS`, as if a proxy
that ends TLS had asked. The certificate is not checked: it names the service, and this is loopback.
"""

# ruff: noqa: INP001  # a program, not a package
from __future__ import annotations

import http.client
import os
import ssl
import sys
from urllib.parse import urlsplit

DEFAULT = "http://127.0.0.1:8000/.well-known/jwks.json"


def main() -> int:
    """0 if the answer is 200."""
    url = urlsplit(os.environ.get("HEALTH_URL") or DEFAULT)
    name = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip("*.") or "localhost"
    try:
        status = _ask(_connection(url.scheme, f"{url.netloc}"), url.path or "/", name)
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{url.netloc} does not answer: {error}\n")
        return 1
    if status != http.HTTPStatus.OK:
        sys.stderr.write(f"{url.netloc}{url.path} answered {status} to a request for {name}\n")
        return 1
    return 0


def _connection(scheme: str, place: str) -> http.client.HTTPConnection:
    if scheme == "https":
        unchecked = ssl._create_unverified_context()  # noqa: S323, SLF001  # loopback, see above
        return http.client.HTTPSConnection(place, timeout=4, context=unchecked)
    return http.client.HTTPConnection(place, timeout=4)


def _ask(connection: http.client.HTTPConnection, path: str, name: str) -> int:
    headers = {"Host": name, "X-Forwarded-Proto": "https", "User-Agent": "healthcheck"}
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
