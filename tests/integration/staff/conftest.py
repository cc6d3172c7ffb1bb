"""The school and its line, as pages see them, and a clock to put hosts back in time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks_app.models import Host
from tests.doubles.no_broker import no_broker
from tests.integration.pages.conftest import _english, browse, line, member, school, staff, stranger

__all__ = ["_english", "browse", "line", "member", "no_broker", "school", "staff", "stranger"]


@pytest.fixture
def seen():
    """`seen(host, seconds)`: the host was heard of that long ago (None: never)."""

    def put(host: Host, seconds: float | None = 0, **fields) -> Host:
        at = None if seconds is None else timezone.now() - timedelta(seconds=seconds)
        Host.objects.filter(pk=host.pk).update(last_seen_at=at, **fields)
        host.refresh_from_db()
        return host

    return put
