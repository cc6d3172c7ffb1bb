"""Errors leave the API as problem details; a database that is away is nobody's mistake."""

from __future__ import annotations

import psycopg
import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from psycopg.errors import NumericValueOutOfRange, UntranslatableCharacter
from rest_framework.exceptions import ValidationError

from imager.api import problem


@pytest.mark.parametrize("error", [OperationalError("server closed the connection"), InterfaceError("gone")])
def test_a_database_that_is_away_is_503_and_says_nothing_of_its_inside(error):
    response = problem(error, {})

    assert response is not None
    assert (response.status_code, response.data["code"]) == (503, "away")
    assert "server closed" not in str(response.data)


def test_what_we_cannot_name_stays_our_mistake():
    assert problem(IntegrityError("x"), {}) is None


def test_of_data_errors_only_those_of_text_are_the_callers():
    error = DataError("integer out of range")
    error.__cause__ = NumericValueOutOfRange()
    assert problem(error, {}) is None
    assert problem(DataError("by nobody"), {}) is None
    assert problem(UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range(128)"), {}) is None


@pytest.mark.parametrize("cause", [psycopg.DataError("NUL"), UntranslatableCharacter()])
def test_text_that_the_database_cannot_hold(cause):
    error = DataError("x")
    error.__cause__ = cause
    response = problem(error, {})

    assert response is not None
    assert (response.status_code, response.data["code"]) == (400, "parse_error")


def test_refusals_that_repeat_half_a_character_can_be_written():
    response = problem(ValidationError({"\ud800": ["“\udfff” is not é."]}), {})

    assert response is not None
    assert response.data["errors"] == {"?": ["“?” is not é."]}
