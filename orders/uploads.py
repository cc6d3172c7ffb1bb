"""Taking in what organizations bring along: checked, kept under a name of ours, once."""

from __future__ import annotations

import hashlib
from typing import Any, BinaryIO, Final, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from imager import clock
from imager.accounts.models import Organization, User
from imager.sizes import apart
from orders import archives
from orders.models import Upload
from orders.pictures import check_size, picture

NAME: Final = 100


def keep(file: UploadedFile[Any], *, kind: Upload.Kind, of: Organization, by: User | None) -> Upload:
    """What came with a form or an API call, checked. ValidationError."""
    size, name = file.size or 0, file.name or ""
    if kind == Upload.Kind.ZIP:
        return keep_archive(cast("BinaryIO", file), size=size, name=name, of=of, by=by)
    check_size(size)
    return keep_picture(file.read(), kind=kind, name=name, of=of, by=by)


def keep_picture(
    data: bytes,
    *,
    kind: Upload.Kind,
    name: str,
    of: Organization,
    by: User | None,
    limit: int | None = None,
) -> Upload:
    """The logo, written anew as PNG; the same bytes are kept once. ValidationError."""
    made = picture(data, kind, limit=limit)
    digest = hashlib.sha256(made.data).hexdigest()
    known = _known(of, kind, digest)
    if known:
        return known
    size = len(made.data)
    upload = Upload(organization=of, kind=kind, name=name[-NAME:], created_by=by, sha256=digest)
    upload.size = upload.unpacked = size
    upload.file.save("", ContentFile(made.data), save=False)
    upload.save(force_insert=True)
    return upload


def keep_archive(file: BinaryIO, *, size: int, name: str, of: Organization, by: User | None) -> Upload:
    """The ZIP archive as it is; the same one is kept once. ValidationError."""
    limit: int = settings.ZIP_BYTES
    if size > limit:
        has, most = apart(size, limit)
        words = {"has": has, "limit": most}
        raise ValidationError(
            _(
                "The archive has %(has)s; at most %(limit)s can be uploaded. Put it on a web server, and "
                "give its address."
            )
            % words,
            "archive",
        )
    unpacked = archives.unpacked_bytes(file, size)
    file.seek(0)
    digest = hashlib.file_digest(cast("Any", file), "sha256").hexdigest()
    known = _known(of, Upload.Kind.ZIP, digest)
    if known:
        return known
    file.seek(0)
    upload = Upload(organization=of, kind=Upload.Kind.ZIP, name=name[-NAME:], created_by=by, sha256=digest)
    upload.size, upload.unpacked = size, unpacked
    upload.file.save("", File(file), save=False)
    upload.save(force_insert=True)
    return upload


def _known(of: Organization, kind: Upload.Kind, digest: str) -> Upload | None:
    """The same file, taken in before; as young as a new one, so that it is not tidied away meanwhile."""
    found = of.uploads.filter(kind=kind, sha256=digest)
    found.update(created_at=clock.now())
    return found.first()
