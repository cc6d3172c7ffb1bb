"""Organizations whose hotspots have names of their own keep the right to name them."""

from typing import Any

from django.db import migrations
from django.db.models import Q


def keep_the_right(apps: Any, _editor: Any) -> None:
    branded = apps.get_model("orders", "Configuration").objects.exclude(
        Q(ssid="Kiwix Hotspot") & Q(domain="kiwix")
    )
    organizations = apps.get_model("accounts", "Organization").objects
    organizations.filter(pk__in=branded.values("organization")).update(can_brand=True)


class Migration(migrations.Migration):
    dependencies = [("orders", "0010_whole_configurations")]

    operations = [migrations.RunPython(keep_the_right, migrations.RunPython.noop)]
