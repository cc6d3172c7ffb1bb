from django.db import migrations

# Pieces of 64 Ki characters, counted from the end: the beginning of a long log may be missing, and it may hold
# remarks of ours, so that it is shorter or longer than the offsets say. Each log is unpacked once, not once a piece.
UNHURRIED = "SET LOCAL statement_timeout = 0"
FORWARD = """
INSERT INTO tasks_app_logpiece (attempt_id, start, "end", text)
SELECT id, CASE WHEN n = 0 THEN 0 ELSE edge END, lead(edge, 1, log_end) OVER (PARTITION BY id ORDER BY n), text
FROM (
    SELECT id, log_end, n, greatest(n, log_end - length(unpacked) + n * 65536) AS edge,
        substr(unpacked, (n * 65536 + 1)::int, 65536) AS text
    FROM tasks_app_attempt,
        LATERAL (SELECT log || '' AS unpacked OFFSET 0) AS whole,
        LATERAL generate_series(0::bigint, (length(unpacked) - 1) / 65536) AS n
    WHERE log <> ''
) AS pieces
"""
BACKWARD = """
UPDATE tasks_app_attempt SET log = pieces.log FROM (
    SELECT attempt_id, string_agg(text, '' ORDER BY "end") AS log FROM tasks_app_logpiece GROUP BY attempt_id
) AS pieces WHERE pieces.attempt_id = tasks_app_attempt.id
"""


class Migration(migrations.Migration):

    dependencies = [
        ('tasks_app', '0003_logs_in_pieces'),
    ]

    operations = [
        migrations.RunSQL([UNHURRIED, FORWARD], [UNHURRIED, BACKWARD]),
    ]
