"""Users, organizations, channels and tokens."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """The accounts room."""

    name = "imager.accounts"
    label = "accounts"
    verbose_name = _("Accounts")
