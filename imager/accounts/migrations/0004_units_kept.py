"""Who ordered without counting goes on so; entries of units are never changed or deleted."""

from django.db import migrations

KEEP = """
CREATE FUNCTION accounts_keep_unit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'by' - 'note' = to_jsonb(OLD) - 'by' - 'note' THEN
        RETURN NEW;  -- people's addresses can be taken out
    END IF;
    RAISE EXCEPTION 'Entries of units are never changed or deleted: adjust the balance with a new one.'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER accounts_keep_unit_entry BEFORE UPDATE OR DELETE ON accounts_unitentry
    FOR EACH ROW EXECUTE FUNCTION accounts_keep_unit_entry();
"""

LET_GO = """
DROP TRIGGER accounts_keep_unit_entry ON accounts_unitentry;
DROP FUNCTION accounts_keep_unit_entry();
"""


def stay_unlimited(apps, schema_editor):
    organizations = apps.get_model("accounts", "Organization").objects.using(schema_editor.connection.alias)
    organizations.update(limited=False)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_units")]

    operations = [
        migrations.RunPython(stay_unlimited, migrations.RunPython.noop, elidable=True),
        migrations.RunSQL(KEEP, LET_GO),
    ]
