"""An example of a client: typed, with the models that `make schema` makes from docs/api.yaml.

Needs httpx and pydantic[email]. In a few lines:

    with Imager("https://imager.example", "awa@example.org", "…") as imager:
        order = imager.place(OrderInputRequest(configuration=7, kind="virtual", media=3))
        print(imager.order(order.id).status)
"""

# ruff: noqa: INP001  # an example to copy, not a package

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any, Self, TypeVar

import httpx
from imager_models import (
    Configuration,
    Desk,
    Media,
    Note,
    Order,
    OrderDetail,
    OrderInputRequest,
    PairOutput,
    PatchedConfigurationRequest,
    Problem,
)
from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)
SPARE = 60  # seconds before its end at which a token is exchanged


class Refused(Exception):
    """The service said no. `problem`: `code` for programs, `detail` for people, `errors` by field."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.code}: {problem.detail}")
        self.problem = problem


class Imager:
    """The service, for one account. Tokens are exchanged by themselves; 429 is waited for as it asks."""

    def __init__(
        self, url: str, email: str, password: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1/", timeout=30, transport=transport)
        try:
            pair = self._ask(PairOutput, "POST", "auth/token/", json={"email": email, "password": password})
        except BaseException:
            self._http.close()
            raise
        self._keep(pair)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def media(self) -> Iterator[Media]:
        """The sizes that can be ordered."""
        return self._all(Media, "media/")

    def orders(self, **filters: str) -> Iterator[Order]:
        """The organization's orders, newest first; `status="failed"` and the like for some of them."""
        return self._all(Order, "orders/", **filters)

    def order(self, ident: uuid.UUID) -> OrderDetail:
        """One order, with its stages, cards and history."""
        return self._ask(OrderDetail, "GET", f"orders/{ident}/")

    def place(self, wish: OrderInputRequest, *, key: str = "") -> OrderDetail:
        """Place an order. A lost answer is safe: with the same `key` it is placed once."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._ask(OrderDetail, "POST", "orders/", json=_body(wish), headers=headers)

    def configuration(self, ident: int) -> tuple[Configuration, str]:
        """A configuration, and the tag that `change` wants to see."""
        answer = self._send("GET", f"configurations/{ident}/")
        return Configuration.model_validate_json(answer.content), answer.headers["ETag"]

    def change(self, ident: int, change: PatchedConfigurationRequest, *, tag: str) -> Configuration:
        """Change what was read with that tag. Raises Refused (412) if somebody else was faster."""
        headers = {"If-Match": tag}
        return self._ask(
            Configuration, "PATCH", f"configurations/{ident}/", json=_body(change), headers=headers
        )

    def desk(self, order: uuid.UUID) -> Desk:
        """For staff: an order's priority, and what can be done with it now."""
        return self._ask(Desk, "GET", f"orders/{order}/desk/")

    def notes(self, order: uuid.UUID) -> Iterator[Note]:
        """For staff: what was written about an order, the oldest first."""
        return self._all(Note, f"orders/{order}/notes/")

    def note(self, order: uuid.UUID, text: str) -> Note:
        """For staff: leave a note that members never see."""
        return self._ask(Note, "POST", f"orders/{order}/notes/", json={"text": text})

    def _all(self, model: type[Model], path: str, **filters: str) -> Iterator[Model]:
        """Page by page, as far as the caller goes on."""
        page = self._send("GET", path, params={"page_size": "100", **filters}).json()
        while True:
            yield from (model.model_validate(row) for row in page["results"])
            if not page["next"]:
                return
            page = self._send("GET", page["next"]).json()

    def _ask(self, model: type[Model], method: str, path: str, **how: Any) -> Model:
        return model.model_validate_json(self._send(method, path, **how).content)

    def _send(self, method: str, path: str, **how: Any) -> httpx.Response:
        if not path.startswith("auth/"):
            self._renew()
        answer = self._http.request(method, path, **how)
        while answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            time.sleep(int(answer.headers.get("Retry-After", "1")))
            answer = self._http.request(method, path, **how)
        if answer.is_error:
            raise Refused(Problem.model_validate_json(answer.content))
        return answer

    def _renew(self) -> None:
        if time.monotonic() > self._until:
            self._keep(self._ask(PairOutput, "POST", "auth/token/refresh/", json={"refresh": self._refresh}))

    def _keep(self, pair: PairOutput) -> None:
        self._refresh, self._until = pair.refresh, time.monotonic() + pair.expires_in - SPARE
        self._http.headers["Authorization"] = f"Bearer {pair.access}"


def _body(model: BaseModel) -> Any:
    """Only what was said: what is left out keeps its value."""
    return model.model_dump(mode="json", exclude_unset=True)
