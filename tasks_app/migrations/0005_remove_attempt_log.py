from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('tasks_app', '0004_move_logs_into_pieces'),
    ]

    operations = [
        migrations.RemoveField(
            model_name='attempt',
            name='log',
        ),
    ]
