from django.db import migrations

# Facts are what hosts said: only what is a number, and can be, becomes one.
FIGURE = (
    "CASE WHEN jsonb_typeof(facts->'{name}') = 'number' AND (facts->>'{name}')::numeric > 0"
    " AND (facts->>'{name}')::numeric <= {most} THEN (facts->>'{name}')::{kind} END"
)
FILL = f"""
UPDATE tasks_app_card SET
    written_bytes = coalesce({FIGURE.format(name="written_bytes", most=2**62, kind="numeric::bigint")}, 0),
    write_rate = {FIGURE.format(name="write_rate", most="1e12", kind="float8")},
    read_rate = {FIGURE.format(name="read_rate", most="1e12", kind="float8")}
WHERE verdict = 'accepted'
"""


class Migration(migrations.Migration):
    """Cards that were accepted before have their figures in `facts` alone."""

    dependencies = [("tasks_app", "0009_speeds_of_cards")]

    operations = [
        migrations.RunSQL("SET LOCAL statement_timeout = 0", migrations.RunSQL.noop),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
