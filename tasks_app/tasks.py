"""Celery tasks of the server itself (queue `server`)."""

from celery import shared_task

from tasks_app import outbox


@shared_task(name=outbox.DELIVER, ignore_result=True)
def deliver(*, entry: int) -> None:
    """Deliver an outbox entry."""
    outbox.deliver(entry)
