from django.db import migrations

GROUPS = ("operator", "support", "administrator")


def create(apps, schema_editor):
    """Whoever was staff could do everything, and still can. What the groups may do is set after `migrate`."""
    using = schema_editor.connection.alias
    groups = apps.get_model("auth", "Group").objects.using(using)
    for name in GROUPS:
        groups.get_or_create(name=name)
    users = apps.get_model("accounts", "User").objects.using(using)
    groups.get(name="administrator").user_set.add(*users.filter(role="staff"))


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_cache"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "ordering": ["email"],
                "permissions": [("manage_staff", "Can manage the accounts of staff and hosts")],
                "verbose_name": "user",
                "verbose_name_plural": "users",
            },
        ),
        migrations.RunPython(create, migrations.RunPython.noop, elidable=False),
    ]
