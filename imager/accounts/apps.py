"""Users, organizations, channels and tokens."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """The accounts room."""

    name = "imager.accounts"
    label = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """The groups of staff follow the permissions that there are."""
        from imager.accounts import groups

        post_migrate.connect(groups.after_migrate, dispatch_uid="imager.accounts.groups")
