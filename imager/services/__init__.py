"""The embedded default: a real PostgreSQL and a real Valkey below `var`, for one machine.

Knows no Django. Set DATABASE_URL and REDIS_URL, and nothing here runs.
"""

from imager.services.errors import AlreadyRunning, NotOurs, NotRunning, ServerDied, ServicesError, Unreachable
from imager.services.running import Urls, default_var, ensure, running, urls
from imager.services.supervisor import Services, start

__all__ = [
    "AlreadyRunning",
    "NotOurs",
    "NotRunning",
    "ServerDied",
    "Services",
    "ServicesError",
    "Unreachable",
    "Urls",
    "default_var",
    "ensure",
    "running",
    "start",
    "urls",
]
