from django.db import migrations


def create(apps, schema_editor):
    """One production line to begin with; rename it, or add others, in the admin."""
    channels = apps.get_model("accounts", "Channel").objects.using(schema_editor.connection.alias)
    channels.get_or_create(slug="main", defaults={"name": "Main"})


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunPython(create, migrations.RunPython.noop, elidable=False)]
