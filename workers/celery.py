"""The broker's bell: a Celery worker on this host's own queue, without what could lose or double work.

A message is heard at most once and says only "look at task X"; the claim over HTTPS decides.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery, signals
from celery.concurrency.thread import TaskPool
from celery.platforms import SecurityWarning  # type: ignore[attr-defined]
from kombu.asynchronous import get_event_loop

from workers import trust
from workers.config import Config
from workers.contract import CELERY_NAMES, PROTOCOL, Kind, queue_of

_log = structlog.get_logger()

SETTINGS: dict[str, Any] = {
    "task_serializer": "json",
    "accept_content": ["json"],
    "result_backend": None,
    "task_ignore_result": True,
    "task_acks_late": False,  # late acknowledgement runs a task twice after each reconnect
    "task_reject_on_worker_lost": False,  # loops for ever on a task that kills its process
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,  # no message idles behind one that works for hours
    "worker_cancel_long_running_tasks_on_connection_loss": False,  # work does not need the broker
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,  # the default gives up after three quarters of an hour
    "broker_channel_error_retry": True,
    "broker_pool_limit": 2,
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    "task_send_sent_event": False,
    "event_queue_expires": 60,
    "task_create_missing_queues": True,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
}
TRANSPORT: dict[str, Any] = {
    "ack_emulation": False,  # no shared hash of unacknowledged messages, no time-out that starts work again
    "priority_steps": [0],
    "socket_connect_timeout": 5,
    "socket_timeout": 30,
    "socket_keepalive": True,
    "health_check_interval": 25,
}


class Places(TaskPool):
    """Threads. When one is free, the worker looks for the next bell at once: kombu would wait up to a second.

    Not by the request's `on_success`: celery makes a class of its own that never calls ours.
    """

    def on_apply(self, *args: Any, **kwargs: Any) -> Any:
        running = super().on_apply(*args, **kwargs)
        running.f.add_done_callback(_wake)
        return running


def _wake(_: object) -> None:
    """A turn of the loop that listens to the broker."""
    if loop := get_event_loop():
        loop.call_soon(lambda: None)


def bell(config: Config, kind: Kind, run: Callable[[str], object]) -> Celery:
    """A Celery application that calls `run(task_id)` for each message of this kind of worker."""
    app = Celery("workers", broker=config.broker_url, set_as_current=False)
    app.conf.update(SETTINGS, broker_transport_options={**TRANSPORT, "client_name": f"{kind}.{config.host}"})
    ca_file = str(config.ca_file or "")
    app.conf.broker_use_ssl = trust.checks(config.broker_url, pem=config.broker_ca, ca_file=ca_file) or None

    @app.task(name=CELERY_NAMES[kind])
    def work(*, task: str, protocol: int) -> None:
        if protocol != PROTOCOL:
            _log.error(
                "a bell of another protocol; update this host", task=task, theirs=protocol, ours=PROTOCOL
            )
            return
        run(task)

    return app


def queue(config: Config, kind: Kind) -> str:
    """The queue that rings this worker."""
    return queue_of(kind, config.require("channel") if kind is Kind.CREATE else config.host)


def listen(app: Celery, queue_name: str, places: int, stopping: Callable[[], None]) -> int:
    """Consume `queue_name` in this thread until a signal, at which `stopping` is called; the exit code."""

    def tell(**_: object) -> None:
        stopping()

    signals.worker_shutting_down.connect(tell, weak=False)
    warnings.filterwarnings("ignore", category=SecurityWarning)  # writing to card readers needs root
    worker = app.Worker(
        pool_cls=Places,
        concurrency=places,
        queues=[queue_name],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        hostname=f"{queue_name}@{app.main}",
    )
    worker.start()
    return int(worker.exitcode or 0)
