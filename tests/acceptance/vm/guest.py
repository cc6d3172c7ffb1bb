"""The small computer's software: Debian's kernel, busybox, Python 3.11; our `workers`, its requirements.

All of it is unpacked by the kernel into memory. What does not change from run to run is kept in the cache.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.acceptance import initramfs
from tests.acceptance.debian import Debian
from tests.doubles.papers import ROOT

ARCHITECTURE: Final = "amd64"
KERNEL: Final = "linux-image-amd64"
_MODULES: Final = ("xhci_pci", "ehci_pci", "usb_storage", "uas", "sd_mod")
_KERNEL_FILES: Final = (
    r"^\./boot/vmlinuz|/kernel/(drivers/(usb|scsi|ata)|lib|crypto|block|arch/x86/crypto)/.*\.ko$"
)
_LIBRARY: Final = r"/lib/x86_64-linux-gnu/[^/]*\.so[^/]*$"
_PACKAGES: Final = {
    "busybox-static": r"/busybox$",
    "libc6": rf"{_LIBRARY}|/lib64/ld-linux-x86-64\.so\.2$",
    **dict.fromkeys(
        ("libgcc-s1", "libexpat1", "zlib1g", "libssl3", "libffi8", "libbz2-1.0", "liblzma5", "libuuid1",
         "libsqlite3-0", "libudev1"),
        _LIBRARY,
    ),
    "python3.11-minimal": r"/usr/bin/python3\.11$",
    "libpython3.11-minimal": r"/usr/lib/python3\.11/",
    "libpython3.11-stdlib": r"/usr/lib/python3\.11/",
}  # fmt: skip
_LOCK: Final = ROOT / "requirements/worker.txt"
_FOLDERS: Final = ("dev", "proc", "sys", "tmp", "run", "root", "modules", "sbin")

# Takes commands, one a line, on the second serial port, and says how each ended.
_INIT: Final = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done < /modules/list
export PATH=/usr/bin:/bin PYTHONPATH=/site:/srv HOME=/root PYTHONWARNINGS=error PYTHONUNBUFFERED=1
stty -F /dev/ttyS1 raw -echo
exec < /dev/ttyS1 > /dev/ttyS1 2>&1
echo "=== ready"
while read -r line; do
  (eval "$line") < /dev/null
  echo "=== exit $?"
done
poweroff -f
"""


def kernel(debian: Debian) -> Path:
    """The kernel as the emulator loads it."""
    (image,) = (debian.files(KERNEL, _KERNEL_FILES) / "boot").glob("vmlinuz-*")
    return image


def memory(debian: Debian, cache: Path, work: Path, images: Path) -> Path:
    """The archive for the kernel, in `work`; the folder `images` is `/images` in there."""
    whole = work / "memory.cpio"
    with whole.open("wb") as out:
        for part in (_userland(debian, cache).read_bytes(), *_ours(work, images)):
            out.write(part)
    return whole


def _ours(work: Path, images: Path) -> Iterator[bytes]:
    code = shutil.copytree(
        ROOT / "workers", work / "srv/workers", ignore=shutil.ignore_patterns("__pycache__")
    )
    _compile(code)
    yield initramfs.archive([initramfs.entry("srv", 0o040755), *initramfs.tree(work / "srv", "srv/")])
    yield initramfs.archive([initramfs.entry("images", 0o040755), *initramfs.tree(images, "images/")])
    yield initramfs.archive([initramfs.entry("init", 0o100755, _INIT.encode())])


def _userland(debian: Debian, cache: Path) -> Path:
    """Everything but our own code; made once for each set of packages and requirements."""
    seed = (
        repr((_PACKAGES, _MODULES, _KERNEL_FILES, _FOLDERS, sys.version_info[:2])).encode()
        + _LOCK.read_bytes()
    )
    made = cache / f"userland-{hashlib.sha256(seed).hexdigest()[:12]}.cpio"
    if not made.exists():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            root = Path(folder) / "root"
            _fill(root, debian)
            order = initramfs.modules(debian.files(KERNEL, _KERNEL_FILES), _MODULES)
            packed = Path(folder) / "packed"
            packed.write_bytes(initramfs.archive([*initramfs.tree(root), *initramfs.module_entries(order)]))
            packed.rename(made)
    return made


def _fill(root: Path, debian: Debian) -> None:
    for name in _FOLDERS:
        (root / name).mkdir(parents=True)
    for package, wanted in _PACKAGES.items():
        shutil.copytree(debian.files(package, wanted), root, symlinks=True, dirs_exist_ok=True)
    (root / "usr/bin/python").symlink_to("python3.11")
    uv = str(Path(sys.executable).with_name("uv"))
    platform = ("--python-version", "3.11", "--python-platform", "x86_64-unknown-linux-gnu")
    options = ("--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", *platform)
    _run(uv, "pip", "install", *options, "--target", str(root / "site"), "-r", str(_LOCK))
    _compile(root / "site", root / "usr/lib/python3.11")


def _compile(*folders: Path) -> None:
    """Byte code for the guest, where compiling takes long; of use only if our own Python is its Python."""
    if sys.version_info[:2] == (3, 11):
        mode = ("-q", "-j", "0", "--invalidation-mode", "unchecked-hash")
        _run(sys.executable, "-W", "ignore", "-m", "compileall", *mode, *map(str, folders))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, f"{' '.join(command)} failed: {done.stdout}{done.stderr}"
