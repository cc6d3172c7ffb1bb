from django.db import migrations, models

from imager import meanwhile


class Migration(migrations.Migration):
    """Tasks of a status and cards of a verdict, the newest first; made while hosts are at work."""

    atomic = False
    dependencies = [("tasks_app", "0013_quick_lists")]

    operations = [
        meanwhile.AddIndex(
            "task", models.Index(fields=["status", "-created_at"], name="task_list_of_status")
        ),
        meanwhile.AddIndex(
            "card", models.Index(fields=["verdict", "-permitted_at"], name="card_list_of_verdict")
        ),
    ]
