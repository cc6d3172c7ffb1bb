"""For `manage.py shell`: rings one host for a task that does not exist, and says which.

Only a bell can bring it to that host: the web, when it is asked, names tasks that there are. Before, it looks
at the connections of the broker: hosts must have come in by its TLS port. TEST_HOST and TEST_PORT say which.
"""

# ruff: noqa: INP001, T201, S101  # read by a shell, which has to be told the result
import os
import time
import uuid

import redis
from django.conf import settings

from imager.celery import app
from workers.contract import CELERY_NAMES, PROTOCOL, Kind, queue_of

PATIENCE = 90  # seconds: a host that lost its broker tries again less and less often

host, port = os.environ["TEST_HOST"], os.environ["TEST_PORT"]
doors: set[tuple[str, str]] = set()
end = time.monotonic() + PATIENCE
with redis.Redis.from_url(settings.REDIS_URL) as broker:
    while (f"host-{host}", port) not in doors:
        assert time.monotonic() < end, f"{host} does not listen at port {port} of the broker: {doors}"
        time.sleep(0.5)
        clients = [client for client in broker.client_list() if client["user"].startswith("host-")]
        doors = {(client["user"], client["laddr"].rpartition(":")[2]) for client in clients}
    denied = [entry["username"] for entry in broker.acl_log() if entry["username"].startswith("host-")]
assert {door for _, door in doors} == {port}, f"a host came in elsewhere than by port {port}: {doors}"
assert not denied, f"the broker refused something to {denied}"

task = str(uuid.uuid4())
kind = Kind.DOWNLOAD
app.send_task(CELERY_NAMES[kind], kwargs={"task": task, "protocol": PROTOCOL}, queue=queue_of(kind, host))
print(f"rung={task}")
