"""Become a server process: give up root, be bound to the parent's life, then exec.

Run as `python -I -S launch.py '<json>'`. A process of its own, because `fork` in a threaded parent and
`preexec_fn` do not go together, and because the order below is what makes it work:

1. the account changes first, since a change of credentials clears the parent-death signal;
2. the parent-death signal is set, and the parent checked, in case it died meanwhile;
3. exec.

PostgreSQL refuses to run as root, so as root both servers run as `nobody`. Where `nobody` cannot reach the
checkout (it lies below a 0700 home), he keeps the smallest capability that lets him: reading past directory
modes, or else (a checkout made with umask 077) all of file modes. No parent directory is ever opened up.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
NO_SETUID_FIXUP = 1 << 2  # a change of account leaves capabilities alone, and access(2) regards them
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAP_SETPCAP = 8

UNREACHABLE = 77  # exit code: the account cannot reach the binaries or the data
ORPHANED = 78  # exit code: the parent was gone before we began

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Exec the command that `argv[1]` describes; see `imager.services.process.start` for the fields."""
    job = json.loads(sys.argv[1])
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o077)
    if job["uid"] is not None:
        _become(job["uid"], job["gid"], job["reads"], job["writes"])
    _call(_libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(_libc.prctl, PR_SET_PDEATHSIG, job["death_signal"], 0, 0, 0)
    if os.getppid() != job["parent"]:
        sys.exit(ORPHANED)
    os.chdir(job["cwd"])
    os.execv(job["argv"][0], job["argv"])  # noqa: S606  # a fixed argument list, no shell


def _become(uid: int, gid: int, reads: list[str], writes: list[str]) -> None:
    if _permitted() & _bits((CAP_SETPCAP,)):
        _call(_libc.prctl, PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0)
    try:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        sys.stderr.write(f"root may not become user {uid} here: {error}\n")
        sys.exit(UNREACHABLE)
    for capabilities in ((), (CAP_DAC_READ_SEARCH,), (CAP_DAC_OVERRIDE,)):
        if _effective(capabilities) and _reaches(reads, writes):
            _keep_only(capabilities)
            return
    sys.exit(UNREACHABLE)


def _reaches(reads: list[str], writes: list[str]) -> bool:
    """Whether we, as we are now, can read (and run) `reads` and use the folders `writes`."""
    return all(os.access(path, os.R_OK | os.X_OK, effective_ids=True) for path in reads) and all(
        os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True) for path in writes
    )


def _effective(capabilities: tuple[int, ...]) -> bool:
    """Use just these capabilities for now; False where this machine does not grant them to root."""
    permitted = _permitted()
    wanted = _bits(capabilities)
    if wanted & ~permitted:
        return False
    _set_capabilities(effective=wanted, permitted=permitted, inheritable=wanted)
    return True


def _keep_only(capabilities: tuple[int, ...]) -> None:
    """Drop the rest for good; ambient, so that the kept ones outlive exec."""
    wanted = _bits(capabilities)
    _set_capabilities(effective=wanted, permitted=wanted, inheritable=wanted)
    for capability in capabilities:
        _call(_libc.prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _bits(capabilities: tuple[int, ...]) -> int:
    return sum(1 << capability for capability in capabilities)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def _permitted() -> int:
    sets = (_Sets * 2)()
    _call(_libc.capget, ctypes.byref(_Header(CAPABILITY_VERSION_3, 0)), sets)
    return int(sets[0].permitted) | int(sets[1].permitted) << 32


def _set_capabilities(*, effective: int, permitted: int, inheritable: int) -> None:
    low = _Sets(effective & 0xFFFFFFFF, permitted & 0xFFFFFFFF, inheritable & 0xFFFFFFFF)
    high = _Sets(effective >> 32, permitted >> 32, inheritable >> 32)
    _call(_libc.capset, ctypes.byref(_Header(CAPABILITY_VERSION_3, 0)), (_Sets * 2)(low, high))


def _call(function: ctypes._NamedFuncPointer, *arguments: object) -> None:
    if function(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function.__name__}: {os.strerror(code)}")


if __name__ == "__main__":
    main()
