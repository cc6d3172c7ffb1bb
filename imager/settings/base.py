"""Production: safe defaults; whatever is secret or local comes from the environment."""

from __future__ import annotations

from pathlib import Path

from imager.env import env
from imager.settings.api import *
from imager.settings.data import *
from imager.settings.hosts import *
from imager.settings.hotspots import *
from imager.settings.hotspots import UPLOADS
from imager.settings.people import *
from imager.settings.shop import *
from imager.settings.site import *
from imager.settings.site import ROOT, VAR

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_countries",
    "django.contrib.postgres",
    "allauth",
    "imager.accounts.stock.AddressesConfig",
    "imager.accounts.stock.FactorsConfig",
    "imager.accounts.stock.SessionsConfig",
    "rest_framework",
    "rest_framework_simplejwt",
    "drf_spectacular",
    "drf_spectacular_sidecar",
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

FORM_RENDERER = "imager.sentences.Renderer"  # refuses in our sentences

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
    "uploads": UPLOADS,
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
# Where the catalogue comes from; empty: not from there. Files of this machine are named as they are.
CATALOG_ZIMS = env.str("CATALOG_ZIMS", default="https://library.kiwix.org/catalog/v2/entries?count=-1")
CATALOG_APPS = env.str(
    "CATALOG_APPS",
    default="https://raw.githubusercontent.com/offspot/offspot-config/main/src/offspot_config/catalog.json",
)
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
