"""`python -m workers.writer.probe DEVICE`: how large a card really is, and how fast. Overwrites it.

Exit codes: 0 the card is what it claims, 2 usage, 4 this host, 5 slot or reader, 6 the card is not what it
claims, 7 canceled.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from workers.contract import Trouble
from workers.errors import Canceled, CardError, WorkError
from workers.imaging.devices import Devices
from workers.terminal import TerminalReport
from workers.writer.asking import ask, say, show
from workers.writer.capacity import Capacity, measure
from workers.writer.opening import check, look, open_candidate
from workers.writer.terms import host_error


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        found = _probe(options)
    except WorkError as error:
        return _failed(options, error)
    except OSError as error:
        return _failed(options, host_error(error))
    except KeyboardInterrupt:  # at the question
        return _failed(options, Canceled())
    if options.json:
        _print_json({**asdict(found), "good": found.good})
    else:
        sys.stdout.write(f"{found}\n")
    return 0 if found.good else CardError.exit_code


def _probe(options: argparse.Namespace) -> Capacity:
    devices = Devices()
    candidate = look(options.device, devices)
    check(candidate, devices, allow_non_removable=options.allow_non_removable)
    show(options.device, candidate)
    if not options.yes:
        ask()
    with open_candidate(candidate, devices) as card, TerminalReport(options.device) as report:
        return measure(card, report)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workers.writer.probe",
        description="Measure how large a card really is, and how fast. Everything on it is lost.",
    )
    parser.add_argument("device", metavar="DEVICE", help="a whole device, such as /dev/sdb")
    parser.add_argument("--yes", action="store_true", help="do not ask; overwrite what is there")
    parser.add_argument(
        "--allow-non-removable",
        action="store_true",
        help="also a loop device, a fixed disk, or a file that stands for a card; the system's disk never",
    )
    parser.add_argument("--json", action="store_true", help="what was found as JSON on standard output")
    return parser


def _failed(options: argparse.Namespace, error: WorkError) -> int:
    say(error.message)
    if options.json:
        trouble: Trouble | None = None if isinstance(error, Canceled) else error.trouble()
        _print_json({"trouble": trouble})
    return error.exit_code


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
