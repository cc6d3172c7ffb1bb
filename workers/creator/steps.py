"""A create task: build the image, bring it to the warehouse, publish it."""

from __future__ import annotations

from typing import cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers import places
from workers.contract import CreateResult, CreateSpec
from workers.creator.build import build
from workers.creator.rules import rules_of
from workers.creator.upload import publish, upload
from workers.job import Job
from workers.report import Report
from workers.warehouse import Line


def create(job: Job, report: Report) -> CreateResult:
    """Everything happens in a private folder that is gone afterwards, however it ends."""
    spec = cast("CreateSpec", job.spec)
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(job.config.require("signing_key")))
    folder = places.work_folder(job.config.data, job.task, job.attempt)
    places.clear_work(job.config.data, job.task, job.attempt)
    folder.mkdir(parents=True, mode=0o700)
    try:
        built = build(
            spec["recipe"],
            folder,
            name=spec["name"],
            signing_key=key,
            report=report,
            rules=rules_of(),
            cache_dir=job.config.data / "cache",
            torrent=spec.get("torrent", False),
        )
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
