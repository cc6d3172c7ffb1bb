"""Checks images offline against the public key of their builder: `python -m workers.creator.verify`."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from workers.errors import HostError, JobError, WorkError
from workers.imaging.proof import Finding, Flaw, examine
from workers.terminal import TerminalReport

# By what is wrong; of several the worst. 2 is wrong usage, 3 no file of an image, 4 this host, 7 canceled.
EXIT_CODES: Final = {Flaw.MISSING: 10, Flaw.DAMAGED: 11, Flaw.FOREIGN: 12, Flaw.UNTRUSTED: 13}
_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")


def main(arguments: list[str] | None = None) -> int:
    """0 if every part of every image holds, else the worst of `EXIT_CODES`."""
    options = _parser().parse_args(arguments)
    try:
        key = None if options.no_signature else read_key(options.public_key)
        verdicts = {path: _examine(path, key) for path in options.artifacts}
    except WorkError as error:
        if options.json:
            sys.stdout.write(json.dumps(error.trouble()) + "\n")
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    if options.json:
        sys.stdout.write(json.dumps([_page(path, found) for path, found in verdicts.items()]) + "\n")
    else:
        sys.stdout.write("".join(_text(path, found) for path, found in verdicts.items()))
    return max(_exit_code(found) for found in verdicts.values())


def read_key(text: str) -> str:
    """The key to trust in hex, which is given so or in a file (hex or PEM). JobError `bad_signing_key`."""
    if _KEY.fullmatch(text):
        return text.lower()
    try:
        data = Path(text).read_bytes()
    except OSError as error:
        raise _bad_key(f"{text!r} is neither 64 hex digits nor a file that can be read") from error
    if _KEY.fullmatch(line := data.decode("ascii", "replace").strip()):
        return line.lower()
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad_key(f"{text} holds neither 64 hex digits nor a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _bad_key(f"the key in {text} is not of the kind Ed25519")
    return key.public_bytes_raw().hex()


def _bad_key(what: str) -> JobError:
    return JobError("bad_signing_key", f"The key to trust cannot be used: {what}; ask the builder for it.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.creator.verify", description=__doc__)
    parser.add_argument(
        "artifacts",
        nargs="+",
        type=Path,
        metavar="ARTIFACT",
        help="any file of an image; NAME.img for the plain image instead of NAME.img.zst",
    )
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("--public-key", metavar="KEY", help="64 hex digits, or a file (hex or PEM)")
    whom.add_argument("--no-signature", action="store_true", help="only whether the parts fit each other")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser


def _examine(path: Path, key: str | None) -> list[Finding]:
    try:
        with TerminalReport(path.name) as report:
            return examine(path, trusted_key=key, report=report)
    except OSError as error:
        where = error.filename or path
        raise HostError(
            "unreadable", f"{where} cannot be read: {error.strerror}; check the rights and the disk."
        ) from error


def _exit_code(found: list[Finding]) -> int:
    return max((EXIT_CODES[each.flaw] for each in found if each.flaw), default=0)


def _page(path: Path, found: list[Finding]) -> dict[str, object]:
    parts = [{"part": each.part, "flaw": each.flaw, "message": each.message} for each in found]
    return {"artifact": str(path), "good": _exit_code(found) == 0, "parts": parts}


def _text(path: Path, found: list[Finding]) -> str:
    lines = [f"  {each.flaw or 'good':<10}{each.part:<11}{each.message}" for each in found]
    verdict = "is good" if _exit_code(found) == 0 else "is NOT good: do not use it"
    return "\n".join([f"{path} {verdict}", *lines]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
