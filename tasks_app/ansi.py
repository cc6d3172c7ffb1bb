"""Logs as hosts write them, colours and all, made into HTML that can do nothing.

Everything is escaped; colours become classes (`ansi-fg-1` …); every other control sequence and character is
dropped. A piece can be rendered by itself: its beginning style goes in, its ending style comes out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

STYLE: Final = re.compile(r"(?:[0-9]{1,3}(?:;[0-9]{1,3}){0,9})?")

_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)([0-9:;<=>?]*)[ -/]*([@-~])"  # CSI; with final byte m it is a colour
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # a window title and such
    r"|\x1b[ -/]*[0-Z\\^-~]"  # a short sequence
)
_UNFINISHED: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-9:;<=>? -/]*\Z"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*\x1b?\Z"
    r"|\x1b[ -/]*\Z"
)
_LONGEST: Final = 200  # an unfinished sequence that is longer never ends: it is junk
_NEW_LINE: Final = re.compile(r"\r\n?")
# control characters, and those that turn the direction of what follows
_JUNK: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_MARKS: Final = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_UNMARKS: Final = {22: (1, 2), 23: (3,), 24: (4,), 27: (7,), 29: (9,)}


@dataclass
class _Style:
    """What holds at this place: marks, foreground and background (0–15)."""

    marks: set[int] = field(default_factory=set)
    fg: int | None = None
    bg: int | None = None

    def apply(self, codes: list[int]) -> None:
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.marks, self.fg, self.bg = set(), None, None
            elif code in _MARKS:
                self.marks.add(code)
            elif code in _UNMARKS:
                self.marks.difference_update(_UNMARKS[code])
            else:
                self._colour(code, codes)

    def _colour(self, code: int, rest: list[int]) -> None:
        if code in {38, 48}:
            self._set(code == 38, _extended(rest))
        elif 30 <= code <= 37 or 90 <= code <= 97:
            self._set(True, code - 30 if code < 40 else code - 82)
        elif 40 <= code <= 47 or 100 <= code <= 107:
            self._set(False, code - 40 if code < 50 else code - 92)
        elif code in {39, 49}:
            self._set(code == 39, None)

    def _set(self, foreground: bool, colour: int | None) -> None:
        if foreground:
            self.fg = colour
        else:
            self.bg = colour

    def classes(self) -> str:
        names = [f"ansi-{_MARKS[mark]}" for mark in sorted(self.marks)]
        names += [f"ansi-fg-{self.fg}"] if self.fg is not None else []
        names += [f"ansi-bg-{self.bg}"] if self.bg is not None else []
        return " ".join(names)

    def codes(self) -> str:
        codes = sorted(self.marks)
        codes += [self.fg + (30 if self.fg < 8 else 82)] if self.fg is not None else []
        codes += [self.bg + (40 if self.bg < 8 else 92)] if self.bg is not None else []
        return ";".join(map(str, codes))


def _extended(rest: list[int]) -> int | None:
    """The colour after 38 or 48; those beyond the sixteen with a name are left out."""
    kind = rest.pop(0) if rest else 0
    taken = [rest.pop(0) for _ in range(min(len(rest), {5: 1, 2: 3}.get(kind, 0)))]
    return taken[0] if kind == 5 and taken and taken[0] < 16 else None


@dataclass(frozen=True)
class Rendered:
    """Safe HTML, the style that holds after it, and how many characters at the end were left over."""

    html: SafeString
    style: str
    left_over: int


def render(text: str, style: str = "") -> Rendered:
    """`text` as HTML, beginning in `style` (SGR codes). An unfinished sequence at the end is left over."""
    now = _Style()
    now.apply(_codes(style if STYLE.fullmatch(style) else ""))
    cut = _unfinished(text)
    pieces: list[str] = []
    done = 0
    for found in _SEQUENCE.finditer(text, 0, cut):
        pieces.append(_span(text[done : found.start()], now))
        done = found.end()
        if found[2] == "m":
            now.apply(_codes(found[1]))
    pieces.append(_span(text[done:cut], now))
    return Rendered(mark_safe("".join(pieces)), now.codes(), len(text) - cut)  # noqa: S308  # escaped in _span


def _unfinished(text: str) -> int:
    """Where a sequence begins whose end has not come yet; the length of the text if there is none."""
    tail = max(0, len(text) - _LONGEST)
    found = _UNFINISHED.search(text, tail)
    if found:
        return found.start()
    return len(text) - text.endswith("\r")  # its \n may come with the next piece


def _codes(parameters: str) -> list[int]:
    parts = re.split("[;:]", parameters) if re.fullmatch("[0-9;:]*", parameters) else []
    return [int(part[:4] or 0) for part in parts]


def _span(text: str, style: _Style) -> str:
    plain = escape(_JUNK.sub("", _NEW_LINE.sub("\n", text)))
    classes = style.classes()
    return f'<span class="{classes}">{plain}</span>' if plain and classes else plain
