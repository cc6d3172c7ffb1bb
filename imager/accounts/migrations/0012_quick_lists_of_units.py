from django.db import migrations, models

from imager import meanwhile

STAFF = models.Q(("kind__in", ["grant", "adjust"]))


class Migration(migrations.Migration):
    """The ledger by time, and what staff wrote in it; made while orders are placed."""

    atomic = False
    dependencies = [("accounts", "0011_repeats_and_shop")]

    operations = [
        meanwhile.AddIndex("unitentry", models.Index(fields=["at"], name="units_at")),
        meanwhile.AddIndex("unitentry", models.Index(condition=STAFF, fields=["-at"], name="units_by_staff")),
    ]
