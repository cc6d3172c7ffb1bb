from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0013_names_of_fields"),
    ]

    operations = [
        migrations.AddField(
            model_name="invitation",
            name="can_order_cards",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Otherwise downloads alone.",
                verbose_name="may order cards",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="can_order_cards",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="Otherwise downloads alone. Staff may both.",
                verbose_name="may order cards",
            ),
        ),
    ]
