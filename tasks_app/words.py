"""Steps, kinds, faults, outcomes and reasons in people's words."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from tasks_app.lifecycle import TaskStatus
from workers.contract import Fault, Kind, Step

STEPS = {
    Step.CLAIMED: _("starting"),
    Step.CHECKING: _("checking"),
    Step.FETCHING: _("fetching contents"),
    Step.BUILDING: _("building the image"),
    Step.PACKING: _("compressing"),
    Step.UPLOADING: _("uploading"),
    Step.PUBLISHING: _("publishing"),
    Step.DOWNLOADING: _("downloading"),
    Step.VERIFYING: _("verifying"),
    Step.WIPING: _("wiping the card"),
    Step.WRITING: _("writing the card"),
    Step.READING_BACK: _("reading the card back"),
}

KINDS = {
    Kind.CREATE: _("build the image"),
    Kind.DOWNLOAD: _("download to the writer host"),
    Kind.WRITE: _("write a card"),
}

# Whose fault an attempt's failure is.
FAULTS = {
    Fault.JOB.value: pgettext_lazy("faults", "the order"),
    Fault.HOST.value: pgettext_lazy("faults", "the host"),
    Fault.SLOT.value: pgettext_lazy("faults", "the card reader"),
    Fault.CARD.value: pgettext_lazy("faults", "the card"),
    Fault.BUG.value: pgettext_lazy("faults", "this software"),
}

# How attempts end: in the words of hosts, or because the server took them back.
OUTCOMES = {
    "done": TaskStatus.DONE.label,
    "failed": TaskStatus.FAILED.label,
    "canceled": TaskStatus.CANCELED.label,
    "lost": pgettext_lazy("attempts", "lost"),
    "timeout": pgettext_lazy("attempts", "took too long"),
    "released": pgettext_lazy("attempts", "given back"),
    "moved": pgettext_lazy("attempts", "moved to another host"),
}

OUT_OF_SERVICE = _("The station that is to do the work is out of service at present.")
STARTING = _("It starts in a moment.")
MOVING = _("The image is being brought to another station first.")

# Why an order waits: in words for members, who are told of no hosts, and in words for staff.
REASONS = {
    "no_creator": (
        _("No machine that builds images is at work now. It goes on by itself once one is back."),
        _("No creator is online in channel %(channel)s: %(hosts)s. Start one, or resume it."),
    ),
    "creators_busy": (
        _("All machines that build images are busy: number %(position)d in the queue."),
        _("All creators of channel %(channel)s are busy: number %(position)d in the queue."),
    ),
    "backed_off": (
        _("The last try failed. The next one begins after %(time)s (UTC)."),
        _("The last try failed; the next one begins after %(time)s (UTC). %(trouble)s"),
    ),
    "starting": (STARTING, STARTING),
    "no_writer": (
        _("No station takes work at present. It goes on by itself once one does."),
        _("No writer host of channel %(channel)s takes work: enable or resume one."),
    ),
    "host_disabled": (
        OUT_OF_SERVICE,
        _("Host %(host)s is disabled: enable it, or move the download to another host."),
    ),
    "host_draining": (
        OUT_OF_SERVICE,
        _("Host %(host)s is draining: resume it, or move the download to another host."),
    ),
    "host_silent": (
        OUT_OF_SERVICE,
        _("Host %(host)s is silent since %(time)s (UTC): start it, or move the download to another host."),
    ),
    "host_unseen": (OUT_OF_SERVICE, _("Host %(host)s was never heard of: start its worker.")),
    "host_busy": (
        _("The station is busy: number %(position)d in the queue."),
        _("Host %(host)s is busy with another download: number %(position)d in the queue."),
    ),
    "card_needed": (
        _("A card must be inserted at the station."),
        _("A card is needed at station %(host)s, in one of the slots: %(slots)s."),
    ),
    "card_unconfirmed": (
        _("A card must be confirmed at the station."),
        _("A card must be confirmed at station %(host)s. Cards are in the slots: %(slots)s."),
    ),
    "slots_taken": (
        _("The card readers of the station are all in use."),
        _("No slot of station %(host)s is free: all are at work, disabled or have a problem."),
    ),
    "image_moving": (MOVING, MOVING),
    "running_silent": (
        _("The machine at work has not answered since %(time)s (UTC). It may be working on all the same."),
        _("Host %(host)s is at work and has not answered since %(time)s (UTC): look whether it runs."),
    ),
    "cancel_asked": (
        _("The machine at work was asked to stop, and has not answered yet."),
        _("Host %(host)s was asked to stop, and has not answered yet."),
    ),
}
