"""Errors leave the API as problem details; a database that is away is nobody's mistake."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError

from imager.api import problem


@pytest.mark.parametrize("error", [OperationalError("server closed the connection"), InterfaceError("gone")])
def test_a_database_that_is_away_is_503_and_says_nothing_of_its_inside(error):
    response = problem(error, {})

    assert response is not None
    assert (response.status_code, response.data["code"]) == (503, "away")
    assert "server closed" not in str(response.data)


def test_what_we_cannot_name_stays_our_mistake():
    assert problem(IntegrityError("x"), {}) is None
