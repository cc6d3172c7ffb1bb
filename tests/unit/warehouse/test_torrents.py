"""The torrent as it is offered: the builder's bytes, and where to get the image; canonical, or nothing."""

from __future__ import annotations

import io

import pytest

from warehouse import torrents
from workers.imaging import bencode, torrent

SEED = "https://imager.example/d/token/card.img.zst"
PIECES = torrent.Pieces(256 * 1024)
PIECES.update(bytes(1_000_000))
MADE = PIECES.torrent("card.img.zst")
STORED = torrent.dumps(MADE, "builder 1")


def offer(data: bytes = STORED, trackers=()) -> dict:
    """The page that is offered, read back by the strict reader of the builders."""
    return bencode.decode(torrents.offered(io.BytesIO(data), webseed=SEED, trackers=trackers))


def test_the_address_is_added_and_the_info_hash_stays():
    page = offer()
    assert page == {**bencode.decode(STORED), b"url-list": [SEED.encode()]}
    assert torrent.loads(bencode.encode(page)).info_hash == MADE.info_hash


def test_trackers_each_in_a_tier_of_its_own():
    page = offer(trackers=["https://a.example/announce", "udp://b.example:6969"])
    assert page[b"announce"] == b"https://a.example/announce"
    assert page[b"announce-list"] == [[b"https://a.example/announce"], [b"udp://b.example:6969"]]


def test_a_builders_own_address_does_not_count():
    page = bencode.encode({**bencode.decode(STORED), b"url-list": b"https://evil.example/"})
    assert offer(page)[b"url-list"] == [SEED.encode()]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"de",
        b"le",
        b"i1e",
        b"d4:infode",
        b"d4:info",
        b"d4:info9:abce",
        b"di1e4:infoe",
        b"d4:infod" + b"l" * 10_000,
        STORED[:-1],
        STORED + b"e",
        STORED[: len(STORED) // 2],
        b"d1:a1:be",
        STORED + bytes(torrents.MAX_SIZE),
    ],
)
def test_what_is_no_torrent_is_not_offered(data):
    with pytest.raises(torrents.Damaged):
        torrents.offered(io.BytesIO(data), webseed=SEED, trackers=())


def test_the_same_limit_on_both_sides():
    assert torrents.MAX_SIZE == torrent.MAX_SIZE
