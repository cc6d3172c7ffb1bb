"""Charts as shapes in an SVG drawing of our own: no script, no style, no third party."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from django.utils.formats import number_format

WIDTH: Final = 640
LINE: Final = 26  # per row of a lying chart
HEIGHT: Final = 200  # of the columns
FOOT: Final = 24
HEAD: Final = 18
LABELS: Final = 270
ROOM_FOR_VALUE: Final = 110
MOST_LABELS: Final = 14
MOST_LETTERS: Final = 37  # of a label before a lying bar: what fits into LABELS


@dataclass(frozen=True)
class Bar:
    """A rectangle; `tone` is its colour: 1, 2 or 3."""

    x: float
    y: float
    width: float
    height: float
    tone: int


@dataclass(frozen=True)
class Text:
    """Words at a place; `anchor` is start, middle or end."""

    x: float
    y: float
    words: str
    anchor: str = "start"


@dataclass(frozen=True)
class Chart:
    """A drawing. `legend` names the tones in their order, if there are several."""

    title: str
    width: int
    height: int
    bars: list[Bar]
    texts: list[Text]
    legend: list[str]


Series = Sequence[float]


def columns(title: str, labels: Sequence[str], stacks: Sequence[Series], legend: Sequence[str]) -> Chart:
    """A column per label; the series stand upon each other. The highest sum is written above its column."""
    totals = [sum(values) for values in zip(*stacks, strict=True)]
    top = max(totals, default=0) or 1
    step = WIDTH / max(1, len(labels))
    scale = (HEIGHT - HEAD) / top
    bars, texts = [], []
    each = -(-len(labels) // MOST_LABELS)  # so many that they do not touch
    for index, label in enumerate(labels):
        heights = [series[index] * scale for series in stacks]
        for tone, (height, reached) in enumerate(zip(heights, accumulate(heights), strict=True), 1):
            if height:
                bars.append(
                    Bar(
                        _r(index * step + step * 0.15), _r(HEIGHT - reached), _r(step * 0.7), _r(height), tone
                    )
                )
        middle = _r(index * step + step / 2)
        if index % each == 0:
            texts.append(Text(middle, HEIGHT + FOOT - 6, label, "middle"))
        if totals[index] == top and totals[index]:
            texts.append(Text(middle, _r(HEIGHT - totals[index] * scale - 5), _said(totals[index]), "middle"))
    return Chart(title, WIDTH, HEIGHT + FOOT, bars, texts, list(legend) if len(legend) > 1 else [])


def rows(
    title: str, labels: Sequence[str], pairs: Sequence[Series], words: Sequence[str], legend: Sequence[str]
) -> Chart:
    """A lying bar per label and series, one behind another, with `words` at its end. Long labels are cut."""
    top = max((value for series in pairs for value in series), default=0) or 1
    scale = (WIDTH - LABELS - ROOM_FOR_VALUE) / top
    bars, texts = [], []
    for index, (label, said) in enumerate(zip(labels, words, strict=True)):
        y = index * LINE
        texts.append(Text(LABELS - 8, y + 17, _cut(label), "end"))
        longest = max(series[index] for series in pairs)
        for tone in range(len(pairs), 0, -1):  # the last lies below
            thick = 16 - 6 * (len(pairs) - tone) if len(pairs) > 1 else 16
            width = _r(max(1, pairs[tone - 1][index] * scale))
            bars.append(Bar(LABELS, _r(y + 12 - thick / 2), width, thick, tone))
        texts.append(Text(_r(LABELS + longest * scale + 6), y + 17, said))
    return Chart(
        title, WIDTH, max(LINE, len(labels) * LINE), bars, texts, list(legend) if len(legend) > 1 else []
    )


def _cut(label: str) -> str:
    return label if len(label) <= MOST_LETTERS else f"{label[: MOST_LETTERS - 1].rstrip()}…"


def _said(number: float) -> str:
    """As the language writes it."""
    return str(number_format(int(number) if number == int(number) else number, force_grouping=True))


def _r(number: float) -> float:
    return round(number, 1)
