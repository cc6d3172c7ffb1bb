"""Data and broker: external when named, else the embedded services that `make up` runs."""

from __future__ import annotations

from imager.env import env
from imager.settings.site import VAR
from imager.tls import broker_checks, without_options

if env.str("DATABASE_URL", default="") and env.str("REDIS_URL", default=""):
    _database_url, REDIS_URL = env.str("DATABASE_URL"), env.str("REDIS_URL")
else:
    from imager import services

    _embedded = services.urls(VAR)
    _database_url = env.str("DATABASE_URL", default="") or _embedded.database_url
    REDIS_URL = env.str("REDIS_URL", default="") or _embedded.redis_url

DATABASES = {
    "default": {
        **env.db_url_config(_database_url),
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"options": "-c statement_timeout=15s -c lock_timeout=5s"},
    }
}
# Counts of attempts: shared by all processes, and there while Redis is away. Django would keep 300 and then
# throw counts away that still count; what is over goes by the hour (`prune_counts`).
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "accounts_cache",
        "OPTIONS": {"MAX_ENTRIES": 200_000},
    },
    "throttle": {  # of each process: its requests (imager/api/throttles.py), and its health for seconds
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "throttle",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What remote hosts are told to listen to for bells; empty: they ask the web instead.
without_options("REDIS_URL", REDIS_URL)
HOST_BROKER_URL = without_options("HOST_BROKER_URL", env.str("HOST_BROKER_URL", default=REDIS_URL))

# Whoever signed the broker's certificate (PEM); unset: the authorities of the system. Hosts are given a copy.
REDIS_CA_FILE = env.str("REDIS_CA_FILE", default="")
HOST_BROKER_CA_FILE = env.str("HOST_BROKER_CA_FILE", default=REDIS_CA_FILE)

CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_USE_SSL = broker_checks(REDIS_URL, REDIS_CA_FILE) or None
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_CHANNEL_ERROR_RETRY = True
CELERY_BROKER_POOL_LIMIT = 2
CELERY_TASK_DEFAULT_QUEUE = "server"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "ack_emulation": False,
    "priority_steps": [0],
    "socket_connect_timeout": 5,
    "socket_timeout": 30,
    "socket_keepalive": True,
    "health_check_interval": 25,
}
