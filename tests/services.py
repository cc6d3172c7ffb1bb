"""Pytest plugin: a real PostgreSQL and Valkey for the run, up before Django reads its settings.

Nothing is started when DATABASE_URL and REDIS_URL are set. Each of xdist's workers has servers of its own.
Also the opt-in tier: `--hardware`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import pytest

NEEDED = ("DATABASE_URL", "REDIS_URL")
STARTED = "IMAGER_TESTS_STARTED"  # which of them this plugin has set


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--hardware", action="store_true", help="also run the tests that need a real card reader"
    )


@pytest.hookimpl(
    wrapper=True, tryfirst=True
)  # a wrapper comes before pytest-django, which asks for settings here
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    asked = early_config.known_args_namespace
    if "PYTEST_XDIST_WORKER" in os.environ:
        for name in os.environ.pop(STARTED, "").split():
            os.environ.pop(name, None)  # those of the process that gives out the tests
    if not (asked.help or asked.version or all(os.environ.get(name) for name in NEEDED)):
        _start(early_config)
    return (yield)


def pytest_report_header(config: pytest.Config) -> str | None:
    return config.stash.get(HEADER, None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--hardware"):
        return
    skip = pytest.mark.skip(reason="needs a real card reader: run with --hardware")
    for item in items:
        if "hardware" in item.keywords:
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Loop devices are the machine's: one that a test detaches, to attach it again, must go to no other."""
    if item.get_closest_marker("loop") is None:
        return (yield)
    with LOOPS.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        return (yield)


HEADER = pytest.StashKey[str]()
LOOPS = Path(tempfile.gettempdir()) / f"imager-tests-{os.getuid()}.loops"


def _start(config: pytest.Config) -> None:
    from imager.services import start

    began = time.perf_counter()
    var = Path(tempfile.mkdtemp(prefix="imager-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(var))
    var.chmod(0o711)  # the servers' account passes through when we are root
    services = start(var, fsync=False)
    config.add_cleanup(services.stop)
    for name, url in zip(NEEDED, (services.database_url, services.redis_url), strict=True):
        if not os.environ.get(name):
            os.environ[name] = url
            config.add_cleanup(lambda name=name: os.environ.pop(name, None))
            os.environ[STARTED] = f"{os.environ.get(STARTED, '')} {name}"
    config.stash[HEADER] = f"services: embedded, in {var}, up in {time.perf_counter() - began:.2f} s"
