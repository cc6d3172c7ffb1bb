"""A create task: build the image, bring it to the warehouse, publish it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers import places
from workers.contract import CreateResult, CreateSpec
from workers.creator.build import build
from workers.creator.emit import Built
from workers.creator.outside import build as outside
from workers.creator.settings import Backend, settings_of
from workers.creator.upload import publish, upload
from workers.job import Job
from workers.report import Report
from workers.warehouse import Line


def create(job: Job, report: Report) -> CreateResult:
    """Everything happens in a private folder that is gone afterwards, however it ends."""
    spec = cast("CreateSpec", job.spec)
    folder = places.work_folder(job.config.data, job.task, job.attempt)
    places.clear_work(job.config.data, job.task, job.attempt)
    folder.mkdir(parents=True, mode=0o700)
    try:
        built = _build(job, spec, folder, report)
        line = Line(lambda: job.api.ticket(job.task, job.attempt), job.config.ca_file, report)
        upload(folder, built.files, line, report)
        publish(built.files, line, report)
    finally:
        places.clear_work(job.config.data, job.task, job.attempt)
    return {
        "files": built.files,
        "image_size": built.image_size,
        "image_sha256": built.image_sha256,
        "mapped_bytes": built.mapped_bytes,
    }


def _build(job: Job, spec: CreateSpec, folder: Path, report: Report) -> Built:
    """With the builder that the operator of this host chose."""
    settings = settings_of(job.config.creator)
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(job.config.require("signing_key")))
    if settings.backend is Backend.IMAGE_CREATOR:
        return outside.build(
            spec["recipe"],
            folder,
            name=spec["name"],
            signing_key=key,
            report=report,
            settings=settings,
            cache_dir=job.config.data / "image-creator",
            torrent=spec.get("torrent", False),
        )
    return build(
        spec["recipe"],
        folder,
        name=spec["name"],
        signing_key=key,
        report=report,
        rules=settings.rules,
        cache_dir=job.config.data / "cache",
        torrent=spec.get("torrent", False),
    )
