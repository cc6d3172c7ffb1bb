"""Staff see everything about tasks and hosts; a task's status moves only through its actions."""

from __future__ import annotations

from tasks_app.admin import hosts, lots, records, slots, tasks

__all__ = ["hosts", "lots", "records", "slots", "tasks"]
