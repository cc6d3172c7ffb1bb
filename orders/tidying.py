"""What nobody can reach any more goes: configurations deleted long ago, uploads that nothing names."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from imager import clock
from orders.models import UPLOADS, Configuration, ConfigurationVersion, Order, Upload

KEPT: Final = timedelta(days=30)  # what was deleted can be taken back
UNUSED: Final = timedelta(days=7)  # somebody may have the form still open
AT_ONCE: Final = 200


def purge_configurations() -> int:
    """End those that were deleted 30 days ago. Orders stay. Returns how many."""
    long_ago = Configuration.objects.deleted().filter(deleted_at__lt=clock.now() - KEPT)
    keys = list(long_ago.values_list("pk", flat=True)[:AT_ONCE])
    Configuration.objects.deleted().filter(pk__in=keys).delete()
    return len(keys)


def purge_uploads() -> int:
    """Delete files that no configuration, version or recipe names. Returns how many."""
    gone = 0
    for pk in list(_unused().order_by("created_at").values_list("pk", flat=True)):
        gone += _purge(pk)  # many stay, for versions name them: they must not hide the others
        if gone == AT_ONCE:
            break
    return gone


def _unused() -> QuerySet[Upload]:
    used = Configuration.objects.order_by()
    old = Upload.objects.filter(created_at__lt=clock.now() - UNUSED)
    for name in UPLOADS:
        old = old.exclude(pk__in=used.exclude(**{name: None}).values(name))
    return old


@transaction.atomic
def _purge(pk: UUID) -> bool:
    """Whether it went. What a version or a recipe names stays: it may be restored, or built once more."""
    upload = _unused().select_for_update(skip_locked=True).filter(pk=pk).first()
    if upload is None:
        return False
    named = Q(values__branding_logo=str(pk)) | Q(values__branding_favicon=str(pk))
    if ConfigurationVersion.objects.filter(named | Q(values__preload_zip=str(pk))).exists():
        return False
    mine = Order.objects.filter(organization=upload.organization_id, recipe__contains=upload.key)
    if mine.exists():
        return False
    storage, name = upload.file.storage, str(upload.file.name)
    upload.delete()
    transaction.on_commit(lambda: storage.delete(name))
    return True
