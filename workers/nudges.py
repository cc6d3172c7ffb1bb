"""The broker's nudge: beat now. Heard also while every place works, when the worker takes no bell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers import trust
from workers.backoff import Backoff
from workers.config import Config
from workers.contract import Kind, nudge_of

WAIT = 20  # seconds of one question to the broker
SILENCE = WAIT + 10.0  # seconds until a broker that says nothing counts as gone
FORBIDDEN = 600.0  # seconds of rest after the broker has refused: only a person can mend that

_log = structlog.get_logger()


class Nudges(threading.Thread):
    """Calls `beat` for every nudge. Without a broker there are none: beats come by themselves."""

    def __init__(self, config: Config, kind: Kind, beat: Callable[[], None]) -> None:
        super().__init__(name="nudges", daemon=True)  # it may be waiting when the process ends
        self._config = config
        self._list = nudge_of(kind, config.host)
        self._beat = beat
        self._ended = threading.Event()
        self._backoff = Backoff(first=1.0, most=30.0)
        self._delays = self._backoff.delays()

    def end(self) -> None:
        """No beat begins by this from now on."""
        self._ended.set()

    def run(self) -> None:
        with self._broker() as broker:
            while not self._ended.is_set():
                self._wait(broker)

    def _wait(self, broker: redis.Redis) -> None:
        try:
            nudged = broker.brpop([self._list], timeout=WAIT)
        except redis.exceptions.NoPermissionError:
            _log.warning(
                "the broker lets this host hear no nudges, so cancels come with its beats; "
                "run `manage.py create_host` again and put the new file here",
                list=self._list,
            )
            self._ended.wait(FORBIDDEN)
        except (redis.RedisError, OSError) as error:
            _log.info("no nudges: the broker is away", error=type(error).__name__, detail=str(error))
            self._ended.wait(next(self._delays))
        else:
            self._delays = self._backoff.delays()
            if nudged and not self._ended.is_set():
                self._beat()

    def _broker(self) -> redis.Redis:
        """Its address without options: nothing there may loosen what the broker must show."""
        url = urlunsplit(urlsplit(self._config.broker_url)._replace(query=""))
        ca_file = str(self._config.ca_file or "")
        return redis.Redis.from_url(
            url,
            client_name=self._list,
            socket_connect_timeout=5,
            socket_timeout=SILENCE,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 0),  # we wait ourselves, and stop when asked to
            **trust.checks(url, pem=self._config.broker_ca, ca_file=ca_file),
        )
