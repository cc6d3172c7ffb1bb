"""An order goes to a writer host that is there: nobody but staff would move it from one that is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks_app.choice import writer_host_for
from tests import factories as make
from workers.contract import LEASE, Kind

pytestmark = pytest.mark.django_db


def writer(name: str, *, seconds_away: float | None = 0, load: int = 0, **fields: object):
    seen = None if seconds_away is None else timezone.now() - timedelta(seconds=seconds_away)
    host = make.host("writer", name=name, last_seen_at=seen, **fields)
    for _ in range(load):
        make.task(kind=Kind.DOWNLOAD, host=host)
    return host


def chosen() -> str | None:
    host = writer_host_for(make.channel())
    return host.name if host else None


def test_no_host_no_choice():
    make.host("creator")

    assert chosen() is None


def test_the_one_with_the_least_open_work():
    writer("a", load=2)
    writer("b", load=1)
    writer("c", load=3)

    assert chosen() == "b"


@pytest.mark.parametrize("away", [None, LEASE + 30, 30 * 86_400])
def test_a_busy_host_that_is_there_comes_before_an_idle_one_that_is_not(away):
    writer("a", seconds_away=away)
    writer("b", load=3)

    assert chosen() == "b"


def test_one_that_is_away_comes_before_one_that_was_never_heard_of():
    writer("a", seconds_away=None)
    writer("b", seconds_away=86_400, load=1)

    assert chosen() == "b"


def test_one_that_was_never_heard_of_is_better_than_none():
    writer("a", seconds_away=None)

    assert chosen() == "a"


@pytest.mark.parametrize("reason", ["disabled", "draining"])
def test_one_that_takes_no_work_gets_none(reason):
    writer("a", **{reason: True})

    assert chosen() is None


def test_hosts_of_other_channels_do_not_count():
    writer("a", channel=make.channel("elsewhere"))

    assert chosen() is None
