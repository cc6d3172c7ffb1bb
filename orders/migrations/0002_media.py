"""The sizes that have always been ordered: usable bytes as measured on real cards, for cards and for downloads."""

from django.db import migrations

SIZES = [
    ("8GB", 8, 7_760_000_000),
    ("16GB", 16, 15_520_000_000),
    ("32GB", 32, 30_720_000_000),
    ("64GB", 64, 61_440_000_000),
    ("128GB", 128, 122_880_000_000),
    ("200GB", 200, 192_000_000_000),
    ("256GB", 256, 245_760_000_000),
    ("512GB", 512, 496_000_000_000),
    ("1TB", 1024, 993_000_000_000),
]
KINDS = [("physical", "microSD", 10), ("virtual", "Download", 1)]


def add(apps, schema_editor):
    Media = apps.get_model("orders", "Media")
    for label, gigabytes, size in SIZES:
        for kind, suffix, units in KINDS:
            Media.objects.get_or_create(
                kind=kind,
                gigabytes=gigabytes,
                defaults={"name": f"{label} {suffix}", "bytes": size, "units_per_gigabyte": units},
            )


def remove(apps, schema_editor):
    Media = apps.get_model("orders", "Media")
    Media.objects.filter(orders=None, gigabytes__in=[gigabytes for _label, gigabytes, _size in SIZES]).delete()


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [migrations.RunPython(add, remove)]
