"""Counts of attempts are kept while they count, and no longer."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.db import connection

from imager.accounts.counts import prune_counts
from tasks_app import followers
from tests import factories as make
from tests.factories import PASSWORD
from tests.integration.accounts.doors import LOGIN, is_problem, post

pytestmark = pytest.mark.django_db


def others(count: int, *, minutes: int) -> None:
    """So many counts of others, whose time is over in `minutes`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO accounts_cache (cache_key, value, expires)"
            " SELECT 'other-' || %s || '-' || n, 'gAR9lC4=', clock_timestamp() + %s * interval '1 minute'"
            " FROM generate_series(1, %s) n",
            [minutes, minutes, count],
        )


def rows() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_cache")
        return int(cursor.fetchone()[0])


def test_many_who_guess_elsewhere_make_nobody_forget_who_guesses_here():
    user = make.user()
    for _ in range(5):
        is_problem(post(LOGIN, email=user.email, password="wrong"), 401, "no_active_account")
    others(3000, minutes=5)
    is_problem(post(LOGIN, email="another@example.org", password="wrong"), 401, "no_active_account")
    assert post(LOGIN, email=user.email, password=PASSWORD).status_code == 429


def test_counts_that_are_over_go_by_the_hour():
    cache.set("mine", 1, timeout=300)
    others(3, minutes=-1)
    others(2, minutes=5)
    assert prune_counts() == 3
    assert rows() == 3
    assert cache.get("mine") == 1
    assert ("hour", prune_counts) in followers.chores()
