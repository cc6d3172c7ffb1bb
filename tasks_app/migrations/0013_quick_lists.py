from django.db import migrations, models

from imager import meanwhile

OPEN = ["waiting", "queued", "running"]


class Migration(migrations.Migration):
    """What is open among millions of tasks, and lists of a time; made while hosts are at work."""

    atomic = False
    dependencies = [("tasks_app", "0012_keys_of_certificates")]

    operations = [
        meanwhile.AddIndex(
            "task",
            models.Index(
                condition=models.Q(("status__in", OPEN)), fields=["status", "host"], name="task_open"
            ),
        ),
        meanwhile.AddIndex("task", models.Index(fields=["created_at"], name="task_created")),
        meanwhile.AddIndex("card", models.Index(fields=["ended_at"], name="card_ended")),
        meanwhile.AddIndex("card", models.Index(fields=["permitted_at"], name="card_permitted")),
    ]
