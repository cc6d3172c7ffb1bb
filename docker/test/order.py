"""The client of test.sh, from outside of the containers: two orders by API, a part of the download.

`order.py SERVER_NAME PORT CA_FILE EMAIL CONFIGURATION CARDS`, the password on standard input. Needs only the
standard library. Exit code 0 only if the image can be downloaded in ranges and all cards are verified.
"""

# ruff: noqa: INP001, T201  # a program, and it talks
from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PATIENCE = 300
FOOTER = b"IMGRIDX1"
RECIPIENT = {
    "recipient_name": "School",
    "recipient_email": "school@example.org",
    "recipient_address": "Street 1",
    "recipient_country": "ML",
}


class Failed(Exception):
    """The deployment does not do what it should."""


class Loopback(http.client.HTTPSConnection):
    """Speaks to the published port of loopback, and insists on the server's real name in the certificate."""

    def __init__(self, name: str, port: int, trust: ssl.SSLContext) -> None:
        super().__init__(name, port, timeout=60, context=trust)
        self.trust = trust

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
        self.sock = self.trust.wrap_socket(plain, server_hostname=self.host)


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Client:
    name: str
    port: int
    trust: ssl.SSLContext
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        connection = Loopback(self.name, self.port, self.trust)
        try:
            data = None if body is None else json.dumps(body)
            sent = {"Content-Type": "application/json", **self.headers, **headers}
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def api(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        answer = self.ask(method, f"/api/v1/{path}", body, **headers)
        if answer.status not in {200, 201}:
            raise Failed(f"{method} {path} answered {answer.status}: {answer.body[:500]!r}")
        return json.loads(answer.body)

    def log_in(self, email: str, password: str) -> None:
        tokens = self.api("POST", "auth/token/", {"email": email, "password": password})
        self.headers["Authorization"] = f"Bearer {tokens['access']}"

    def place(self, kind: str, configuration: int, quantity: int = 1) -> str:
        found = self.api("GET", "media/?page_size=100")
        rows = found["results"] if isinstance(found, dict) else found
        media = next(row["id"] for row in rows if row["kind"] == kind and row["gigabytes"] == 8)
        body = {"configuration": configuration, "kind": kind, "media": media, "quantity": quantity}
        if kind == "physical":
            body |= RECIPIENT
        order = self.api("POST", "orders/", body, **{"Idempotency-Key": str(uuid.uuid4())})
        print(f"order #{order['number']}: {quantity} × {kind}")
        return str(order["id"])

    def follow(self, order: str, goal: str) -> dict[str, Any]:
        """Until the order is `goal`; each change is printed."""
        said, end = "", time.monotonic() + PATIENCE
        while True:
            seen: dict[str, Any] = self.api("GET", f"orders/{order}/")
            steps = [f"{stage['kind']} {stage['step'] or stage['status']}" for stage in seen["stages"]]
            now = f"  #{seen['number']} {seen['status']}: {', '.join(steps)}"
            if now != said:
                print(said := now, flush=True)
            if seen["status"] == goal:
                return seen
            if seen["status"] in {"failed", "canceled"} or time.monotonic() > end:
                raise Failed(f"#{seen['number']} is {seen['status']}, not {goal}: {seen.get('failure')}")
            time.sleep(1)


def prove_download(client: Client, url: str) -> None:
    """Without any login: the first bytes and the last, by Range."""
    parts = urlsplit(url)
    if (parts.scheme, parts.hostname) != ("https", client.name):
        raise Failed(f"the download link leads elsewhere: {url}")
    stranger = Client(client.name, client.port, client.trust)
    first = stranger.ask("GET", parts.path, Range="bytes=0-1023")
    total = int(first.headers.get("Content-Range", "0/0").rpartition("/")[2])
    if first.status != 206 or len(first.body) != 1024 or total < 1024:
        raise Failed(f"{url} answered {first.status} with {len(first.body)} bytes to a Range request")
    last = stranger.ask("GET", parts.path, Range=f"bytes={total - 16}-")
    if last.status != 206 or not last.body.endswith(FOOTER):
        raise Failed(f"{url}: its last bytes are not the footer of an image")
    print(f"206: an image of {total:,} bytes can be downloaded in ranges")


def main(name: str, port: str, ca: str, email: str, configuration: str, quantity: str) -> None:
    client = Client(name, int(port), ssl.create_default_context(cafile=ca))
    client.log_in(email, sys.stdin.readline().rstrip("\n"))
    download = client.place("virtual", int(configuration))
    order = client.place("physical", int(configuration), int(quantity))
    prove_download(client, client.follow(download, "available")["download_url"])
    cards = client.follow(order, "ready_to_ship")["cards"]
    if [card["verdict"] for card in cards] != ["accepted"] * int(quantity):
        raise Failed(f"{quantity} accepted cards were expected, not {cards}")
    for card in cards:
        print(f"card {card['serial']} was written and read back")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Failed, OSError) as error:
        sys.exit(f"order.py: {error}")
