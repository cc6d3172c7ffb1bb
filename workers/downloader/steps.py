"""A download task: the four files of an order's image, proved while they arrive."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, cast

from workers import places
from workers.contract import (
    BMAP_SUFFIX,
    IMAGE_SUFFIX,
    MANIFEST_SUFFIX,
    SIGNATURE_SUFFIX,
    DownloadSpec,
    FileFacts,
    Step,
)
from workers.downloader.fetch import Fetch
from workers.errors import HostError, JobError
from workers.imaging.manifest import FilePart, Manifest, verify_file
from workers.job import Job
from workers.report import Report
from workers.warehouse import Line

RESERVE = 64 * 1024 * 1024  # bytes that stay free on the disk: journal, tokens, logs


class DownloadResult(TypedDict):
    """`result` of a download task that is done."""

    files: list[FileFacts]


def download(job: Job, report: Report) -> DownloadResult:
    """The papers first: nobody fetches gigabytes for a signature that does not hold."""
    spec = cast("DownloadSpec", job.spec)
    folder = places.images_folder(job.config.data, job.order)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = Line(lambda: job.api.ticket(job.task, job.attempt), job.config.ca_file, report)
    receive(spec, folder, line, report)
    return {"files": spec["files"]}


def receive(spec: DownloadSpec, folder: Path, line: Line, report: Report) -> None:
    """Every file of `spec` into `folder`, the container last and proved against its signed manifest."""
    bmap, page, signature, image = (
        _facts(spec, suffix) for suffix in (BMAP_SUFFIX, MANIFEST_SUFFIX, SIGNATURE_SUFFIX, IMAGE_SUFFIX)
    )
    check_space(folder, spec["files"])
    report.step(Step.DOWNLOADING, sum(facts["size"] for facts in spec["files"]))
    before = 0
    for facts in (signature, page, bmap):
        Fetch(folder, facts).run(line, report)
        before += facts["size"]
        report.progress(before)
    manifest = verify_file(places.artifact(folder, page["name"]), spec["signing_key"])
    _agree(manifest, image, bmap)
    Fetch(
        folder, image, root=manifest.container.root, progress=lambda done: report.progress(before + done)
    ).run(line, report)


def check_space(folder: Path, files: Sequence[FileFacts]) -> None:
    """HostError `disk_full` when the files do not fit, counting what is here already."""
    here = sum(path.stat().st_size for path in folder.iterdir())
    needed = sum(facts["size"] for facts in files) - here + RESERVE
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise HostError(
            "disk_full",
            f"The image needs {needed} more bytes in {folder.parent}, but {free} are free: "
            "remove old images or add a disk.",
        )


def _facts(spec: DownloadSpec, suffix: str) -> FileFacts:
    name = spec["name"] + suffix
    for facts in spec["files"]:
        if facts["name"] == name:
            return facts
    raise JobError("file_missing", f"The order's image has no {name}: create it again.")


def _agree(manifest: Manifest, image: FileFacts, bmap: FileFacts) -> None:
    """The order and the signed manifest must speak of the same files."""
    for signed, told in ((manifest.container, image), (manifest.bmap, bmap)):
        if not _same(signed, told):
            raise JobError(
                "wrong_image",
                f"{told['name']} is not the file that the signed manifest names: create the image again.",
            )


def _same(signed: FilePart, told: FileFacts) -> bool:
    return (signed.name, signed.size, signed.sha256) == (told["name"], told["size"], told["sha256"])
