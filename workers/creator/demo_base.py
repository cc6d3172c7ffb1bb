"""Makes the small base image of demo and tests: `python -m workers.creator.demo_base OUT.img`.

It has the shape of a hotspot's base image (FAT32 boot, ext4 root, ext4 data), is sparse,
and is always the same to the byte.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from pathlib import Path
from typing import Final

from workers.creator.epoch import EPOCH
from workers.errors import WorkError
from workers.imaging import mbr
from workers.imaging.ext4_fill import Ext4Fill, Owner
from workers.imaging.ext4_tools import Ext4Identity, make_ext4
from workers.imaging.fat import Fat, format_fat

_MIB: Final = 1 << 20
BOOT: Final = mbr.Partition(1, mbr.FAT32_LBA, 4 * _MIB, 36 * _MIB, active=True)
ROOT: Final = mbr.Partition(2, mbr.LINUX, 40 * _MIB, 16 * _MIB)
DATA: Final = mbr.Partition(3, mbr.LINUX, 56 * _MIB, 16 * _MIB)
SIZE: Final = DATA.end

_BOOT_FILES: Final = {
    "config.txt": "arm_64bit=1\n",
    "cmdline.txt": "console=tty1 root=LABEL=rootfs rootfstype=ext4 rootwait\n",
}
_ROOT_FILES: Final = {
    "/etc/hostname": "hotspot\n",
    "/etc/os-release": 'PRETTY_NAME="Imager demo base"\nNAME="Imager demo"\nID=imager-demo\nVERSION_ID="1"\n',
    "/etc/fstab": "LABEL=rootfs / ext4 defaults 0 1\nLABEL=data /data ext4 defaults 0 2\n",
    "/etc/motd": "A demo image. It shows the line from order to card; it does not boot.\n",
}
_DATA_FILES: Final = {"/conf/base.txt": "imager-demo 1\n"}


def make_demo_base(out: Path) -> None:
    """Write the base image to `out`, which must not exist."""
    with out.open("xb") as file:
        file.truncate(SIZE)
        file.write(mbr.new_table([BOOT, ROOT, DATA], disk_id=0x494D4752))
    format_fat(out, BOOT.start, BOOT.length, bits=32, label="bootfs", serial=0x494D4731, now=EPOCH)
    with Fat(out, BOOT.start, writable=True) as boot:
        for name, text in _BOOT_FILES.items():
            boot.write(name, text.encode(), now=EPOCH)
    _make_linux(out, ROOT, "rootfs", _ROOT_FILES)
    _make_linux(out, DATA, "data", _DATA_FILES)


def _make_linux(out: Path, partition: mbr.Partition, label: str, files: dict[str, str]) -> None:
    names = (uuid.uuid5(uuid.NAMESPACE_DNS, f"{label}.{what}.imager") for what in ("uuid", "hash"))
    make_ext4(
        out, partition.start, partition.length, Ext4Identity(label, *(n.bytes for n in names)), now=EPOCH
    )
    with Ext4Fill(out, partition.start, now=EPOCH) as system:
        for path, text in files.items():
            data = text.encode()
            file = system.create(path, len(data), Owner(EPOCH), folders=Owner(EPOCH, mode=0o755))
            file.write(data)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m workers.creator.demo_base", description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT.img")
    out: Path = parser.parse_args(arguments).out
    try:
        make_demo_base(out)
    except FileExistsError:
        parser.error(f"{out} exists already; remove it or give another name")
    except WorkError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
