"""The HTTP client against a server that loses answers, forgets tokens, is down, or is somebody else."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.doubles.certificates import make_certificate
from tests.doubles.server import PASSWORD, Server, Task
from tests.integration.workers.conftest import HASTE
from workers import machine
from workers.api import ONCE, Api, ServerAway, ServerRefused
from workers.config import Config
from workers.contract import PROTOCOL, Answer, Beat, Claim, Report
from workers.errors import HostError

CLAIM: Claim = {"claim_id": "c-1", "boot_id": "b", "protocol": PROTOCOL, "version": "0"}
BEAT: Beat = {
    "kind": "create",
    "boot_id": "b",
    "version": "0",
    "protocol": PROTOCOL,
    "free_bytes": 1,
    "running": [],
}


def report(**more: object) -> Report:
    return {"event_id": "e-1", "attempt": 1, "step": "building", **more}  # type: ignore[typeddict-item]


@pytest.fixture
def task(server: Server) -> Task:
    return server.add("create", {"name": "demo", "recipe": ""})


def test_every_call_of_the_protocol(server: Server, task: Task, api: Api) -> None:
    assignment = api.claim(task.id, CLAIM)
    assert (assignment["task"], assignment["attempt"], assignment["claim_id"]) == (task.id, 1, "c-1")
    assert [row["task"] for row in api.assignments()] == [task.id]
    assert api.report(task.id, report()) is Answer.GO
    task.answer = "cancel"
    assert api.report(task.id, report(event_id="e-2")) is Answer.CANCEL
    task.answer = "stale"
    assert api.report(task.id, report(event_id="e-3")) is Answer.STALE
    server.ticket = {"host": "h", "port": 21, "tls": True, "password": "p"}
    assert api.ticket(task.id, 1)["user"] == f"{task.id}.1"
    permit = {"event_id": "p", "attempt": 1, "slot": "A", "diskseq": 1, "boot_id": "b", "card_bytes": 1}
    assert api.permit(task.id, permit) == "S-1"  # type: ignore[arg-type]
    server.ring = [task.id]
    assert api.beat(BEAT) == {"ring": [task.id], "drain": False, "answers": {}}
    api.release(task.id, "r-1", 1)
    assert [release["event_id"] for release in task.releases] == ["r-1"]


def test_the_connection_is_kept_between_calls(server: Server, task: Task, api: Api) -> None:
    """A TLS handshake with every beat would cost more than the beat."""
    api.beat(BEAT)
    api.claim(task.id, CLAIM)
    api.beat(BEAT)
    assert server.calls["beat"] == 2
    assert server.connections == 1


@pytest.mark.parametrize(
    ("status", "code"), [(403, "not_yours"), (409, "taken"), (426, "protocol"), (404, "not_found")]
)
def test_refusals_keep_their_code(server: Server, task: Task, api: Api, status: int, code: str) -> None:
    task.open = code != "taken"
    target = "00000000-0000-0000-0000-000000000000" if code == "not_found" else task.id
    claim = {**CLAIM, "protocol": PROTOCOL + (code == "protocol")}
    task.permit_problem = (403, "not_yours")
    call = api.permit if code == "not_yours" else api.claim
    with pytest.raises(ServerRefused) as refusal:
        call(target, claim)  # type: ignore[operator]
    assert (refusal.value.status, refusal.value.code) == (status, code)
    assert f"refused: {code}" in refusal.value.message


def test_an_answer_lost_once_is_asked_for_again(server: Server, task: Task, api: Api) -> None:
    lost = iter(["before", "after"])
    server.lose = lambda path: next(lost, "") if path.endswith("/claim") else ""
    assert api.claim(task.id, CLAIM)["attempt"] == 1
    assert server.calls["claim"] == 2, "the first one never got through"


def test_a_server_that_is_down_is_away(server: Server, task: Task, api: Api) -> None:
    api.claim(task.id, CLAIM)
    server.down = True
    with pytest.raises(ServerAway, match="503"):
        api.report(task.id, report(), ONCE)


def test_nobody_at_the_address(config: Config) -> None:
    config.data.mkdir()
    with socket.socket() as unused:  # bound, never listening: nobody else can take it
        unused.bind(("127.0.0.1", 0))
        nobody = replace(config, url=f"http://127.0.0.1:{unused.getsockname()[1]}")
        with (
            Api(nobody, HASTE) as api,
            pytest.raises(ServerAway, match=r"Connection refused.*check the network"),
        ):
            api.assignments()


def test_wrong_password(server: Server, api: Api) -> None:
    server.password = "changed"
    with pytest.raises(ServerRefused) as refusal:
        api.assignments()
    assert (refusal.value.status, refusal.value.code) == (401, "no_active_account")
    assert PASSWORD not in refusal.value.message
    assert server.calls["auth/token"] == 1, "a wrong password is not tried again"


def test_one_login_serves_many_calls(server: Server, api: Api) -> None:
    for _ in range(5):
        api.assignments()
    assert server.calls["auth/token"] == 1
    assert server.calls["auth/token/refresh"] == 0


def test_tokens_are_kept_for_the_next_process_and_from_others(
    server: Server, api: Api, config: Config
) -> None:
    api.assignments()
    with Api(config, HASTE) as again:
        again.assignments()
    assert server.calls["auth/token"] == 1
    file = config.data / "tokens.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in file.read_text()


def test_a_token_is_renewed_before_it_ends(server: Server, api: Api) -> None:
    server.expires_in = 0.0
    api.assignments()
    api.assignments()
    assert server.calls["auth/token"] == 1
    assert server.calls["auth/token/refresh"] == 1
    assert server.calls["assignments"] == 2, "no call was made with a token that had ended"


def test_a_token_refused_early_is_renewed_once(server: Server, api: Api) -> None:
    api.assignments()
    server.forget_tokens()
    api.assignments()
    assert (server.calls["auth/token"], server.calls["auth/token/refresh"]) == (1, 1)


def test_a_lost_session_begins_with_a_login(server: Server, api: Api) -> None:
    api.assignments()
    server.forget_tokens()
    server.refresh.clear()
    api.assignments()
    assert server.calls["auth/token"] == 2


def test_an_account_that_is_refused_for_good_is_told(server: Server, api: Api) -> None:
    api.assignments()
    server.forget_tokens()
    server.refresh.clear()
    server.password = "changed"
    with pytest.raises(ServerRefused, match="401"):
        api.assignments()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"owner": 1}', "\udcff"])
def test_a_damaged_token_file_costs_a_login(server: Server, api: Api, config: Config, text: str) -> None:
    (config.data / "tokens.json").write_bytes(text.encode(errors="surrogateescape"))
    api.assignments()
    assert server.calls["auth/token"] == 1


def test_tokens_of_another_account_or_boot_are_not_used(server: Server, api: Api, config: Config) -> None:
    api.assignments()
    with Api(replace(config, email="other@example.org"), HASTE) as other, pytest.raises(ServerRefused):
        other.assignments()
    file = config.data / "tokens.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "boot_id": "an earlier one"}))
    api.assignments()
    assert server.calls["auth/token/refresh"] == 1


def test_the_wall_clock_plays_no_part(
    server: Server, api: Api, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.assignments()
    monkeypatch.setattr("time.time", lambda: 4e9)
    api.assignments()
    assert server.calls["auth/token/refresh"] == 0
    monkeypatch.setattr(machine, "uptime", lambda: 10**9)
    api.assignments()
    assert server.calls["auth/token/refresh"] == 1


def test_eight_processes_refresh_once(server: Server, api: Api, config: Config) -> None:
    api.assignments()
    server.forget_tokens()
    script = (
        "import sys; from pathlib import Path; from workers.api import Api; from workers.config import load\n"
        "with Api(load(Path(sys.argv[1]), {})) as api:\n"
        "    sys.stdin.read(1)\n"
        "    api.assignments()\n"
    )
    argv = [sys.executable, "-c", script, str(config.path)]
    processes = [subprocess.Popen(argv, stdin=subprocess.PIPE) for _ in range(8)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"g")
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0] * 8
    assert server.calls["auth/token/refresh"] == 1
    assert server.calls["auth/token"] == 1


def test_eight_threads_refresh_once(server: Server, api: Api) -> None:
    api.assignments()
    server.forget_tokens()
    barrier = threading.Barrier(8)
    failures: list[Exception] = []

    def call() -> None:
        barrier.wait()
        try:
            api.assignments()
        except HostError as error:
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert server.calls["auth/token/refresh"] == 1


class Other(BaseHTTPRequestHandler):
    """A server that is not ours: a redirect, a page, or our protocol spoken wrongly."""

    answers = {
        "redirect": (302, "text/html", b""),
        "page": (200, "text/html", b"<html>login</html>"),
        "list": (200, "application/json", b"[1]"),
        "empty": (200, "application/json", b"{}"),
        "teapot": (418, "text/plain", b"short and stout"),
    }

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(dict(self.headers))  # type: ignore[attr-defined]
        status, kind, body = self.answers[self.server.answer]  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/elsewhere")  # type: ignore[attr-defined]
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[ThreadingHTTPServer]:
    other = ThreadingHTTPServer(("127.0.0.1", 0), Other)
    other.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield other
    other.shutdown()
    other.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("redirect", "http_302"),
        ("page", "not_ours"),
        ("list", "not_ours"),
        ("empty", "not_ours"),
        ("teapot", "http_418"),
    ],
)
def test_a_server_that_is_not_ours_is_refused(
    other: ThreadingHTTPServer, config: Config, answer: str, code: str
) -> None:
    other.answer = answer  # type: ignore[attr-defined]
    config.data.mkdir()
    elsewhere = replace(config, url=f"http://127.0.0.1:{other.server_address[1]}")
    with Api(elsewhere, HASTE) as api, pytest.raises(ServerRefused) as refusal:
        api.assignments()
    assert refusal.value.code == code
    assert len(other.seen) == 1, "no redirect is followed with a password"  # type: ignore[attr-defined]


def test_a_password_of_a_netrc_is_not_sent(
    server: Server, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api.assignments()
    assert server.calls["assignments"] == 1


class TestCertificates:
    @pytest.fixture
    def secure(self, other: ThreadingHTTPServer, tmp_path: Path) -> ThreadingHTTPServer:
        authority, chain = make_certificate(tmp_path, "localhost")
        other.authority = authority  # type: ignore[attr-defined]
        other.answer = "teapot"  # type: ignore[attr-defined]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        other.socket = context.wrap_socket(other.socket, server_side=True)
        other.handle_error = lambda *_: None  # type: ignore[method-assign]
        return other

    def call(self, config: Config, secure: ThreadingHTTPServer, host: str, ca_file: Path | None) -> HostError:
        config.data.mkdir(exist_ok=True)
        config = replace(config, url=f"https://{host}:{secure.server_address[1]}", ca_file=ca_file)
        with Api(config, HASTE) as api, pytest.raises(HostError) as refusal:
            api.assignments()
        return refusal.value

    def test_an_unknown_authority_is_refused(self, config: Config, secure: ThreadingHTTPServer) -> None:
        error = self.call(config, secure, "localhost", None)
        assert error.code == "bad_certificate"
        assert "ca_file" in error.message
        assert secure.seen == []  # type: ignore[attr-defined]

    def test_another_name_is_refused(self, config: Config, secure: ThreadingHTTPServer) -> None:
        assert self.call(config, secure, "127.0.0.1", secure.authority).code == "bad_certificate"  # type: ignore[attr-defined]
        assert secure.seen == []  # type: ignore[attr-defined]

    def test_the_authority_of_the_configuration_is_trusted(
        self, config: Config, secure: ThreadingHTTPServer
    ) -> None:
        assert self.call(config, secure, "localhost", secure.authority).code == "http_418"  # type: ignore[attr-defined]
        assert len(secure.seen) == 1  # type: ignore[attr-defined]
