from django.db import migrations, models

ROOM = "ALTER TABLE tasks_app_{table} SET (fillfactor = {percent})"
AS_BEFORE = "ALTER TABLE tasks_app_{table} RESET (fillfactor)"


class Migration(migrations.Migration):
    """Each beat changes a host's row, each report a task's: room on the page keeps that change on it."""

    dependencies = [("tasks_app", "0006_slots_in_quarantine")]

    operations = [
        migrations.RunSQL("SET LOCAL statement_timeout = 0", migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("status", "running")), fields=["cancel_requested_at"], name="task_running"
            ),
        ),
        migrations.RemoveIndex(model_name="task", name="task_expiring"),
        *(
            migrations.RunSQL(
                ROOM.format(table=table, percent=percent), AS_BEFORE.format(table=table)
            )
            for table, percent in (("host", 70), ("slot", 80), ("task", 80))
        ),
        migrations.RunSQL(migrations.RunSQL.noop, "SET LOCAL statement_timeout = 0"),  # backwards, it is the first
    ]
