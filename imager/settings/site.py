"""Where this site lies on the disk, how it is reached, and its own secret."""

from __future__ import annotations

from pathlib import Path

from imager.env import env, required

ROOT = Path(__file__).resolve().parent.parent.parent
VAR = Path(env.str("IMAGER_VAR", default=str(ROOT / "var")))

DEBUG = False
SECRET_KEY = required("SECRET_KEY", "50 or more random characters that stay the same between starts")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000")  # how people and hosts reach us
