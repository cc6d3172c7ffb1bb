"""A base image that boots: Debian's arm64 kernel and busybox, made with standard programs only.

Nothing here comes from the product: what the builder makes of this image is to be judged by others.
"""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

from tests.acceptance import initramfs
from tests.acceptance.debian import Debian
from tests.doubles.cards import MIB, tool

KERNEL: Final = "linux-image-arm64"
_MODULES: Final = ("virtio_pci", "virtio_blk", "ehci-pci", "usb-storage", "sd_mod", "sdhci-pci",
                   "crc32c_generic", "ext4", "vfat", "nls_cp437", "nls_ascii")  # fmt: skip
_KERNEL_FILES: Final = (
    r"^\./boot/vmlinuz|/kernel/(fs|lib|crypto|block|drivers/(virtio|block|usb|scsi|mmc|input))/.*\.ko$"
)
_APPLETS: Final = ("sh", "mount", "findfs", "insmod", "sleep", "seq", "cat", "ls", "uname", "find",
                   "sha256sum", "readlink", "switch_root", "poweroff")  # fmt: skip

# (start, length) in MiB of boot, root and data; the last one is too small for what the recipe brings
PARTS: Final = ((1, 64), (65, 8), (73, 8))
SIZE: Final = 81 * MIB
BASE_FILE: Final = b"of the base image\n"
BOOT_NAMES: Final = {"Image", "initrd.gz", "extlinux"}

COMMAND_LINE: Final = "console=ttyAMA0 quiet loglevel=3"
_EXTLINUX: Final = f"""\
default card
timeout 1
label card
 kernel /Image
 initrd /initrd.gz
 append {COMMAND_LINE}
"""

# Finds the card's root by its label, whatever the bus is.
_FIRST_INIT: Final = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done < /modules/list
for try in $(seq 300); do
  root=$(findfs LABEL=rootfs) && break
  sleep 0.1
done
mount -o ro "$root" /new && exec switch_root /new /sbin/init
echo "=== no root file system"
ls /sys/block
poweroff -f
"""

# Tells the serial console what the card holds, in sections that begin with ===.
_INIT: Final = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t ext4 "$(findfs LABEL=data)" /data
mount -t vfat -o ro "$(findfs LABEL=BOOT)" /boot
echo "=== machine"
uname -m
echo "=== disks"
ls -1 /sys/block
echo "=== data"
cd /data && find . -type f | while read -r file; do sha256sum "$file"; done
echo "=== links"
find . -type l | while read -r link; do echo "$link $(readlink "$link")"; done
echo "=== boot"
ls -1 /boot
echo "=== offspot.yaml"
cat /boot/offspot.yaml
echo "=== end"
poweroff -f
"""


def make_base(debian: Debian, work: Path) -> Path:
    """`base.img.gz` in `work`: MBR; FAT32 boot, ext4 root, ext4 data."""
    kernel = debian.files(KERNEL, _KERNEL_FILES)
    busybox = debian.files("busybox-static", r"/busybox$") / "bin/busybox"
    image = work / "base.img"
    with image.open("xb") as file:
        file.truncate(SIZE)
        file.write(_table())
    _make_boot(image, _boot_files(work / "boot", kernel, busybox))
    _make_ext4(image, PARTS[1], "rootfs", _root_files(work / "root", busybox))
    _make_ext4(image, PARTS[2], "data", _data_files(work / "data"))
    packed = work / "base.img.gz"
    with image.open("rb") as plain, gzip.open(packed, "wb", compresslevel=1) as out:
        shutil.copyfileobj(plain, out, MIB)
    return packed


def _table() -> bytes:
    """A master boot record: FAT32, Linux, Linux."""
    entries = b"".join(
        struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start * 2048, length * 2048)
        for kind, (start, length) in zip((0x0C, 0x83, 0x83), PARTS, strict=True)
    )
    return (bytes(440) + b"BOOT" + bytes(2) + entries).ljust(510, b"\0") + b"\x55\xaa"


def _boot_files(folder: Path, kernel: Path, busybox: Path) -> Path:
    (folder / "extlinux").mkdir(parents=True)
    (folder / "extlinux/extlinux.conf").write_text(_EXTLINUX)
    (image,) = (kernel / "boot").glob("vmlinuz-*")
    shutil.copy(image, folder / "Image")
    (folder / "initrd.gz").write_bytes(gzip.compress(_initrd(kernel, busybox), compresslevel=1))
    return folder


def _root_files(folder: Path, busybox: Path) -> Path:
    for name in ("bin", "sbin", "dev", "proc", "sys", "data", "boot"):
        (folder / name).mkdir(parents=True)
    shutil.copy(busybox, folder / "bin/busybox")
    for name in _APPLETS:
        (folder / "bin" / name).symlink_to("busybox")
    (folder / "sbin/init").write_text(_INIT)
    (folder / "sbin/init").chmod(0o755)
    return folder


def _data_files(folder: Path) -> Path:
    (folder / "conf").mkdir(parents=True)
    (folder / "conf/base.txt").write_bytes(BASE_FILE)
    return folder


def _make_boot(image: Path, files: Path) -> None:
    start, length = PARTS[0]
    run("mkfs.vfat", "-F", "32", "-s", "1", "-h", str(start * 2048), "-n", "BOOT",
         "--offset", str(start * 2048), image, str(length * 1024))  # fmt: skip
    run("mcopy", "-s", "-i", f"{image}@@{start * MIB}", *sorted(files.iterdir()), "::/")


def _make_ext4(image: Path, part: tuple[int, int], label: str, files: Path) -> None:
    start, length = part
    run("mke2fs", "-q", "-F", "-t", "ext4", "-L", label, "-d", files,
         "-E", f"offset={start * MIB},root_owner=0:0", image, f"{length}M")  # fmt: skip


def run(program: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [tool(program) or program, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MTOOLS_SKIP_CHECK": "1"},
    )
    assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


def _initrd(kernel: Path, busybox: Path) -> bytes:
    """The archive that the kernel unpacks into memory: busybox, and the modules that lead to the card."""
    folders = ("bin", "dev", "proc", "sys", "new", "modules")
    entries = [initramfs.entry(name, 0o040755) for name in folders]
    entries.append(initramfs.entry("bin/busybox", 0o100755, busybox.read_bytes()))
    entries += [initramfs.entry(f"bin/{name}", 0o120777, b"busybox") for name in _APPLETS]
    entries += initramfs.module_entries(initramfs.modules(kernel, _MODULES))
    entries.append(initramfs.entry("init", 0o100755, _FIRST_INIT.encode()))
    return initramfs.archive(entries)
