"""A create task: build the image, bring it to the warehouse, publish it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from workers import __version__, places
from workers.contract import CreateResult, CreateSpec
from workers.creator.build import build
from workers.creator.emit import Built
from workers.creator.finished import Finished
from workers.creator.outside import build as outside
from workers.creator.settings import Backend, settings_of
from workers.creator.upload import publish, upload
from workers.errors import HostError
from workers.imaging.manifest import public_hex
from workers.job import Job
from workers.report import Report
from workers.warehouse import Line

_MAY_LACK_ROOM: Final = ("disk_full", "builder_failed")


def create(job: Job, report: Report) -> CreateResult:
    """Built in a private folder that is gone afterwards, however it ends.

    What was built stays until it is published, so that a failed upload is tried again without building.
    """
    spec = cast("CreateSpec", job.spec)
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(job.config.require("signing_key")))
    made_of = _made_of(spec, key, settings_of(job.config.creator).backend)
    finished = Finished(job.config.data, job.task, made_of)
    folder = places.work_folder(job.config.data, job.task, job.attempt)
    places.clear_work(job.config.data, job.task, job.attempt)
    folder.mkdir(parents=True, mode=0o700)
    try:
        built = finished.find(report)
        if built is None:
            built = _build_somehow(job, spec, folder, key, finished, report)
            finished.keep(folder, built)
        line = Line(lambda: job.api.ticket(job.task, job.attempt), job.config.ca_file, report)
        upload(finished.place, built.files, line, report)
        publish(built.files, line, report)
    finally:
        places.clear_work(job.config.data, job.task, job.attempt)
    return {
        "files": built.files,
        "image_size": built.image_size,
        "image_sha256": built.image_sha256,
        "mapped_bytes": built.mapped_bytes,
    }


def _made_of(spec: CreateSpec, key: Ed25519PrivateKey, backend: Backend) -> dict[str, object]:
    """With the builder: the image of one that was replaced since is not served."""
    return {
        "worker": __version__,
        "backend": backend.value,
        "name": spec["name"],
        "recipe": hashlib.sha256(spec["recipe"].encode()).hexdigest(),
        "signing_key": public_hex(key),
        "torrent": spec.get("torrent", False),
    }


def _build_somehow(
    job: Job, spec: CreateSpec, folder: Path, key: Ed25519PrivateKey, finished: Finished, report: Report
) -> Built:
    """On a disk that is too full, the image of another order that waits here makes room.

    An outside builder seldom says that this was why it failed.
    """
    try:
        return _build(job, spec, folder, key, report)
    except HostError as error:
        if error.code not in _MAY_LACK_ROOM or not finished.make_room():
            raise
        report.log(f"{error.message} The finished image of another order made room: building again.")
    return _build(job, spec, folder, key, report)


def _build(job: Job, spec: CreateSpec, folder: Path, key: Ed25519PrivateKey, report: Report) -> Built:
    """With the builder that the operator of this host chose."""
    settings = settings_of(job.config.creator)
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
