"""`python -m workers.writer.verify IMAGE DEVICE`: compare a card with an image or its papers; writes nothing.

Exit codes: 0 the card is as it should be, 2 usage, 3 the image, 4 this host, 5 slot or reader,
6 the card differs, 7 canceled.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from workers.contract import BMAP_SUFFIX, MANIFEST_SUFFIX, Step
from workers.errors import CardError, WorkError
from workers.imaging import source as image_source
from workers.imaging.devices import Devices
from workers.imaging.ranges import Range, total
from workers.imaging.sizes import readable
from workers.imaging.source import Papers, open_papers, open_source
from workers.report import Report
from workers.terminal import TerminalReport
from workers.writer.areas import Area, areas_of
from workers.writer.asking import say
from workers.writer.burn import Source
from workers.writer.card import Card
from workers.writer.charts import chart_of
from workers.writer.compare import compare
from workers.writer.guards import must_hold
from workers.writer.opening import open_for_reading
from workers.writer.personal import personal
from workers.writer.plan import Piece, make_plan
from workers.writer.terms import add_image_arguments, host_error, key_of, trust
from workers.writer.traffic import Digests, Traffic
from workers.writer.transfer import settle
from workers.writer.verdicts import addresses, digest_of_digests


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a card was found to hold. `bad`: [offset, length] of ranges that differ or cannot be read.

    `areas`: the same by the partitions that the card's own table tells.
    """

    card: str
    card_bytes: int
    mapped_bytes: int
    read_back_sha256: str
    read_rate: float
    bad: list[tuple[int, int]]
    areas: list[Area] = field(default_factory=list)

    @property
    def good(self) -> bool:
        return not self.bad

    def __str__(self) -> str:
        if self.good:
            return (
                f"{self.card} is as it should be: {readable(self.mapped_bytes)} read at "
                f"{readable(self.read_rate)}/s, SHA-256 of the ranges' digests {self.read_back_sha256}"
            )
        places = addresses([Range(*span) for span in self.bad])
        size = readable(sum(length for _, length in self.bad))
        lines = [f"{self.card} differs in {len(self.bad)} ranges ({size} of {readable(self.mapped_bytes)}):"]
        lines += [f"  {area}" for area in self.areas]
        advice = "If it was in use, that is what changed; else write it again."
        return "\n".join([*lines, f"At {places}. {advice}"])


def verify(source: Source, card: Card, report: Report) -> Verdict:
    """Read all ranges of `source` from the card; a difference is a verdict, not an error.

    CardError `too_small`, `card_gone`.
    """
    must_hold(card.size(), source.image_size, card.name)
    plan = make_plan(source.ranges, image_size=source.image_size, card_size=card.size(), block=card.block)
    expected = _expected(source, plan.mapped, report)
    traffic = Traffic(card, report)
    traffic.alone(lambda: settle(traffic.card))
    report.step(Step.READING_BACK, sum(piece.length for piece in plan.mapped))
    began = time.perf_counter()
    found = compare(traffic, plan.mapped, expected, report)
    seconds = time.perf_counter() - began
    bad = found.bad_ranges
    return Verdict(
        card=card.name,
        card_bytes=card.size(),
        mapped_bytes=total(source.ranges),
        read_back_sha256=digest_of_digests(found.digests[each] for each in source.ranges) if not bad else "",
        read_rate=total(source.ranges) / seconds if seconds > 0 else 0.0,
        bad=[(each.offset, each.length) for each in bad],
        areas=areas_of(card, bad) if bad else [],
    )


def _expected(source: Source, pieces: Sequence[Piece], report: Report) -> Digests:
    """The digests of the map; where it has none, those of the image's own bytes."""
    expected = {each: each.sha256 or "" for piece in pieces for each in piece.ranges}
    unknown = [each for each, digest in expected.items() if not digest]
    if unknown:
        report.step(Step.CHECKING, total(unknown))
    done = 0
    for each in unknown:
        report.check()
        expected[each] = hashlib.sha256(source.read(each)).hexdigest()
        done += each.length
        report.progress(done)
    return expected


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        with (
            _opened(options) as image,
            open_for_reading(options.device, Devices()) as card,
            TerminalReport(options.device) as report,
        ):
            say(trust(image))
            source = chart_of(image, card, options.serial, report) if isinstance(image, Papers) else image
            verdict = verify(source, card, report)
    except WorkError as error:
        return _failed(options, error)
    except OSError as error:
        return _failed(options, host_error(error))
    if options.json:
        _print_json({**asdict(verdict), "good": verdict.good})
    else:
        sys.stdout.write(f"{verdict}\n")
    return 0 if verdict.good else CardError.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m workers.writer.verify", description="Compare a card with an image; writes nothing."
    )
    add_image_arguments(
        parser, image="NAME.img.zst or NAME.img; or without it NAME.img.bmap or NAME.manifest.json"
    )
    parser.add_argument("device", metavar="DEVICE", help="a whole device, such as /dev/sdb, or a file")
    parser.add_argument(
        "--serial",
        metavar="NUMBER",
        default="",
        help="the card's number, if each card has files of its own",
    )
    parser.add_argument("--json", action="store_true", help="the verdict as JSON on standard output")
    return parser


@contextmanager
def _opened(options: argparse.Namespace) -> Iterator[Papers | image_source.Source]:
    key = key_of(options.signing_key)
    if options.image.name.endswith((BMAP_SUFFIX, MANIFEST_SUFFIX)):
        yield open_papers(options.image, signing_key=key)
        return
    with closing(open_source(options.image, bmap=options.bmap, signing_key=key)) as source:
        yield personal(source, options.serial)


def _failed(options: argparse.Namespace, error: WorkError) -> int:
    sys.stderr.write(error.message + "\n")
    if options.json:
        _print_json({"trouble": error.trouble()})
    return error.exit_code


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
