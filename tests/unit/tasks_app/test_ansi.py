"""Logs as HTML: colours as classes, everything else harmless."""

from __future__ import annotations

import html
import random
import re

import pytest

from tasks_app.ansi import render

TAG = re.compile(r'<span class="(?:ansi-(?:fg|bg)-(?:1[0-5]|[0-9]) ?|ansi-[a-z]+ ?)+">|</span>')


def plain(text: str, style: str = "") -> str:
    """The words that a person sees."""
    return html.unescape(TAG.sub("", render(text, style).html))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello", "hello"),
        ("\x1b[31mred\x1b[0m plain", '<span class="ansi-fg-1">red</span> plain'),
        ("\x1b[1;32mgood\x1b[m.", '<span class="ansi-bold ansi-fg-2">good</span>.'),
        ("\x1b[92;41mx", '<span class="ansi-fg-10 ansi-bg-1">x</span>'),
        ("\x1b[100mx\x1b[49my", '<span class="ansi-bg-8">x</span>y'),
        ("\x1b[1;3;4mx\x1b[22;23;24my", '<span class="ansi-bold ansi-italic ansi-underline">x</span>y'),
        ("\x1b[31m\x1b[39mx", "x"),
        ("\x1b[38;5;9mx", '<span class="ansi-fg-9">x</span>'),
        ("\x1b[38;5;200;1mx", '<span class="ansi-bold">x</span>'),
        ("\x1b[38;2;1;2;3;4mx", '<span class="ansi-underline">x</span>'),
        ("\x1b[38;2;1mx", "x"),
        ("\x1b[38mx", "x"),
        ("\x9b31mx", '<span class="ansi-fg-1">x</span>'),
        ("\x1b[99999999999999mx", "x"),
        ("\x1b[?31mx", "x"),
    ],
)
def test_colours_are_classes(text, expected):
    assert render(text).html == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[2Jb", "ab"),
        ("a\x1b[10;20Hb", "ab"),
        ("a\x1b]0;a title\x07b", "ab"),
        ("a\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPsixels\x1b\\b", "ab"),
        ("a\x1b(Bb", "ab"),
        ("a\x1bcb", "ab"),
        ("a\x00\x07\x08b\x7f\x85", "ab"),
        ("10 %\r20 %\r\ndone\n", "10 %\n20 %\ndone\n"),
        ("user\u202egnp.exe\u2066", "usergnp.exe"),
        ("tab\tstays", "tab\tstays"),
        ("é ✓ \U0001f600", "é ✓ \U0001f600"),
    ],
)
def test_other_controls_are_dropped(text, expected):
    assert plain(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "\x1b[31m<img src=x onerror=alert(1)>",
        '"><svg onload=alert(1)>',
        "\x1b[<b>m",
        '\x1b["onmouseover=alert(1) m',
        "&lt;script&gt;",
        "</span></pre><script>",
        "<scr\x1b[0mipt>alert(1)</scr\x00ipt>",
        "\x1b]0;<script>\x07<script>",
    ],
)
def test_nothing_of_the_log_becomes_a_tag(text):
    left = TAG.sub("", render(text).html)
    assert "<" not in left
    assert ">" not in left
    assert '"' not in left


@pytest.mark.parametrize("style", ["<script>", '"', "1;31;x", "1" * 500, "\u0661", "-1", "1;;31"])
def test_a_style_that_is_none_is_ignored(style):
    rendered = render("x", style)
    assert rendered.html == "x"
    assert rendered.style == ""


@pytest.mark.parametrize("left", ["\x1b", "\x1b[", "\x1b[1;3", "\x1b]0;a ti", "\x1b]0;x\x1b", "\r", "\x1b("])
def test_what_is_not_finished_is_left_for_the_next_piece(left):
    rendered = render("words" + left)
    assert rendered.html == "words"
    assert rendered.left_over == len(left)


def test_what_never_finishes_is_junk():
    assert render("\x1b[" + "1;" * 300).left_over == 0
    assert render("\x1b]" + "x" * 300).left_over == 0


def test_in_any_pieces_it_reads_the_same():
    text = "a\x1b[1;31mred <b>\x1b[0m\r\nb\x1b]0;title\x07c\x1b[38;5;10;44mgreen & blue\x1b[49m on\x1b[m.\n"
    whole = plain(text)
    for cut in range(len(text)):
        first = render(text[:cut])
        rest = text[cut - first.left_over :]
        assert html.unescape(TAG.sub("", first.html)) + plain(rest, first.style) == whole
        assert render(rest, first.style).style == render(text).style


def test_junk_of_any_kind_gives_only_our_tags():
    dice = random.Random(7)
    alphabet = "\x1b\x9b[]0123456789;:mHJ<>&\"'\x07\\\r\n\x00P^_ ab?(\u202e"
    for _ in range(3000):
        text = "".join(dice.choices(alphabet, k=dice.randrange(60)))
        rendered = render(text, "".join(dice.choices("0123456789;<", k=dice.randrange(8))))
        left = TAG.sub("", rendered.html)
        assert not set("<>\"'\x1b\x00") & set(left), text
        assert rendered.html.count("<span") == rendered.html.count("</span>")
