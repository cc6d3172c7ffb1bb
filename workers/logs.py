"""Structured log lines on stderr: JSON with the same four keys everywhere, and no secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterable

import structlog

_KEYS = ("order", "task", "host", "step")
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_SHORTEST_SECRET = 4  # shorter ones would blot out ordinary words


class Scrubber:
    """Replaces known secrets and everything that looks like a token."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted(
            (secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True
        )
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """`text` without them."""
        text = _TOKEN.sub("[token]", text)
        return self._known.sub("[secret]", text) if self._known else text


def begin(host: str, secrets: Iterable[str]) -> None:
    """Set up this process: structlog and the standard library's loggers write the same JSON lines."""
    scrub = Scrubber(secrets)

    def scrubbed(
        _logger: object, _method: str, event: structlog.types.EventDict
    ) -> structlog.types.EventDict:
        for key in _KEYS:
            event.setdefault(key, host if key == "host" else "")
        return {key: scrub(value) if isinstance(value, str) else value for key, value in event.items()}

    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        scrubbed,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
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
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
