"""The app's name for Django."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TasksConfig(AppConfig):
    """The tasks_app room."""

    name = "tasks_app"
    verbose_name = _("Tasks")
