"""The health check of the web container, against a real server."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

HEALTHY = Path(__file__).resolve().parents[3] / "docker" / "healthy.py"


class Server(http.server.HTTPServer):
    status = 200
    asked: dict[str, str]


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked = {
            "path": self.path,
            **{name.lower(): value for name, value in self.headers.items()},
        }
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def check(url: str, hosts: str = "imager.example,other.example") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HEALTHY)],
        env={"HEALTH_URL": url, "ALLOWED_HOSTS": hosts},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_port}/.well-known/jwks.json"


def test_answers_under_the_name_that_the_server_accepts(server: Server) -> None:
    assert check(url(server)).returncode == 0
    assert server.asked["host"] == "imager.example"
    assert server.asked["path"] == "/.well-known/jwks.json"
    assert server.asked["x-forwarded-proto"] == "https"  # or SECURE_SSL_REDIRECT would send it away


@pytest.mark.parametrize(
    ("hosts", "name"), [(".example.org", "example.org"), ("*", "localhost"), ("", "localhost")]
)
def test_patterns_are_no_names(server: Server, hosts: str, name: str) -> None:
    assert check(url(server), hosts).returncode == 0
    assert server.asked["host"] == name


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
def test_any_other_answer_is_not_healthy(server: Server, status: int) -> None:
    server.status = status
    done = check(url(server))

    assert done.returncode == 1
    assert f"answered {status} to a request for imager.example" in done.stderr


def test_nobody_there() -> None:
    with socket.socket() as taken:  # bound and not listening: nobody else gets the port, nobody answers
        taken.bind(("127.0.0.1", 0))
        done = check(f"http://127.0.0.1:{taken.getsockname()[1]}/")

    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_plain_server_where_tls_is_expected(server: Server) -> None:
    done = check(url(server).replace("http:", "https:"))

    assert done.returncode == 1
    assert "does not answer" in done.stderr
