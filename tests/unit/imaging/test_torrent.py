"""Torrents: bencode in its one canonical form, pieces as they stream by, nothing else accepted."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from functools import partial
from hashlib import new as new_hash

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.errors import JobError
from workers.imaging import bencode
from workers.imaging.container.format import MAX_IMAGE
from workers.imaging.torrent import Pieces, Torrent, dumps, loads, piece_length

KIB = 1024
sha1 = partial(new_hash, "sha1", usedforsecurity=False)
NAME = "card.img.zst"
DATA = random.Random(3).randbytes(900 * KIB + 17)

VALUES = st.recursive(
    st.integers(-(10**18), 10**18) | st.binary(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def made(data: bytes = DATA, piece: int = 256 * KIB) -> Torrent:
    pieces = Pieces(piece)
    pieces.update(data)
    return pieces.torrent(NAME)


@given(VALUES)
def test_every_value_comes_back_from_its_encoding(value):
    assert bencode.decode(bencode.encode(value)) == value


@given(st.binary(max_size=24) | st.text("dlei0123456789:-ab", max_size=16).map(str.encode))
def test_whatever_is_decoded_is_the_canonical_encoding(data):
    try:
        value = bencode.decode(data)
    except bencode.NotBencode:
        return
    assert bencode.encode(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"i01e",
        b"i-0e",
        b"i+1e",
        b"i1",
        b"ie",
        b"03:abc",
        b"4:abc",
        b"-1:a",
        b"d1:b0:1:a0:e",
        b"d1:a0:1:a0:e",
        b"di1e0:e",
        b"d1:ae",
        b"l0:",
        b"0:0:",
        b"x",
        b"l" * 40 + b"e" * 40,
        b"l" * 100_000,
    ],
)
def test_what_is_not_canonical_is_refused(data):
    with pytest.raises(bencode.NotBencode):
        bencode.decode(data)


def test_the_known_bytes():
    value = {b"spam": [b"a", -3], b"cow": b"moo", b"": 0}
    assert bencode.encode(value) == b"d0:i0e3:cow3:moo4:spaml1:ai-3eee"


@given(st.lists(st.integers(0, 700), max_size=12), st.integers(1, 300))
def test_pieces_do_not_depend_on_the_portions(cuts, piece):
    data = DATA[:2000]
    pieces = Pieces(piece)
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        pieces.update(memoryview(data)[start:end])
    found = pieces.torrent(NAME)
    wanted = [sha1(data[at : at + piece]).digest() for at in range(0, len(data), piece)]
    assert found == Torrent(NAME, len(data), piece, b"".join(wanted))


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        (0, 256 * KIB),
        (2000 * 256 * KIB, 256 * KIB),
        (2000 * 256 * KIB + 1, 512 * KIB),
        (8 * 10**9, 4096 * KIB),
        (10**12, 16384 * KIB),
    ],
)
def test_lengths_of_pieces(size, wanted):
    assert piece_length(size) == wanted


def test_the_file_names_the_pieces_and_no_place():
    page = dumps(made(), "builder 1")
    assert page == dumps(made(), "builder 1")
    assert loads(page) == made()
    top = bencode.decode(page)
    assert set(top) == {b"created by", b"info"}
    assert top[b"info"][b"private"] == 1
    assert made().info_hash == sha1(page[page.index(b"4:info") + 6 : -1]).hexdigest()


def test_the_info_hash_is_not_the_builders():
    assert loads(dumps(made(), "a")).info_hash == loads(dumps(made(), "another")).info_hash


def without(info, key):
    return {name: value for name, value in info.items() if name != key}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda info: without(info, b"private"), "not that of one private file"),
        (lambda info: {**info, b"private": 0}, "not that of one private file"),
        (lambda info: {**info, b"files": []}, "not that of one private file"),
        (lambda info: {**info, b"length": b"9"}, "not that of one private file"),
        (lambda info: {**info, b"length": 0}, "a file of 0"),
        (lambda info: {**info, b"length": info[b"length"] + 200 * KIB}, "do not add up"),
        (lambda info: {**info, b"pieces": info[b"pieces"][:-1]}, "do not add up"),
        (lambda info: {**info, b"piece length": 1}, "pieces of 1 bytes"),
        (lambda info: {**info, b"piece length": 1 << 40}, "pieces of 1099511627776 bytes"),
        (lambda info: {**info, b"name": b"../x"}, "the name in it is '../x'"),
        (lambda info: {**info, b"name": b""}, "the name in it is ''"),
        (lambda info: {**info, b"name": b"\xff"}, "not UTF-8"),
    ],
)
def test_other_infos_are_refused(change, words):
    page = bencode.encode({b"info": change(made().info)})
    with pytest.raises(JobError, match="torrent is damaged or foreign") as caught:
        loads(page)
    assert words in caught.value.message
    assert caught.value.code == "bad_torrent"


@pytest.mark.parametrize(
    "page", [b"", b"le", b"de", b"d4:infoi1ee", dumps(made(), "x")[:-1], b"x" * 9_000_000]
)
def test_other_files_are_refused(page):
    with pytest.raises(JobError, match="torrent is damaged or foreign"):
        loads(page)


@pytest.mark.skipif(not shutil.which("aria2c"), reason="aria2c is missing: apt-get install aria2")
def test_an_independent_reader_understands_it(tmp_path):
    file = tmp_path / "card.torrent"
    file.write_bytes(dumps(made(), "builder 1"))
    told = subprocess.run(
        ["aria2c", "--no-conf", "-S", str(file)], capture_output=True, text=True, check=True
    ).stdout
    assert f"Info Hash: {made().info_hash}" in told
    assert "Piece Length: 256KiB" in told
    assert f"({len(DATA):,})" in told
    assert f"Name: {NAME}" in told
    assert "Number of Pieces: 4" in told


def test_the_torrent_of_the_largest_image_is_not_too_large():
    pieces = -(-MAX_IMAGE // piece_length(MAX_IMAGE))
    page = dumps(Torrent(NAME, MAX_IMAGE, piece_length(MAX_IMAGE), bytes(20 * pieces)), "builder 1")
    assert loads(page).length == MAX_IMAGE
