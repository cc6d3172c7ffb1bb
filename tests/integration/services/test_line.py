"""The line of `make demo` and `make up`: a start that fails leaves nothing running."""

from __future__ import annotations

import socket

import pytest

from imager.stack import line
from imager.stack.processes import StackError


@pytest.fixture
def watched(monkeypatch):
    """The embedded services as far as the line sees them, and the content server that it starts."""
    seen = {"stopped": 0}

    class Servers:
        database_url, redis_url = "postgres://none", "redis://none"

        def stop(self) -> None:
            seen["stopped"] += 1

    class Content(line.ContentServer):
        def __init__(self, folder) -> None:
            super().__init__(folder)
            seen["port"] = self.server.server_port

    monkeypatch.setattr(line.services, "start", lambda _var: Servers())
    monkeypatch.setattr(line, "ContentServer", Content)
    return seen


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("part", ["add_base_image", "_start_all"])
@pytest.mark.parametrize("error", [OSError("disk full"), StackError("broken"), KeyboardInterrupt()])
def test_a_start_that_fails_leaves_nothing_running(watched, monkeypatch, tmp_path, part, error):
    def fail(*_: object) -> None:
        raise error

    if part == "add_base_image":
        monkeypatch.setattr(line.ContentServer, part, fail)
    else:
        served = line.ContentServer.served
        monkeypatch.setattr(line.ContentServer, "add_base_image", lambda self: served(self, "base.img"))
        (tmp_path / "content").mkdir()
        (tmp_path / "content/base.img").write_bytes(b"base")
        monkeypatch.setattr(line, part, fail)

    with pytest.raises(type(error)):
        line.start(tmp_path)

    assert watched["stopped"] == 1
    assert not answers(watched["port"])
