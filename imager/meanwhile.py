"""Indexes of tables that are in use: made and dropped while the service goes on, however long that takes.

For migrations with `atomic = False`. Nobody waits for them: they wait for the transactions that are under
way, and take no lock that keeps anybody from reading or writing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db.backends.base.schema import BaseDatabaseSchemaEditor as Editor


class _Patient:
    """Mixin: no time limit ends it."""

    def database_forwards(self, app_label: str, editor: Editor, *states: Any) -> None:
        with _no_limits(editor):
            super().database_forwards(app_label, editor, *states)  # type: ignore[misc]

    def database_backwards(self, app_label: str, editor: Editor, *states: Any) -> None:
        with _no_limits(editor):
            super().database_backwards(app_label, editor, *states)  # type: ignore[misc]


class AddIndex(_Patient, AddIndexConcurrently):
    """What an earlier try has left half made is made anew."""

    def database_forwards(self, app_label: str, editor: Editor, *states: Any) -> None:
        """The index, whole."""
        with _no_limits(editor):
            name = editor.quote_name(self.index.name)
            editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        super().database_forwards(app_label, editor, *states)
        if self.index.expressions:  # of these the planner knows nothing yet
            table = states[1].apps.get_model(app_label, self.model_name)._meta.db_table
            with _no_limits(editor):
                editor.execute(f"ANALYZE {editor.quote_name(table)}")


class RemoveIndex(_Patient, RemoveIndexConcurrently):
    """The index is gone."""


@contextmanager
def _no_limits(editor: Editor) -> Iterator[None]:
    """Our connections give up after seconds, for the pages' sake; a large index takes minutes."""
    with editor.connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET lock_timeout = 0")
        try:
            yield
        finally:
            cursor.execute("RESET statement_timeout")
            cursor.execute("RESET lock_timeout")
