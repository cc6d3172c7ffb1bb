import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0014_who_orders_cards'),
    ]

    operations = [
        migrations.AddField(
            model_name='organization',
            name='download_days',
            field=models.PositiveSmallIntegerField(blank=True, help_text="How long links of its downloads work. Empty: as long as everybody's.", null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(366)], verbose_name='days of downloads'),
        ),
    ]
