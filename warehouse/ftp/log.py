"""Structured logs: one JSON object per line on standard error, with order, task, host and step."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger


def configure() -> None:
    """Send our logs, and what the FTP library has to warn of, to standard error."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _same_keys,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    # Below a warning the library logs each reply and each user name that a stranger sends.
    root.setLevel(logging.WARNING)


def logger(*, order: str = "", task: str = "", host: str = "", step: str = "") -> FilteringBoundLogger:
    """A logger that carries the four keys."""
    bound: FilteringBoundLogger = structlog.get_logger()
    return bound.bind(order=order, task=task, host=host, step=step)


def _same_keys(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    for key in ("order", "task", "host", "step"):
        event.setdefault(key, "")
    return event
