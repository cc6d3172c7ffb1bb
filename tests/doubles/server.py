"""The server as a host sees it: a real HTTP server that speaks `docs/protocol.md`, with knobs for trouble."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from workers.contract import PROTOCOL

EMAIL, PASSWORD = "writer-1@example.org", "the-host-password"


@dataclass
class Task:
    """One task and everything that a host said about it."""

    kind: str
    spec: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    order: str = field(default_factory=lambda: str(uuid.uuid4()))
    attempt: int = 0
    claim_id: str = ""
    open: bool = True  # may be claimed
    answer: str = "go"
    beat_answer: str = "go"  # what beats are told, if not the same
    deadline: int = 3600
    reports: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    permits: list[dict[str, Any]] = field(default_factory=list)
    permit_problem: tuple[int, str] | None = None
    final_problem: tuple[int, str] | None = None
    log: str = ""

    @property
    def finals(self) -> list[dict[str, Any]]:
        return [report for report in self.reports if "outcome" in report]


class Refuse(Exception):
    def __init__(self, status: int, code: str, **more: Any) -> None:
        super().__init__(code)
        self.status = status
        self.body = {
            "type": "about:blank",
            "status": status,
            "code": code,
            "detail": f"refused: {code}",
            **more,
        }


class Server:
    """`url` speaks the protocol. `changed` is notified after every call."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.ring: list[str] = []
        self.drain = False
        self.keep: list[str] | None = None  # absent from the answers
        self.pace: float | None = None  # the same
        self.down = False  # 503 to everything
        self.lose: Callable[[str], str] = lambda _path: ""  # "before" or "after": cut without an answer
        self.password = PASSWORD
        self.ticket: dict[str, Any] = {}
        self.tickets = 0
        self.beats: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        self.connections = 0
        self.expires_in = 3600.0
        self.report_every = 1
        self.access: set[str] = set()
        self.refresh: set[str] = set()
        self.events: set[str] = set()
        self.assigned: list[dict[str, Any]] = []  # more than the tasks say
        self.changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def add(self, kind: str, spec: dict[str, Any], **more: Any) -> Task:
        task = Task(kind, spec, **more)
        self.tasks[task.id] = task
        return task

    def wait_for(self, condition: Callable[[], Any], within: float = 120) -> None:
        """Return once `condition` holds; it is looked at after every call that the server takes."""
        with self.changed:
            assert self.changed.wait_for(condition, within), "the server never heard it"

    def forget_tokens(self) -> None:
        self.access.clear()

    # the calls

    def call(self, method: str, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        parts = path.removeprefix("/api/v1/").strip("/").split("/")
        name = "/".join(parts[:3]) if parts[0] == "auth" else parts[-1]
        self.calls[name] += 1
        if name in ("auth/token", "auth/token/refresh"):
            return getattr(self, f"_{parts[-1]}")(body)
        if token not in self.access:
            raise Refuse(401, "token_not_valid")
        if parts[:2] == ["hosts", "me"]:
            return getattr(self, f"_{name}")(body)
        task = self.tasks.get(parts[1])
        if task is None:
            raise Refuse(404, "not_found")
        return getattr(self, f"_{name}")(task, body)

    def _token(self, body: dict[str, Any]) -> dict[str, Any]:
        if (body["email"], body["password"]) != (EMAIL, self.password):
            raise Refuse(401, "no_active_account")
        return self._grant()

    def _refresh(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["refresh"] not in self.refresh:
            raise Refuse(401, "token_not_valid")
        self.refresh.remove(body["refresh"])
        return self._grant()

    def _grant(self) -> dict[str, Any]:
        number = next(self._numbers)
        access, refresh = (f"eyJhbGciOiJ9.eyJudW1iZXIi{kind}{number}.c2lnbmF0dXJl" for kind in "ar")
        self.access.add(access)
        self.refresh.add(refresh)
        return {"access": access, "refresh": refresh, "expires_in": self.expires_in}

    def _beat(self, body: dict[str, Any]) -> dict[str, Any]:
        self.beats.append(body)
        kinds = {task.id: task.kind for task in self.tasks.values()}
        ring = [task for task in self.ring if kinds.get(task, body["kind"]) == body["kind"]]
        answer = {"ring": ring, "drain": self.drain, "answers": self._answers(body.get("attempts", []))}
        told = {"keep": self.keep, "pace": self.pace, "every": self.pace}
        return answer | {name: value for name, value in told.items() if value is not None}

    def _answers(self, held: list[dict[str, Any]]) -> dict[str, str]:
        tasks = [self.tasks[attempt["task"]] for attempt in held]
        words = {task.id: task.answer if task.answer != "go" else task.beat_answer for task in tasks}
        return {name: word for name, word in words.items() if word != "go"}

    def _assignments(self, _body: dict[str, Any]) -> dict[str, Any]:
        mine = [
            self._assignment(task) for task in self.tasks.values() if task.claim_id and not self._over(task)
        ]
        return {"assignments": [*mine, *self.assigned]}

    def _over(self, task: Task) -> bool:
        return any(report["attempt"] == task.attempt for report in [*task.finals, *task.releases])

    def _assignment(self, task: Task) -> dict[str, Any]:
        return {
            "task": task.id,
            "order": task.order,
            "kind": task.kind,
            "attempt": task.attempt,
            "claim_id": task.claim_id,
            "lease": 90,
            "deadline": task.deadline,
            "report_every": self.report_every,
            "spec": task.spec,
        }

    def _claim(self, task: Task, body: dict[str, Any]) -> dict[str, Any]:
        if body["protocol"] != PROTOCOL:
            raise Refuse(426, "protocol")
        if body["claim_id"] != task.claim_id:
            if not task.open:
                raise Refuse(409, "taken")
            task.open, task.claim_id, task.attempt = False, body["claim_id"], task.attempt + 1
        return self._assignment(task)

    def _report(self, task: Task, body: dict[str, Any]) -> dict[str, Any]:
        if body["event_id"] in self.events:
            return {"answer": task.answer}
        if task.answer == "stale" or body["attempt"] != task.attempt:
            raise Refuse(409, "stale", answer="stale")
        if "outcome" in body and body["outcome"] == "done" and task.final_problem:
            raise Refuse(*task.final_problem)
        self.events.add(body["event_id"])
        task.reports.append(body)
        self._take_log(task, body.get("log"))
        return {"answer": task.answer if "outcome" not in body else "go"}

    def _take_log(self, task: Task, piece: dict[str, Any] | None) -> None:
        if piece:
            assert piece["offset"] <= len(task.log), "a gap in the log"
            task.log = task.log[: piece["offset"]] + piece["text"]

    def _release(self, task: Task, body: dict[str, Any]) -> dict[str, Any]:
        if body["event_id"] not in self.events:
            self.events.add(body["event_id"])
            task.releases.append(body)
            task.open, task.claim_id = True, ""
        return {}

    def _ticket(self, task: Task, body: dict[str, Any]) -> dict[str, Any]:
        if body["attempt"] != task.attempt:
            raise Refuse(409, "stale")
        self.tickets += 1
        return {**self.ticket, "user": f"{task.id}.{task.attempt}", "right": "read", "expires_in": 600}

    def _permit(self, task: Task, body: dict[str, Any]) -> dict[str, Any]:
        task.permits.append(body)
        if task.permit_problem:
            raise Refuse(*task.permit_problem)
        return {"serial": task.spec.get("serial", "S-1")}

    # HTTP

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                with server.changed:
                    server.connections += 1

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                lose = server.lose(self.path)
                if lose == "before":
                    self.close_connection = True
                    return
                status, answer = self._answer(body)
                with server.changed:
                    server.changed.notify_all()
                if lose == "after":
                    self.close_connection = True
                    return
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST  # noqa: N815 - the library's name

            def _answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
                if server.down:
                    return 503, {"detail": "down"}
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                with server.changed:
                    try:
                        return 200, server.call(self.command, self.path, body, token)
                    except Refuse as refusal:
                        return refusal.status, refusal.body

            def log_message(self, *_args: object) -> None:
                pass

        return Handler
