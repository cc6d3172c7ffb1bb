"""People: who they are, how they prove it, and the tokens that they and hosts get."""

from __future__ import annotations

from datetime import timedelta

from imager.env import env, required

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
ACCOUNT_RATE_LIMITS = {"login_failed": env.str("LOGIN_FAILED_RATE", default="30/m/ip,5/300s/key")}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # staff and invitations vouch for addresses
MFA_TOTP_ISSUER = "Imager Service"
MFA_TOTP_TOLERANCE = 1
MFA_FORMS = {
    "authenticate": "imager.accounts.forms.CodeForm",
    "reauthenticate": "imager.accounts.forms.CodeAgainForm",
    "add_webauthn": "imager.accounts.forms.KeyForm",
    "edit_webauthn": "imager.accounts.forms.KeyNameForm",
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
