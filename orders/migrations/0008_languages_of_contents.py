from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0007_words_of_contents")]

    operations = [migrations.RemoveField(model_name="content", name="language")]
