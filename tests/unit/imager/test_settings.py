"""Settings that would make trouble at night are refused when the process starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SERVERS = {"DATABASE_URL": "postgres://none@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9/0"}
SHOW = """
from imager.settings import dev
print(f"{dev.TASK_LEASE:g} {dev.TASK_REPORT_EVERY:g} {dev.TASK_RECLAIM:g}")
"""


def read(**environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TASK_")}
    told = {**clean, **SERVERS, **environment}
    return subprocess.run([sys.executable, "-c", SHOW], env=told, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, "90 15 900"),
        ({"TASK_LEASE": "6"}, "6 2 900"),
        ({"TASK_LEASE": "1200"}, "1200 15 1200"),
    ],
)
def test_hosts_report_several_times_in_a_lease(environment, shown):
    assert read(**environment).stdout.strip() == shown


@pytest.mark.parametrize(
    "environment",
    [{"TASK_LEASE": "20", "TASK_REPORT_EVERY": "15"}, {"TASK_RECLAIM": "60"}, {"TASK_LEASE": "0"}],
)
def test_times_by_which_hosts_would_lose_their_work(environment):
    refused = read(**environment)

    assert refused.returncode == 1
    assert "must be at most half of TASK_LEASE" in refused.stderr


@pytest.mark.parametrize("name", ["LOGIN", "SHOP", "USER", "ANON"])
@pytest.mark.parametrize("rate", ["600 per minute", "0/min", "-1/min", "5/week", "5/min/day", "60"])
def test_limits_that_every_request_would_break_on(name, rate):
    refused = read(**{f"API_RATE_{name}": rate})

    assert refused.returncode == 1
    assert f"API_RATE_{name} is “{rate}”" in refused.stderr


@pytest.mark.parametrize("rate", ["", "1/s", "600/min", "20000/day"])
def test_limits_and_none(rate):
    assert read(API_RATE_USER=rate).returncode == 0


@pytest.mark.parametrize("name", ["REDIS_URL", "HOST_BROKER_URL"])
def test_a_broker_whose_address_turns_our_checks_off(name):
    refused = read(**{name: "rediss://u:bell-secret@broker.example/0?ssl_cert_reqs=none"})

    assert f"{name} must not have options behind a “?”" in refused.stderr
    assert "bell-secret" not in refused.stderr
