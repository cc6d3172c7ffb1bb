from django.db import migrations
from django.db.models import F
from django.db.models.functions import Lower

GONE = "—"


def clear(apps, schema_editor):
    """Staff who changed an account's e-mail once left the former address behind, and it still opened doors.

    A confirmed address that is not the account's own goes; the one that staff set takes its place.
    """
    using = schema_editor.connection.alias
    addresses = apps.get_model("account", "EmailAddress").objects.using(using)
    stale = addresses.filter(verified=True).exclude(user__email=Lower(F("email")))
    for user in apps.get_model("accounts", "User").objects.using(using).filter(pk__in=stale.values("user")):
        addresses.filter(email__iexact=user.email).exclude(user=user).delete()
        addresses.filter(user=user, verified=True).exclude(email__iexact=user.email).delete()
        addresses.filter(user=user).update(primary=False)
        addresses.update_or_create(
            user=user, email=user.email, defaults={"verified": True, "primary": True}
        )


def forget(apps, schema_editor):
    """The admin's log told the addresses of accounts that were deleted."""
    using = schema_editor.connection.alias
    users = {str(pk) for pk in apps.get_model("accounts", "User").objects.using(using).values_list("pk", flat=True)}
    log = apps.get_model("admin", "LogEntry").objects.using(using)
    log.filter(content_type__app_label="accounts", content_type__model="user").exclude(object_id__in=users).update(
        object_repr=GONE
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_groups"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [
        migrations.RunPython(clear, migrations.RunPython.noop, elidable=False),
        migrations.RunPython(forget, migrations.RunPython.noop, elidable=False),
    ]
