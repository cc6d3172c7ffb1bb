from django.db import migrations, models
import django.db.models.deletion


class Migration(migrations.Migration):

    dependencies = [
        ('tasks_app', '0002_scheduler_that_never_stumbles'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempt',
            name='log_cut_to',
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='attempt',
            name='log_left_out',
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.CreateModel(
            name='LogPiece',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('start', models.PositiveBigIntegerField()),
                ('end', models.PositiveBigIntegerField()),
                ('text', models.TextField()),
                ('attempt', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='pieces', to='tasks_app.attempt')),
            ],
            options={
                'verbose_name': 'piece of a log',
                'verbose_name_plural': 'pieces of logs',
                'ordering': ['attempt', 'end'],
                'constraints': [models.UniqueConstraint(fields=('attempt', 'end'), name='log_piece_once')],
            },
        ),
    ]
