"""What the storm needs in its database: people, hosts, a warehouse. Run once, in a process of its own."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from unittest import mock

CREATORS = ("creator-1", "creator-2", "creator-3")
WRITERS = ("writer-1", "writer-2")
MEMBER, STAFF, PASSWORD = "member@example.org", "staff@example.org", "storm-storm-storm"
SOWN = "sown.json"


def sow(var: str) -> None:
    """Tables, then rows; what the driver must know goes into `SOWN`."""
    from django.core.management import call_command

    from orders.models import Media
    from tasks_app.models import Host

    hosts = Path(var, "hosts")
    call_command("migrate", verbosity=0)
    answer = io.StringIO()
    people = {"contents": [], "passwords": dict.fromkeys((MEMBER, STAFF), PASSWORD), "member": MEMBER}
    with mock.patch("sys.stdin", io.StringIO(json.dumps({**people, "staff": STAFF}))):
        call_command("seed_demo", stdout=answer)
    with contextlib.redirect_stdout(io.StringIO()):
        call_command("create_warehouse", "main", host="127.0.0.1", port=1, env_file=hosts / "warehouse.env")
        for name in CREATORS:
            call_command("create_host", name, kind="creator", env_file=hosts / f"{name}.env")
        for name in WRITERS:
            mail = f"{name}@example.org"
            call_command(
                "create_host", name, kind="writer", operator_email=mail, env_file=hosts / f"{name}.env"
            )
    Host.objects.filter(name=WRITERS[-1]).update(automatic=True)
    media = {kind: Media.objects.filter(kind=kind).order_by("bytes").first() for kind in Media.Kind.values}
    sown = {
        "configuration": json.loads(answer.getvalue())["configuration"],
        "media": {kind: found.pk for kind, found in media.items() if found},
    }
    Path(var, SOWN).write_text(json.dumps(sown))
