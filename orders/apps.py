"""The app's name for Django, and what orders have to do with tasks."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    """The orders room."""

    name = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        """Follow the tasks, tell their recipes, end downloads in time, and keep the catalogue fresh."""
        from imager.accounts.leaving import follow
        from orders import figures, flow, leaving, services, tidying
        from orders.catalogue import syncing
        from tasks_app import followers, outbox, tallies

        followers.follow(flow.task_moved)
        followers.recipe_of(flow.recipe_of)
        followers.every_minute(services.expire_due)
        followers.every("hour", syncing.ask)
        outbox.serve(syncing.WORK, syncing.serve)
        tallies.serve(figures.TALLY, figures.count)
        followers.every("hour", figures.foresee)
        followers.every("day", tidying.purge_configurations)
        followers.every("day", tidying.purge_uploads)
        follow(leaving)
