"""What the server notes of its own work, in people's words."""

from typing import Final

from django.utils.translation import pgettext_lazy

# Why reports of hosts are refused.
REFUSALS: Final = {
    "stale": pgettext_lazy("refusals", "the attempt was over"),
    "stale_permit": pgettext_lazy("refusals", "wanted to write a card after the attempt was over"),
    "event_of_another_task": pgettext_lazy("refusals", "told of another task before"),
}

# What the server does when an entry of the outbox asks for it.
WORKS: Final = {
    "mail": pgettext_lazy("outbox", "send a mail"),
    "catalogue": pgettext_lazy("outbox", "look at a catalogue"),
    "tally": pgettext_lazy("outbox", "count for statistics"),
}

# What the scheduler does; each may fail for one thing and go on with the others.
JOBS: Final = {
    "ring": pgettext_lazy("jobs", "choose what hosts are told of"),
    "send": pgettext_lazy("jobs", "tell hosts of work"),
    "reclaim": pgettext_lazy("jobs", "take back what was given up"),
    "find hosts": pgettext_lazy("jobs", "find a station for a download"),
    "expire": pgettext_lazy("jobs", "end downloads in time"),
    "periodic": pgettext_lazy("jobs", "what is due now and then"),
}

# What is due each minute, hour or day, by the function that does it.
CHORES: Final = {
    "orders.services.expire_due": pgettext_lazy("chores", "end downloads whose time is over"),
    "orders.catalogue.syncing.ask": pgettext_lazy("chores", "have the catalogues looked at"),
    "orders.figures.foresee": pgettext_lazy("chores", "count for the statistics of orders"),
    "orders.tidying.purge_configurations": pgettext_lazy("chores", "remove configurations deleted long ago"),
    "orders.tidying.purge_uploads": pgettext_lazy("chores", "remove uploads that nothing names"),
    "tasks_app.statistics.foresee": pgettext_lazy("chores", "count for the statistics of cards"),
    "tasks_app.outbox.prune": pgettext_lazy("chores", "forget mails sent long ago"),
    "tasks_app.pulse.forget": pgettext_lazy("chores", "forget processes that are long gone"),
    "tasks_app.services.logs.prune": pgettext_lazy("chores", "remove old logs"),
    "tasks_app.stumbles.forget": pgettext_lazy("chores", "forget stumbles that are over"),
    "imager.accounts.counts.prune_counts": pgettext_lazy("chores", "forget counted attempts to log in"),
    "imager.accounts.expiry.expire_accounts": pgettext_lazy("chores", "warn and end accounts that expire"),
    "imager.accounts.repeats.prune_repeats": pgettext_lazy("chores", "forget keys of repeated requests"),
    "imager.accounts.services.prune_tokens": pgettext_lazy("chores", "remove tokens that have expired"),
    "imager.accounts.signatures.prune_signatures": pgettext_lazy("chores", "forget signatures of shops"),
}

# The server's own processes.
PROCESSES: Final = {
    "scheduler": pgettext_lazy("processes", "scheduler"),
    "scheduler-ringer": pgettext_lazy("processes", "scheduler, where it tells hosts of work"),
    "server-worker": pgettext_lazy("processes", "worker of the server"),
}
