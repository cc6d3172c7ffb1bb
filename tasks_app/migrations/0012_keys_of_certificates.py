"""Addresses of certificates that cannot be counted through; each card that is there gets one."""

from django.db import migrations, models

import tasks_app.models.card


class Migration(migrations.Migration):
    dependencies = [("tasks_app", "0011_lots_of_cards")]

    operations = [
        migrations.AddField(
            model_name="card",
            name="certificate_key",
            field=models.CharField(max_length=32, null=True, editable=False),
        ),
        migrations.RunSQL(
            "UPDATE tasks_app_card SET certificate_key = replace(gen_random_uuid()::text, '-', '')",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="card",
            name="certificate_key",
            field=models.CharField(
                max_length=32, default=tasks_app.models.card.certificate_key, unique=True, editable=False
            ),
        ),
    ]
