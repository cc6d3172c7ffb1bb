"""The demo's people, over HTTP: those who use the API, and an operator who confirms cards on his page."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import urljoin

import requests

from imager.stack.processes import StackError

TIMEOUT = 30


def _checked(answer: requests.Response) -> requests.Response:
    if not answer.ok:
        raise StackError(
            f"{answer.request.method} {answer.url} answered {answer.status_code}: {answer.text[:1000]}"
        )
    return answer


class Member:
    """An API client with a JWT: the member who orders, or staff who see where it is made."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self.api = f"{url}/api/v1/"
        self.session = requests.Session()
        tokens = _checked(
            self.session.post(
                f"{self.api}auth/token/", json={"email": email, "password": password}, timeout=TIMEOUT
            )
        ).json()
        self.session.headers["Authorization"] = f"Bearer {tokens['access']}"

    def media(self, kind: str) -> int:
        """The 8 GB media of that kind."""
        answer = _checked(
            self.session.get(f"{self.api}media/", params={"page_size": 100}, timeout=TIMEOUT)
        ).json()
        rows = answer["results"] if isinstance(answer, dict) else answer
        return next(int(row["id"]) for row in rows if row["kind"] == kind and row["gigabytes"] == 8)

    def place(self, body: dict[str, Any]) -> dict[str, Any]:
        """Place an order."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return dict(
            _checked(
                self.session.post(f"{self.api}orders/", json=body, headers=headers, timeout=TIMEOUT)
            ).json()
        )

    def order(self, order: str) -> dict[str, Any]:
        """How an order is."""
        return dict(_checked(self.session.get(f"{self.api}orders/{order}/", timeout=TIMEOUT)).json())


class Operator:
    """A browser without JavaScript at the station page."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.submit("/accounts/login/", self.page("/accounts/login/"), {"login": email, "password": password})

    def page(self, path: str) -> str:
        """The HTML of a page."""
        return _checked(self.session.get(self.url + path, timeout=TIMEOUT)).text

    def submit(self, path: str, page: str, fields: dict[str, str]) -> str:
        """Submit a form of `page`."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        data = {"csrfmiddlewaretoken": token[1] if token else "", **fields}
        answer = self.session.post(
            urljoin(self.url, path), data=data, headers={"Referer": self.url + path}, timeout=TIMEOUT
        )
        return _checked(answer).text

    def confirm_cards(self, host: str) -> list[str]:
        """Press each “confirm” button that the station shows. Returns the slots."""
        page = self.page(f"/station/{host}/")
        confirmed = []
        for form in re.findall(r"<form\b.*?</form>", page, re.DOTALL):
            action = re.search(r'action="(/station/[^"]+/([^/"]+)/confirm/)"', form)
            if action:
                hidden = dict(re.findall(r'name="(diskseq|boot_id)" value="([^"]*)"', form))
                self.submit(action[1], form, hidden)
                confirmed.append(action[2])
        return confirmed

    def ship(self, order: str, tracking: str) -> None:
        """Enter the tracking text on the order's page."""
        page = self.page(f"/orders/{order}/")
        self.submit(f"/orders/{order}/ship/", page, {"tracking": tracking})
