"""Pulls container images for linux/arm64: tars for `docker load`, the same bytes for the same digest."""

from __future__ import annotations

import hashlib
import json
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from workers.creator.fetch import Fetcher
from workers.creator.inputs import Fetched, Sink, Tell, Told
from workers.creator.oci.layer import Layer
from workers.creator.oci.manifest import Blob, Image, digest_of, read_config, read_index, read_manifest
from workers.creator.oci.mirror import failed, judged
from workers.creator.oci.reference import Reference, parse
from workers.creator.oci.registry import Registry
from workers.creator.recipe import OciImage
from workers.errors import HostError, JobError
from workers.imaging.sizes import exact

_BLOCK: Final = 512
_END: Final = bytes(2 * _BLOCK)
_PIECE: Final = 1 << 20


class Puller:
    """See `inputs.Images`. Layers that have to be unpacked first pass through a nameless file in `folder`."""

    def __init__(self, fetcher: Fetcher, folder: Path | None = None) -> None:
        self._fetcher, self._folder = fetcher, folder
        self._registry = Registry(fetcher)
        self._known: dict[str, Image] = {}

    def look(self, image: OciImage) -> Told:
        name = self._name(image)
        found = self._image(name)
        return Told(_tar_size(found, name), found.digest)

    def pour(self, image: OciImage, sink: Sink, tell: Tell) -> Fetched:
        name = self._name(image)
        found = self._image(name)
        tar = _Tar(sink, tell, str(name), self._fetcher.rules.max_file)
        tar.file("manifest.json", _index_page(found, name))
        tar.file(f"{found.config_hex}.json", found.config)
        written: set[str] = set()
        for layer, diff_id in zip(found.layers, found.diff_ids, strict=True):
            if layer.hex not in written:
                written.add(layer.hex)
                with _mirror_answers(name):
                    self._bring(tar, name, layer, diff_id)
        return tar.close()

    def _name(self, image: OciImage) -> Reference:
        return parse(image.ident).at(dict(self._fetcher.rules.registry_mirrors))

    def _bring(self, tar: _Tar, name: Reference, layer: Blob, diff_id: str) -> None:
        """One layer into the tar: as it is, but zstd unpacked."""
        limit = self._fetcher.rules.max_file
        if layer.packing != "zstd":
            proof = Layer(layer, diff_id, limit)
            tar.begin(_layer_name(layer), layer.size)
            self._registry.blob(name, layer, tar.data, proof.feed)
            proof.prove()
        else:
            with tempfile.TemporaryFile(dir=self._folder) as spool:
                proof = Layer(layer, diff_id, limit, spool.write)
                self._registry.blob(name, layer, proof.feed)
                proof.prove()
                tar.begin(_layer_name(layer), proof.unpacked)
                _copy(spool, tar.data, self._fetcher.check)
        tar.end_file()

    def _image(self, name: Reference) -> Image:
        """What the registry says of it; asked once, so that a tag that moves meanwhile moves nothing here."""
        key = str(name)
        if key not in self._known:
            self._known[key] = self._asked(name)
        return self._known[key]

    def _asked(self, name: Reference) -> Image:
        try:
            return self._ask(name)
        except (JobError, HostError) as trouble:
            if not name.mirror:
                raise
            raise judged(name, trouble, lambda: self._ask(name.at({}))) from trouble

    def _ask(self, name: Reference) -> Image:
        page = self._registry.manifest(name, name.wanted)
        chosen = read_index(page, str(name))
        if chosen is not None:
            page = self._registry.manifest(name, chosen.digest)
        manifest = read_manifest(page, str(name))
        config_page = self._registry.page(name, manifest.config)
        config = read_config(config_page, manifest, str(name))
        return Image(
            digest_of(page), manifest.config.hex, config_page, manifest.layers, config.rootfs.diff_ids
        )


@contextmanager
def _mirror_answers(name: Reference) -> Iterator[None]:
    """It had the image's description: what goes wrong with the rest is not the order's fault."""
    try:
        yield
    except (JobError, HostError) as trouble:
        if not name.mirror or trouble.code == "too_large":
            raise
        raise failed(name, trouble) from trouble


class _Tar:
    """Writes a tar without clock, owner or chance in it."""

    def __init__(self, sink: Sink, tell: Tell, where: str, limit: int) -> None:
        self._sink, self._tell, self._where, self._limit = sink, tell, where, limit
        self._sha256, self._done, self._open = hashlib.sha256(), 0, 0

    def file(self, name: str, data: bytes) -> None:
        self.begin(name, len(data))
        self.data(data)
        self.end_file()

    def begin(self, name: str, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o644
        self._open = size
        self._out(info.tobuf(tarfile.GNU_FORMAT))

    def data(self, piece: bytes) -> None:
        self._out(piece)

    def end_file(self) -> None:
        self._out(bytes(-self._open % _BLOCK))

    def close(self) -> Fetched:
        self._out(_END)
        return Fetched(self._done, self._sha256.hexdigest())

    def _out(self, piece: bytes) -> None:
        if self._done + len(piece) > self._limit:
            raise JobError(
                "too_large",
                f"the container image {self._where} has more than {exact(self._limit)}, the limit; "
                "use a smaller one",
            )
        if piece:
            self._sink.write(piece)
            self._sha256.update(piece)
            self._done += len(piece)
            self._tell(self._done)


def _layer_name(layer: Blob) -> str:
    return f"{layer.hex}/layer.tar"


def _index_page(image: Image, name: Reference) -> bytes:
    """`manifest.json`, which tells `docker load` what belongs together."""
    page = {
        "Config": f"{image.config_hex}.json",
        "RepoTags": [name.loaded_as] if name.loaded_as else [],
        "Layers": [_layer_name(layer) for layer in image.layers],
    }
    return json.dumps([page], separators=(",", ":"), sort_keys=True).encode()


def _tar_size(image: Image, name: Reference) -> int | None:
    """Bytes of the tar; None if only unpacking tells."""
    if any(layer.packing == "zstd" for layer in image.layers):
        return None
    layers = {layer.hex: layer.size for layer in image.layers}
    sizes = [len(_index_page(image, name)), len(image.config), *layers.values()]
    return sum(_BLOCK + -(-size // _BLOCK) * _BLOCK for size in sizes) + len(_END)


def _copy(spool: IO[bytes], take: Callable[[bytes], object], check: Callable[[], None]) -> None:
    spool.seek(0)
    while piece := spool.read(_PIECE):
        check()
        take(piece)
