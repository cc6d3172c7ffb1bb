"""Production: safe defaults; whatever is secret or local comes from the environment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from imager.env import env, required
from imager.tls import broker_checks, without_options
from workers import contract

ROOT = Path(__file__).resolve().parent.parent.parent
VAR = Path(env.str("IMAGER_VAR", default=str(ROOT / "var")))

DEBUG = False
SECRET_KEY = required("SECRET_KEY", "50 or more random characters that stay the same between starts")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000")  # how people and hosts reach us

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "rest_framework_simplejwt",
    "drf_spectacular",
    "django_filters",
    "django_htmx",
    "storages",
    "csp",
    "imager.accounts",
    "orders",
    "tasks_app",
    "warehouse",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "tasks_app.middleware.MachineCalls",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "imager.accounts.middleware.PersonMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "imager.accounts.middleware.SecondFactorMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "imager.urls"
WSGI_APPLICATION = "imager.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- data and broker: external when named, else the embedded services that `make up` runs
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
    }
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

# --- hosts, in seconds: how long silence is borne (docs/protocol.md). Hosts learn theirs with each claim.
TASK_LEASE = env.float("TASK_LEASE", default=contract.LEASE)
TASK_REPORT_EVERY = env.float("TASK_REPORT_EVERY", default=min(contract.REPORT_EVERY, TASK_LEASE / 3))
TASK_RECLAIM = env.float("TASK_RECLAIM", default=max(contract.RECLAIM, TASK_LEASE))
if not 0 < TASK_REPORT_EVERY * 2 <= TASK_LEASE <= TASK_RECLAIM:
    raise ImproperlyConfigured(
        f"TASK_REPORT_EVERY ({TASK_REPORT_EVERY:g} s) must be at most half of TASK_LEASE ({TASK_LEASE:g} s), "
        f"and that at most TASK_RECLAIM ({TASK_RECLAIM:g} s): or hosts lose work that they are doing."
    )
TASK_PAUSE = env.float("TASK_PAUSE", default=30)  # after a lost attempt; doubles with each
SWEEP_EVERY = env.float("SWEEP_EVERY", default=60)  # at most so late is a lost attempt noticed

MIN_HOST_VERSION = env.str("MIN_HOST_VERSION", default="")  # older workers get no work: 426

# --- people
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
OPEN_SIGNUP = env.bool("OPEN_SIGNUP", default=False)  # else people come by invitation
INVITATION_DAYS = env.int("INVITATION_DAYS", default=7)
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if OPEN_SIGNUP else "none"  # an invitation proves the address
ACCOUNT_ADAPTER = "imager.accounts.adapter.AccountAdapter"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_CHANGE_EMAIL = True  # one address each; the new one counts once it is confirmed
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
# The key is e-mail and address of the network together: nobody can lock somebody else out (docs/accounts.md).
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,5/300s/key"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # staff and invitations vouch for addresses
MFA_TOTP_ISSUER = "Imager Service"
MFA_TOTP_TOLERANCE = 1
MFA_FORMS = {
    "authenticate": "imager.accounts.forms.CodeForm",
    "reauthenticate": "imager.accounts.forms.CodeAgainForm",
}
SECOND_FACTOR_FOR_STAFF = env.bool("SECOND_FACTOR_FOR_STAFF", default=False)  # nothing else works without
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=0)

# --- tokens (docs/protocol.md): hexadecimal Ed25519 seeds, the first one signs, all are published
JWT_SIGNING_KEYS = [
    key.strip()
    for key in required("JWT_SIGNING_KEYS", "64 hex digits; two keys, comma-separated, while rotating").split(
        ","
    )
]
JWT_ISSUER = env.str("JWT_ISSUER", default="imager")
REFRESH_FAMILY_LIFETIME = timedelta(days=90)
REFRESH_GRACE = timedelta(seconds=30)
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=60),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
    "ALGORITHM": "EdDSA",
    "AUDIENCE": "api",
    "ISSUER": JWT_ISSUER,
    "LEEWAY": 30,
    "USER_ID_CLAIM": "sub",
    "TOKEN_TYPE_CLAIM": "typ",
    "UPDATE_LAST_LOGIN": False,
    "AUTH_TOKEN_CLASSES": ("imager.accounts.tokens.AccessToken",),
}

# --- API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "imager.accounts.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["imager.parsers.BoundedJSON"],
    "DEFAULT_PAGINATION_CLASS": "imager.api.Pages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_THROTTLE_RATES": {"login": "60/min"},
    "EXCEPTION_HANDLER": "imager.api.problem",
    "NUM_PROXIES": env.int("TRUSTED_PROXIES", default=0),
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Imager Service",
    "DESCRIPTION": "Orders, tasks, hosts and tokens.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "OrderKind": "orders.models.Order.Kind",
        "MediaKind": "orders.models.Media.Kind",
        "ContentKind": "orders.models.Content.Kind",
        "TaskKind": ["create", "download", "write"],
    },
}

# --- words
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
LOCALE_PATHS = [ROOT / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- files
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR / "static")))
STATICFILES_DIRS = [ROOT / "imager" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- mail
EMAIL_BACKEND = env.str("EMAIL_BACKEND", default="django.core.mail.backends.smtp.EmailBackend")
EMAIL_HOST = env.str("EMAIL_HOST", default="localhost")
EMAIL_PORT = env.int("EMAIL_PORT", default=25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", default="")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", default="")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", default=False)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Imager Service <imager@localhost>")
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", default="")

# --- images
BASE_IMAGE_URL = env.str(
    "BASE_IMAGE_URL", default=""
)  # .img, .img.xz or .img.zst that every image is grown from
BASE_IMAGE_BYTES = env.int("BASE_IMAGE_BYTES", default=0)  # its size without the data partition's free space
BASE_IMAGE_SHA256 = env.str("BASE_IMAGE_SHA256", default="")
DOWNLOAD_DAYS = env.int("DOWNLOAD_DAYS", default=14)
WAREHOUSE = env.str("WAREHOUSE", default="main")  # slug of the warehouse that new images go to
TORRENT_TRACKERS = env.list("TORRENT_TRACKERS", default=[])  # named in the torrents of downloads, best first

# --- security
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_TLS_PROXY", default=False) else None
)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=3600)
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
}
