"""The table of the shared cache. It holds counts of attempts; losing it loses nothing."""

from django.core.management import call_command
from django.db import migrations


def create(apps, schema_editor):
    call_command("createcachetable", "accounts_cache", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_invitations")]

    operations = [
        migrations.RunPython(create, migrations.RunPython.noop),
    ]
