from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations, models
from django.db.models import Value
from django.db.models.functions import Concat, Upper

from imager import meanwhile

WORDS = Concat(
    Value(" "),
    "name",
    Value(" "),
    "recipient_name",
    Value(" "),
    "recipient_email",
    Value(" "),
    "tracking",
    Value(" "),
    "image_name",
    output_field=models.TextField(),
)


class Migration(migrations.Migration):
    """Lists and searches of a million orders; made while orders are placed."""

    atomic = False
    dependencies = [("orders", "0011_who_brands_may_brand")]

    operations = [
        meanwhile.AddIndex(
            "order", models.Index(fields=["organization", "-number"], name="order_list_by_number")
        ),
        meanwhile.AddIndex(
            "order",
            models.Index(fields=["organization", "status", "-number"], name="order_list_of_own_status"),
        ),
        meanwhile.AddIndex("order", models.Index(fields=["status", "-number"], name="order_list_of_status")),
        meanwhile.AddIndex("order", models.Index(fields=["kind", "-number"], name="order_list_of_kind")),
        meanwhile.AddIndex("order", GinIndex(OpClass(Upper(WORDS), "gin_trgm_ops"), name="order_words")),
    ]
