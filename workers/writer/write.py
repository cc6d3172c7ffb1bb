"""`python -m workers.writer.write IMAGE DEVICE…`: write cards with no server at all, and verify them.

Exit codes: 0 all written and read back, 2 usage, 3 the image, 4 this host, 5 slot or reader, 6 card,
7 canceled; of several the gravest: 1 (a bug), 3, 4, 5, 6, 7.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Iterable
from typing import Any, Final

from workers.contract import Trouble
from workers.errors import Canceled, JobError, WorkError
from workers.imaging.devices import Devices
from workers.imaging.ranges import total
from workers.imaging.sizes import exact, readable
from workers.imaging.source import Source, open_arriving, open_source
from workers.writer import guards
from workers.writer.asking import ask, say, show
from workers.writer.conditions import AWAY
from workers.writer.crew import Crew, Outcome
from workers.writer.display import Display, Lines
from workers.writer.one import CardOrder
from workers.writer.opening import Candidate, check, look
from workers.writer.terms import add_image_arguments, host_error, key_of, trust

_GRAVEST: Final = (1, 3, 4, 5, 6, 7, 0)
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOST_AWAY: Final = 3600


def main(arguments: list[str]) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.key = key_of(options.signing_key)
        candidates = _candidates(options, parser)
        for path, candidate in zip(options.devices, candidates, strict=True):
            show(path, candidate)
        if not options.yes:
            ask()
        outcomes = _run(options, candidates)
    except WorkError as error:
        return _refused(options, error)
    except OSError as error:
        return _refused(options, host_error(error))
    except KeyboardInterrupt:
        return _refused(options, Canceled())
    _tell(options, outcomes)
    return worst(outcome.exit_code for outcome in outcomes)


def worst(codes: Iterable[int]) -> int:
    """The gravest of several exit codes."""
    return min(codes, key=lambda code: _GRAVEST.index(code) if code in _GRAVEST else 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workers.writer.write", description="Write an image to cards and read everything back."
    )
    add_image_arguments(parser)
    parser.add_argument("devices", metavar="DEVICE", nargs="+", help="a whole device, such as /dev/sdb")
    parser.add_argument("--yes", action="store_true", help="do not ask; overwrite what is there")
    parser.add_argument(
        "--allow-non-removable",
        action="store_true",
        help="also loop devices, fixed disks, and files that stand for a card; the system's disk never",
    )
    for verb in ("write", "read"):
        parser.add_argument(
            f"--min-{verb}-rate", type=float, default=0, metavar="MB", help=f"refuse cards that {verb} slower"
        )
    parser.add_argument(
        "--arriving",
        action="store_true",
        help="IMAGE is still being fetched, as IMAGE.part; its papers are here. Needs --signing-key",
    )
    parser.add_argument(
        "--full", action="store_true", help="write everything, also what a card of ours holds already"
    )
    parser.add_argument(
        "--discard",
        action=argparse.BooleanOptionalAction,
        help="have the card erase what it holds first; by default a real card that can",
    )
    parser.add_argument(
        "--serial",
        metavar="NUMBER",
        action="append",
        help="a card's number, once per device, for images with files of each card",
    )
    parser.add_argument(
        "--away",
        type=_seconds,
        default=AWAY,
        metavar="SECONDS",
        help="how long to wait for a card whose reader went away (%(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="the outcome as JSON on standard output")
    parser.add_argument(
        "--progress", action="store_true", help="steps and bytes as JSON lines on standard error, not as bars"
    )
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= _MOST_AWAY:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and {_MOST_AWAY} seconds")
    return seconds


def _candidates(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[Candidate]:
    """All devices, looked at and checked before any is touched."""
    devices = Devices()
    found = [look(path, devices) for path in options.devices]
    if len({candidate.identity.place for candidate in found}) < len(found):
        parser.error("a device is named twice")
    if options.serial and not len(set(options.serial)) == len(options.serial) == len(found):
        parser.error("give --serial once per device, each another number")
    source = _open(options)
    try:
        for candidate in found:
            check(candidate, devices, allow_non_removable=options.allow_non_removable)
            guards.must_hold(candidate.identity.size, source.image_size, candidate.path)
        _show_image(options, source)
    finally:
        source.close()
    return found


def _open(options: argparse.Namespace) -> Source:
    if not options.arriving:
        return open_source(options.image, bmap=options.bmap, signing_key=options.key)
    if options.key is None or options.bmap:
        raise JobError("bad_key", "--arriving needs --signing-key, and the block map beside the image.")
    return open_arriving(options.image, signing_key=options.key, check=lambda: None)


def _show_image(options: argparse.Namespace, source: Source) -> None:
    say(f"{options.image.name}: {exact(source.image_size)}, {readable(total(source.ranges))} to write")
    options.trust = trust(source)
    say(options.trust)


def _run(options: argparse.Namespace, candidates: list[Candidate]) -> list[Outcome]:
    serials = options.serial or [""] * len(candidates)
    orders = [
        CardOrder(
            image=str(options.image.resolve()),
            bmap=str(options.bmap.resolve()) if options.bmap else None,
            signing_key=options.key,
            device=path,
            identity=candidate.identity,
            allow_non_removable=options.allow_non_removable,
            serial=serial,
            min_write_rate=options.min_write_rate * 1e6,
            min_read_rate=options.min_read_rate * 1e6,
            differential=not options.full,
            discard=options.discard,
            arriving=options.arriving,
            away=options.away,
        )
        for path, candidate, serial in zip(options.devices, candidates, serials, strict=True)
    ]
    with (Lines if options.progress else Display)(options.devices) as display:
        crew = Crew(orders, display)
        for number in _STOP_SIGNALS:
            signal.signal(number, lambda *_: crew.cancel())
        return crew.run()


def _tell(options: argparse.Namespace, outcomes: list[Outcome]) -> None:
    if options.json:
        cards = [
            {
                "device": each.device,
                "exit_code": each.exit_code,
                "result": each.result,
                "trouble": each.trouble,
            }
            for each in outcomes
        ]
        _print_json({"image": str(options.image), "trust": options.trust, "cards": cards})
        return
    for each in outcomes:
        if each.result:
            sys.stdout.write(f"{_proof(each.device, each.result)}\n")


def _proof(device: str, result: dict[str, Any]) -> str:
    return (
        f"{device}: {readable(result['written_bytes'])} written at {readable(result['write_rate'])}/s, "
        f"all read back at {readable(result['read_rate'])}/s, {result['rewritten_ranges']} ranges mended, "
        f"SHA-256 of the ranges' digests {result['read_back_sha256']}"
    )


def _refused(options: argparse.Namespace, error: WorkError) -> int:
    """Nothing was touched. A cancel is nobody's fault: no trouble, like that of a card."""
    say(error.message)
    if options.json:
        trouble: Trouble | None = None if isinstance(error, Canceled) else error.trouble()
        _print_json({"image": str(options.image), "trouble": trouble, "cards": []})
    return error.exit_code


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
