"""The app's name for Django."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TasksConfig(AppConfig):
    """The tasks_app room."""

    name = "tasks_app"
    verbose_name = _("Tasks")

    def ready(self) -> None:
        """What is tidied up now and then."""
        from imager.accounts import mail
        from imager.accounts.counts import prune_counts
        from imager.accounts.expiry import expire_accounts
        from imager.accounts.repeats import prune_repeats
        from imager.accounts.services import prune_tokens
        from imager.accounts.signatures import prune_signatures
        from tasks_app import followers, outbox, pulse, statistics, stumbles, tallies
        from tasks_app.services import logs

        mail.deliver_by(outbox.post)
        outbox.serve(tallies.WORK, tallies.count)
        tallies.serve(statistics.TALLY, statistics.count)
        followers.every("hour", statistics.foresee)
        followers.every("hour", prune_tokens)
        followers.every("hour", prune_counts)
        followers.every("hour", prune_repeats)
        followers.every("hour", prune_signatures)
        followers.every("day", expire_accounts)
        followers.every("day", outbox.prune)
        followers.every("day", pulse.forget)
        followers.every("day", logs.prune)
        followers.every("day", stumbles.forget)
