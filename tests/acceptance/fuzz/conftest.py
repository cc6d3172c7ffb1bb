"""The real servers, without hosts, for whatever speaks to the API from outside."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from imager.demo.seeds import Seeds, sow
from imager.stack import Line, start

RATES = {"API_RATE_USER": "", "API_RATE_ANON": "", "API_RATE_LOGIN": "", "API_RATE_SHOP": ""}


@pytest.fixture(scope="package")
def line(tmp_path_factory) -> Iterator[Line]:
    var = tmp_path_factory.mktemp("fuzz")
    for folder in (var, *var.parents[:2]):
        folder.chmod(0o711)  # the database's account passes through when we are root
    secrets = {
        "SHOP_WEBHOOK_SECRETS": "of-the-test",
        "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
    }
    running = start(var, creators=(), writer=False, environment={**RATES, **secrets})
    yield running
    running.stop()
    shutil.rmtree(var)


@pytest.fixture(scope="package")
def seeds(line) -> Seeds:
    """People, contents and a configuration."""
    return sow(line)
