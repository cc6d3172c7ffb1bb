"""The app's name for Django."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WarehouseConfig(AppConfig):
    """The warehouse room."""

    name = "warehouse"
    verbose_name = _("Warehouse")
