"""Indexes of tables that are in use are made and dropped without keeping anybody waiting."""

from __future__ import annotations

import pytest
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.models.functions import Upper

from imager import meanwhile

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "test_meanwhile"
LIMITS = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
FOUND = "SELECT indisvalid, indisready FROM pg_index WHERE indexrelid = to_regclass(%s)"


def ask(sql: str, *values):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone() if cursor.description else None


@pytest.fixture
def limited():
    """A connection that gives up soon, as ours do. What a test leaves behind is dropped."""
    before = ask(LIMITS)
    yield before
    ask(f"DROP INDEX IF EXISTS {NAME}")


def run(operation, *, backwards: bool = False) -> list[str]:
    """As `migrate` does it. Returns the statements."""
    state = MigrationLoader(connection).project_state()
    after = state.clone()
    operation.state_forwards("orders", after)
    with connection.schema_editor(atomic=False) as editor:
        said: list[str] = []
        execute = editor.execute

        def listen(sql, params=()):
            said.append(f"{ask(LIMITS)[0]} {sql}")
            return execute(sql, params)

        editor.execute = listen
        step = operation.database_backwards if backwards else operation.database_forwards
        step("orders", editor, *((after, state) if backwards else (state, after)))
    return said


def add():
    return meanwhile.AddIndex("order", models.Index(fields=["quantity"], name=NAME))


def test_made_whole_without_limits_and_dropped(limited):
    said = run(add())
    assert "CREATE INDEX CONCURRENTLY" in said[-1]
    assert all(one.startswith("0 ") for one in said), "a limit would end it"
    assert ask(FOUND, NAME) == (True, True)
    assert ask(LIMITS) == limited
    assert "DROP INDEX CONCURRENTLY" in run(add(), backwards=True)[-1]
    assert ask(FOUND, NAME) is None
    assert ask(LIMITS) == limited


def test_the_planner_learns_of_expressions(limited):
    said = run(meanwhile.AddIndex("order", models.Index(Upper("name"), name=NAME)))
    assert said[-1] == '0 ANALYZE "orders_order"'


def test_what_an_earlier_try_left_is_made_anew(limited):
    ask(f"CREATE INDEX {NAME} ON orders_order (id)")  # of another column
    run(add())
    assert "quantity" in ask("SELECT indexdef FROM pg_indexes WHERE indexname = %s", NAME)[0]
