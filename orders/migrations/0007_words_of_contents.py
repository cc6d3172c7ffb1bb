"""What was in the catalogue before can be found by words, and keeps its language."""

import unicodedata

from django.db import migrations


def plain(text):
    apart = unicodedata.normalize("NFKD", text)
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).lower().split())


def fill(apps, _schema):
    Content = apps.get_model("orders", "Content")
    for content in Content.objects.iterator():
        content.search = plain(f"{content.title} {content.description}")[:2000]
        content.languages = [content.language] if content.language else []
        content.save(update_fields=["search", "languages"])


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_catalogue")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
