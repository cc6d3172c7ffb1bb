"""The server, as a host sees it: one method per call of `docs/protocol.md`."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self, cast

import requests
from requests.auth import AuthBase

from workers.backoff import Backoff
from workers.config import Config
from workers.contract import (
    API,
    Answer,
    Assignment,
    Beat,
    BeatAnswer,
    Claim,
    PermitRequest,
    Report,
    Ticket,
)
from workers.errors import HostError
from workers.links import is_loopback
from workers.tokens import Grant, Tokens

TIMEOUT = (5.0, 20.0)  # seconds to connect, seconds between two bytes of the answer
_ERRNO = re.compile(r"\[Errno -?\d+\] ([^\"')]+)")
_AWAY = frozenset({408, 429, 500, 502, 503, 504})


class ServerRefused(HostError):
    """The server understood and said no: `status`, its stable `code` and its sentence `detail`."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(code, f"The server refused ({status} {code}): {detail}")
        self.status = status
        self.detail = detail


class ServerAway(HostError):
    """No answer (`status` 0), or none that means anything: trying again later is right."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__("server_away", message)
        self.status = status


@dataclass(frozen=True)
class Patience:
    """How often a call is tried before it fails with `ServerAway`."""

    tries: int = 4
    backoff: Backoff = field(default_factory=lambda: Backoff(first=0.5, most=8.0))


ONCE = Patience(tries=1)


class _Bearer(AuthBase):
    """Also keeps `requests` from taking a password for this host out of a .netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Api:
    """Thread-safe. Tokens are shared with the other processes of the host through its data folder."""

    def __init__(self, config: Config, patience: Patience = Patience()) -> None:
        self._config = config
        self._patience = patience
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.trust_env = not is_loopback(config.url)  # proxies lead outside
        account = f"{config.url} {config.email}"
        self._tokens = Tokens(config.data, account, login=self._login, refresh=self._refresh)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def claim(self, task: str, claim: Claim) -> Assignment:
        """Take the task. `ServerRefused` 409, 403, 404 or 426 when it is not for us."""
        return cast("Assignment", self._post(f"/tasks/{task}/claim", claim))

    def report(self, task: str, report: Report, patience: Patience | None = None) -> Answer:
        """Tell where the attempt is; what the server says to it."""
        try:
            answer = self._post(f"/tasks/{task}/report", report, patience)
        except ServerRefused as refusal:
            if refusal.status == 409:
                return Answer.STALE
            raise
        return _answer(answer)

    def release(self, task: str, event_id: str, attempt: int, patience: Patience | None = None) -> None:
        """Give the task back unfinished."""
        self._post(f"/tasks/{task}/release", {"event_id": event_id, "attempt": attempt}, patience)

    def ticket(self, task: str, attempt: int) -> Ticket:
        """Where and how to log in to the warehouse, for this attempt alone."""
        return cast("Ticket", self._post(f"/tasks/{task}/ticket", {"attempt": attempt}))

    def permit(self, task: str, request: PermitRequest) -> str:
        """The server's word that this insertion may be wiped; the card's serial number."""
        return str(self._post(f"/tasks/{task}/permit", request)["serial"])

    def beat(self, beat: Beat, patience: Patience = ONCE) -> BeatAnswer:
        """This worker is here; which tasks wait for it."""
        return cast("BeatAnswer", self._post("/hosts/me/beat", beat, patience))

    def assignments(self, patience: Patience | None = None) -> list[Assignment]:
        """What the server believes this host is running."""
        return cast(
            "list[Assignment]", self._call("GET", "/hosts/me/assignments", None, patience)["assignments"]
        )

    def _post(self, path: str, body: Mapping[str, Any], patience: Patience | None = None) -> dict[str, Any]:
        return self._call("POST", path, body, patience)

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, patience: Patience | None = None
    ) -> dict[str, Any]:
        access = self._tokens.access()
        try:
            return self._try(method, path, body, access, patience)
        except ServerRefused as refusal:
            if refusal.status != 401:
                raise
        return self._try(method, path, body, self._tokens.access(refused=access), patience)

    def _login(self) -> Grant:
        body = {"email": self._config.email, "password": self._config.password}
        return _grant(self._try("POST", "/auth/token/", body, ""))

    def _refresh(self, token: str) -> Grant | None:
        try:
            return _grant(self._try("POST", "/auth/token/refresh/", {"refresh": token}, ""))
        except ServerRefused as refusal:
            if refusal.status in (400, 401):
                return None
            raise

    def _try(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        access: str,
        patience: Patience | None = None,
    ) -> dict[str, Any]:
        patience = patience or self._patience
        delays = patience.backoff.delays()
        for number in itertools.count(1):
            try:
                return self._once(method, path, body, access)
            except ServerAway:
                if number >= patience.tries:
                    raise
            time.sleep(next(delays))
        raise AssertionError("itertools.count ended")

    def _once(self, method: str, path: str, body: Mapping[str, Any] | None, access: str) -> dict[str, Any]:
        verify = str(self._config.ca_file) if self._config.ca_file else True
        try:
            reply = self._session.request(
                method,
                f"{self._config.url}{API}{path}",
                json=body,
                auth=_Bearer(access),
                timeout=TIMEOUT,
                verify=verify,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise HostError(
                "bad_certificate",
                f"The certificate of {self._config.url} is not one that this host trusts ({_cause(error)}): "
                "name the CA's certificate in ca_file, or correct url.",
            ) from None
        except requests.RequestException as error:
            raise ServerAway(
                f"{self._config.url} does not answer ({_cause(error)}): check the network and url."
            ) from None
        return _body(reply)


def _cause(error: BaseException) -> str:
    """The system's own words, out of the three representations that `requests` wraps around them."""
    words = _ERRNO.search(str(error))
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return words[1] if words else type(reason or error).__name__


def _body(reply: requests.Response) -> dict[str, Any]:
    if reply.status_code in _AWAY:
        raise ServerAway(
            f"The server answered {reply.status_code}: it is busy or being restarted.", reply.status_code
        )
    body = _json(reply)
    if 200 <= reply.status_code < 300:
        if body is None:
            raise ServerRefused(
                reply.status_code, "not_ours", "the answer is not of this protocol; check url"
            )
        return body
    problem = body or {}
    code = str(problem.get("code") or f"http_{reply.status_code}")
    raise ServerRefused(
        reply.status_code, code, str(problem.get("detail") or reply.reason or "no reason given")
    )


def _json(reply: requests.Response) -> dict[str, Any] | None:
    try:
        body = reply.json() if reply.content else {}
    except requests.JSONDecodeError:
        return None
    return body if isinstance(body, dict) else None


def _answer(body: Mapping[str, Any]) -> Answer:
    try:
        return Answer(body.get("answer", ""))
    except ValueError:
        raise ServerRefused(200, "not_ours", f"unknown answer {body.get('answer')!r} to a report") from None


def _grant(body: Mapping[str, Any]) -> Grant:
    try:
        return Grant(str(body["access"]), str(body["refresh"]), float(body["expires_in"]))
    except (KeyError, TypeError, ValueError):
        raise ServerRefused(200, "not_ours", "the login's answer holds no tokens; check url") from None
