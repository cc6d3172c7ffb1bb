"""The C library of e2fsprogs, as far as we need it: loading, signatures, errors in words.

Call `lib()`; it fails with a HostError where e2fsprogs is not installed. Inodes and directory
blocks travel as raw bytes in their on-disk form, which equals the C structs on the little-endian
machines that we run on.
"""

from __future__ import annotations

import ctypes as c
import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from workers.errors import HostError

NAME: Final = "libext2fs.so.2"

READ_WRITE: Final = 0x1
WIDE_BLOCKS: Final = 0x20000  # EXT2_FLAG_64BITS

KIND_FILE, KIND_FOLDER, KIND_LINK = 1, 2, 7  # as directory entries say it
INDEX_FLAG: Final = 0x1000  # inode flags
EXTENTS_FLAG: Final = 0x80000

FALLOCATE_FORCE_INIT: Final = 0x2
FALLOCATE_BEYOND_EOF: Final = 0x8
ANY_GOAL: Final = (1 << 64) - 1
TO_THE_END: Final = (1 << 64) - 1
EXTENT_ROOT: Final = 1
EXTENT_NEXT: Final = 9  # EXT2_EXTENT_NEXT: depth first, interior nodes twice
EXTENT_LEAF, EXTENT_UNWRITTEN, EXTENT_SECOND_VISIT = 1, 2, 4

_BASE: Final = 0x7F2BB700
DIR_NO_SPACE: Final = _BASE + 38
NO_BLOCK: Final = _BASE + 72
NO_INODE: Final = _BASE + 73
NOT_FOUND: Final = _BASE + 76
NO_NEXT_EXTENT: Final = _BASE + 124
NO_ROOM_FOR_ATTRIBUTES: Final = _BASE + 163

_handle, _u32, _u64, _text = c.c_void_p, c.c_uint32, c.c_uint64, c.c_char_p

ITERATE: Final = c.CFUNCTYPE(c.c_int, _u32, c.c_int, _handle, c.c_int, c.c_int, _handle, _handle)

TAKE_ATTRIBUTE: Final = c.CFUNCTYPE(c.c_int, _text, _handle, c.c_size_t, _handle)

_SIGNATURES: Final[dict[str, list[type]]] = {
    "open2": [_text, _text, c.c_int, c.c_int, c.c_uint, _handle, c.POINTER(_handle)],
    "read_bitmaps": [_handle],
    "close_free": [c.POINTER(_handle)],
    "new_inode": [_handle, _u32, c.c_int, _handle, c.POINTER(_u32)],
    "mkdir": [_handle, _u32, _u32, _text],
    "symlink": [_handle, _u32, _u32, _text, _text],
    "link": [_handle, _u32, _text, _u32, c.c_int],
    "expand_dir": [_handle, _u32],
    "lookup": [_handle, _u32, _text, c.c_int, _handle, c.POINTER(_u32)],
    "read_inode_full": [_handle, _u32, _handle, c.c_int],
    "write_inode_full": [_handle, _u32, _handle, c.c_int],
    "new_range": [_handle, c.c_int, _u64, _u64, _handle, c.POINTER(_u64), c.POINTER(_u64)],
    "fallocate": [_handle, c.c_int, _u32, _handle, _u64, _u64, _u64],
    "extent_open2": [_handle, _u32, _handle, c.POINTER(_handle)],
    "extent_get": [_handle, c.c_int, _handle],
    "bmap2": [_handle, _u32, _handle, _handle, c.c_int, _u64, _handle, c.POINTER(_u64)],
    "read_dir_block4": [_handle, _u64, _handle, c.c_int, _u32],
    "write_dir_block4": [_handle, _u64, _handle, c.c_int, _u32],
    "dir_iterate2": [_handle, _u32, c.c_int, _handle, ITERATE, _handle],
    "dirhash": [c.c_int, _text, c.c_int, _text, c.POINTER(_u32), c.POINTER(_u32)],
    "punch": [_handle, _u32, _handle, _handle, _u64, _u64],
    "free_ext_attr": [_handle, _u32, _handle],
    "xattrs_open": [_handle, _u32, c.POINTER(_handle)],
    "xattrs_read": [_handle],
    "xattrs_write": [_handle],
    "xattrs_close": [c.POINTER(_handle)],
    "xattrs_iterate": [_handle, TAKE_ATTRIBUTE, _handle],
    "xattr_set": [_handle, _text, _text, c.c_size_t],
    "file_open": [_handle, _u32, c.c_int, c.POINTER(_handle)],
    "file_read": [_handle, _handle, c.c_uint, c.POINTER(c.c_uint)],
    "file_close": [_handle],
}


class Ext2Error(HostError):
    """An error number of the library, with its own words."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(
            "ext4_failed", f"{what}: {_words(number)}; see whether the disk of this host is healthy"
        )
        self.number = number


@functools.cache
def lib() -> c.CDLL:
    """The library with all signatures set; HostError `missing_library` without e2fsprogs."""
    try:
        library = c.CDLL(NAME)
        for name, arguments in _SIGNATURES.items():
            function = getattr(library, f"ext2fs_{name}")
            function.argtypes, function.restype = arguments, c.c_long
    except (OSError, AttributeError) as error:  # not there, or too old to have all that we call
        raise HostError(
            "missing_library",
            f"{NAME} cannot be loaded; install the package e2fsprogs (1.45 or newer) on this host",
        ) from error
    library.ext2fs_inode_alloc_stats2.argtypes = [_handle, _u32, c.c_int, c.c_int]
    library.ext2fs_inode_alloc_stats2.restype = None
    library.ext2fs_block_alloc_stats_range.argtypes = [_handle, _u64, _u32, c.c_int]
    library.ext2fs_block_alloc_stats_range.restype = None
    library.ext2fs_extent_free.argtypes, library.ext2fs_extent_free.restype = [_handle], None
    library.initialize_ext2_error_table()
    return library


def io_manager() -> int | None:
    """The library's manager for plain files."""
    return _handle.in_dll(lib(), "unix_io_manager").value


def check(what: str, code: int) -> None:
    """Raise unless the library says zero."""
    if code:
        raise Ext2Error(what, code)


@contextmanager
def attributes(fs: c.c_void_p, inode: int) -> Iterator[c.c_void_p]:
    """The extended attributes of an inode, read."""
    handle = c.c_void_p()
    check("extended attributes", lib().ext2fs_xattrs_open(fs, inode, c.byref(handle)))
    try:
        check("extended attributes cannot be read", lib().ext2fs_xattrs_read(handle))
        yield handle
    finally:
        lib().ext2fs_xattrs_close(c.byref(handle))


_clock = threading.Lock()


@contextmanager
def frozen_clock(now: int) -> Iterator[None]:
    """Within, file systems that are opened take `now` (seconds since 1970) as the time of all they do.

    The library knows only this environment variable for it.
    """
    with _clock:
        before = os.environ.get("E2FSPROGS_FAKE_TIME")
        os.environ["E2FSPROGS_FAKE_TIME"] = str(now)
        try:
            yield
        finally:
            if before is None:
                del os.environ["E2FSPROGS_FAKE_TIME"]
            else:
                os.environ["E2FSPROGS_FAKE_TIME"] = before


def _words(code: int) -> str:
    if 0 < code < _BASE:
        return os.strerror(code)
    errors = c.CDLL("libcom_err.so.2")
    errors.error_message.argtypes, errors.error_message.restype = [c.c_long], c.c_char_p
    text: bytes = errors.error_message(code)
    return text.decode(errors="replace")
