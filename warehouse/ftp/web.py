"""What the warehouse asks the server over HTTP, and what it makes of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import requests
from requests.auth import AuthBase

from warehouse.ftp.config import Config
from warehouse.ftp.names import is_uuid
from warehouse.ftp.refusal import one_line
from workers.contract import API, FileFacts

_T = TypeVar("_T")

TIMEOUT: Final = (5.0, 20.0)  # seconds to connect, and between two bytes of the answer


class ServerAway(Exception):
    """No usable answer: the server is away, broken, or does not know us. Trying again later makes sense."""


class ServerRefused(Exception):
    """The server understood and said no; `code` is its machine-readable reason."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(one_line(reason))
        self.code = code


@dataclass(frozen=True)
class Ended:
    """What ended since `cursor` was last given: attempts (task, attempt) and whole orders' images.

    `now`: the server's clock, seconds since 1970.
    """

    cursor: str
    now: float
    attempts: list[tuple[str, int]]
    removed: list[str]


class _Secret(AuthBase):
    """Passed as `auth`, so that a netrc file cannot replace our header."""

    def __init__(self, slug: str, secret: str) -> None:
        self._value = f"Warehouse {slug}:{secret}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class _Nobody(AuthBase):
    """No credentials at all, whatever the environment offers."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Web:
    """The server as the warehouse sees it. Thread-safe: each call has a connection of its own."""

    def __init__(self, config: Config) -> None:
        self._url = config.server_url
        self._secret = _Secret(config.slug, config.secret)
        self._verify: str | bool = str(config.ca_file) if config.ca_file else True

    def keys(self) -> dict[str, Any]:
        """The server's public keys as a JWK set."""
        return self._answer("GET", "/.well-known/jwks.json", _Nobody(), {})

    def publish(self, task: str, attempt: int, files: list[FileFacts]) -> None:
        """Ask whether this attempt may publish these files; raises `ServerRefused` when not."""
        self._answer("POST", f"{API}/warehouse/publish", self._secret, _body(task, attempt, files))

    def published(self, task: str, attempt: int, files: list[FileFacts]) -> None:
        """Tell that these files now are in place. Harmless to repeat."""
        self._answer("POST", f"{API}/warehouse/published", self._secret, _body(task, attempt, files))

    def ended(self, cursor: str) -> Ended:
        """What ended since `cursor` (empty: since ever)."""
        answer = self._answer("GET", f"{API}/warehouse/ended", self._secret, {"params": {"since": cursor}})
        return _understood(_ended, answer)

    def _answer(self, method: str, path: str, auth: AuthBase, extra: dict[str, Any]) -> dict[str, Any]:
        try:
            response = requests.request(
                method,
                self._url + path,
                auth=auth,
                timeout=TIMEOUT,
                verify=self._verify,
                allow_redirects=False,
                **extra,
            )
        except requests.RequestException as error:
            raise ServerAway(f"the server does not answer ({type(error).__name__})") from error
        if response.status_code in {200, 201, 204}:
            return _understood(_object, response.content or b"{}")
        raise _no(response)


def _body(task: str, attempt: int, files: list[FileFacts]) -> dict[str, Any]:
    return {"json": {"task": task, "attempt": attempt, "files": files}}


def _no(response: requests.Response) -> Exception:
    status = response.status_code
    if status in {401, 403}:
        return ServerAway(f"the server does not know this warehouse (HTTP {status}): check slug and secret")
    if not 400 <= status < 500 or status in {408, 425, 429}:
        return ServerAway(f"the server answers HTTP {status}")
    try:
        problem = _object(response.content)
    except (ValueError, TypeError):
        return ServerAway(f"the server answers HTTP {status} without a reason")
    reason = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
    return ServerRefused(str(problem.get("code") or problem.get("answer") or status), reason)


def _understood(reader: Callable[[Any], _T], content: object) -> _T:
    try:
        return reader(content)
    except (ValueError, TypeError, KeyError) as error:
        raise ServerAway("the server's answer is not in the agreed form") from error


def _object(content: bytes) -> dict[str, Any]:
    value = json.loads(content)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _ended(answer: dict[str, Any]) -> Ended:
    cursor, now = answer["cursor"], answer["now"]
    attempts = [(row["task"], row["attempt"]) for row in answer["ended"]]
    removed = list(answer["removed"])
    good = all(is_uuid(task) and type(attempt) is int for task, attempt in attempts)
    good = good and isinstance(cursor, str) and type(now) in {int, float}
    if not good or not all(is_uuid(order) for order in removed):
        raise ValueError("bad cursor, clock, attempt or order")
    return Ended(cursor=cursor, now=float(now), attempts=attempts, removed=removed)
