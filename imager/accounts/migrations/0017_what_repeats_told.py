from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0016_names_of_more_fields"),
    ]

    operations = [
        migrations.AddField(
            model_name="repeat",
            name="beside",
            field=models.JSONField(blank=True, db_default={}, default=dict),
        ),
    ]
