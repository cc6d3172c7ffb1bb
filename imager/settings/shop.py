"""The shop that sells access: what its calls are signed with. Unset: it cannot call."""

from __future__ import annotations

from imager.env import env

# One, or two while they are exchanged; the caller signs with either (docs/api.md).
SHOP_WEBHOOK_SECRETS = [
    secret.strip() for secret in env.str("SHOP_WEBHOOK_SECRETS", default="").split(",") if secret.strip()
]
SHOP_CHANNEL = env.str("SHOP_CHANNEL", default="main")  # of the organizations that it makes
