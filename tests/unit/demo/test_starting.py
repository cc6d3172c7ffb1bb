"""Starting: a line with its time for each part that stands, none for one that failed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from imager import up
from imager.demo.starting import Starting
from imager.stack.processes import StackError


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


def lines(console) -> list[str]:
    return [line for line in console.file.getvalue().splitlines() if line.strip()]


def test_each_part_that_stands_has_a_line_with_its_time(console):
    with Starting(console) as starting:
        starting("PostgreSQL and Valkey")
        starting("web, scheduler and server worker")

    said = lines(console)

    assert [line.split("  ")[1] for line in said] == [
        "✔ PostgreSQL and Valkey",
        "✔ web, scheduler and server worker",
    ]
    assert all(line.endswith(" s") for line in said)
    assert len({len(line) for line in said}) == 1


def test_a_part_that_failed_is_not_said_to_stand(console):
    def begin(starting: Starting) -> None:
        starting("PostgreSQL and Valkey")
        starting("web, scheduler and server worker")
        raise StackError("no web")

    with pytest.raises(StackError), Starting(console) as starting:
        begin(starting)

    assert len(lines(console)) == 1


@pytest.mark.parametrize("text", ["abc", "0", "65536", "-1", "80.5", "８０００", "8000 "])
def test_a_port_that_is_none_is_refused_with_an_example(text):
    with pytest.raises(StackError, match=r"a port is a number from 1 to 65535.*PORT=8001 make up"):
        up.web_port(text)


def test_a_port_in_use_is_refused_before_anything_starts(port_in_use):
    with pytest.raises(StackError, match=rf"Port {port_in_use} .*choose another"):
        up.web_port(str(port_in_use))


@pytest.fixture
def port_in_use():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_the_first_account_is_made_where_the_line_keeps_its_data():
    assert "IMAGER_VAR" not in up.first_steps("http://127.0.0.1:8000", None)
    command = "IMAGER_VAR='/srv/my line' .venv/bin/python manage.py create_user"
    assert command in up.first_steps("http://127.0.0.1:8000", "/srv/my line")


def test_the_first_organization_has_its_address():
    from django.urls import reverse

    steps = up.first_steps("http://127.0.0.1:8000", None)

    assert f"http://127.0.0.1:8000{reverse('admin:accounts_organization_add')}" in steps.split()
