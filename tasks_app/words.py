"""Steps and kinds in people's words."""

from django.utils.translation import gettext_lazy as _

from workers.contract import Kind, Step

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
