from django.db import migrations, models

from imager import meanwhile


class Migration(migrations.Migration):
    """Files by time, name and digest, and those that are there; made while images are published."""

    atomic = False
    dependencies = [("warehouse", "0001_initial")]

    operations = [
        meanwhile.AddIndex("storedfile", models.Index(fields=["granted_at"], name="file_granted")),
        meanwhile.AddIndex(
            "storedfile", models.Index(fields=["name"], name="file_name", opclasses=["varchar_pattern_ops"])
        ),
        meanwhile.AddIndex("storedfile", models.Index(fields=["sha256"], name="file_sha256")),
        meanwhile.AddIndex(
            "storedfile",
            models.Index(condition=~models.Q(("status", "removed")), fields=["owner"], name="file_present"),
        ),
    ]
