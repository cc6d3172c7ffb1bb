"""Addresses that recipes may reach, and the rules of a host."""

import pytest

from workers.creator.guard import EVERYWHERE, Guard, networks_of
from workers.creator.http import Seen
from workers.creator.inputs import Told
from workers.creator.mirrors import BadMetalink, described_by, read_metalink, told_by
from workers.creator.oci.reference import parse
from workers.creator.rules import OFFICIAL_BASES, rules_of
from workers.errors import HostError, JobError

PRIVATE = [
    "127.0.0.1", "127.8.9.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.100.100.200", "0.0.0.1", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.0.192",
    "168.63.129.16", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
    "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::a00:1",
    "64:ff9b:1::1", "fec0::1", "2002:7f00:1::", "2001:db8::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address):
    assert not Guard().permits(address)
    assert Guard(EVERYWHERE).permits(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_permitted(address):
    assert Guard().permits(address)


def test_a_host_allows_its_own_networks():
    guard = Guard(networks_of("10.0.0.0/8, fd00::/8 127.0.0.1"))
    assert [guard.permits(each) for each in ("10.9.9.9", "fd00::5", "127.0.0.1", "::ffff:10.0.0.1")] == [
        True
    ] * 4
    assert not guard.permits("192.168.0.1")
    assert not guard.permits("127.0.0.2")


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("ftp://a/x", "bad_source", "leads to ftp:"),
        ("file:///etc/passwd", "bad_source", "leads to file:"),
        ("gopher://a/", "bad_source", "leads to gopher:"),
        ("http:///x", "bad_source", "names no server"),
        ("http://a:port/", "bad_source", "no address"),
        ("http://127.0.0.1/", "forbidden_address", "not public"),
        ("http://[::1]:80/", "forbidden_address", "allow_networks"),
        ("http://LOCALHOST./", "forbidden_address", "not public"),
        ("http://169.254.169.254/latest/meta-data", "forbidden_address", "not public"),
    ],
)
def test_what_must_not_be_asked(url, code, words):
    with pytest.raises(JobError) as caught:
        Guard().check_url(url, "that file")
    assert caught.value.code == code
    assert words in caught.value.message


def test_rules_come_from_the_host():
    assert rules_of({}, {}).base_mirror == OFFICIAL_BASES
    rules = rules_of(
        {"allow_networks": ["10.0.0.0/8"], "parallel": 2},
        {"IMAGER_BASE_MIRROR": "http://near.example/b", "IMAGER_MAX_FILE": "1000", "IMAGER_PARALLEL": "99"},
    )
    assert (rules.base_mirror, rules.max_file, rules.parallel) == ("http://near.example/b/", 1000, 32)
    assert rules.guard().permits("10.0.0.1")
    assert not rules.allow_files
    assert rules.registry_mirrors == ()


@pytest.mark.parametrize(
    ("table", "environ"),
    [
        ({}, {"IMAGER_REGISTRY_MIRRORS": "ghcr.io=10.0.0.7:5000 docker.io=near.example"}),
        ({"registry_mirrors": {"ghcr.io": "10.0.0.7:5000", "docker.io": "near.example"}}, {}),
        ({"registry_mirrors": "ghcr.io=10.0.0.7:5000 registry-1.docker.io=near.example"}, {}),
    ],
)
def test_mirrors_are_asked_for_images_that_keep_their_names(table, environ):
    mirrors = dict(rules_of(table, environ).registry_mirrors)
    one, two, other = (parse(ident).at(mirrors) for ident in ("ghcr.io/o/p:1", "alpine:3", "quay.io/o/p:1"))
    assert (one.url, one.loaded_as) == ("https://10.0.0.7:5000/v2/o/p", "ghcr.io/o/p:1")
    assert (two.url, str(two)) == (
        "https://near.example/v2/library/alpine",
        "docker.io/library/alpine:3",
    )
    assert other == parse("quay.io/o/p:1")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"allow_networks": "10.0.0.1/8"}, "host bits"),
        ({"allow_networks": "office"}, "10.0.0.0/8, or all"),
        ({"base_mirror": "/srv"}, "must begin with https://"),
        ({"max_file": 0}, "above 0"),
        ({"parallel": "many"}, "above 0"),
        ({"registry_mirrors": "ghcr.io"}, "registry_mirrors: 'ghcr.io=' names no two registries"),
        ({"registry_mirrors": {"ghcr.io": "http://x"}}, "write for example ghcr.io=registry.example:5000"),
        ({"paralel": 1}, "unknown settings: paralel"),
    ],
)
def test_rules_that_are_none(table, words):
    with pytest.raises(HostError, match="rules for recipes") as caught:
        rules_of(table, {})
    assert words in caught.value.message


META = b"""<?xml version="1.0"?><metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="a.zim">
<size>5</size><hash type="md5">5d41402abc4b2a76b9719d911017c592</hash>
<hash type="sha-256">2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824</hash>
<url priority="2">http://b.example/a.zim</url><url priority="1">http://a.example/a.zim</url>
<url>ftp://c.example/a.zim</url><url priority="3">rel.zim</url></file></metalink>"""


def test_a_metalink_is_read():
    places = read_metalink(META, "http://m.example/d/a.zim.meta4")
    assert places.urls == ("http://a.example/a.zim", "http://b.example/a.zim", "http://m.example/d/rel.zim")
    assert (places.checksum.algo, places.size) == ("sha-256", 5)


@pytest.mark.parametrize(
    "page",
    [
        b"", b"<html>", b"<metalink/>", b'<!DOCTYPE a [<!ENTITY b "c">]><metalink/>',
        META.replace(b"</file>", b'</file><file name="b"/>'),
    ],
)  # fmt: skip
def test_what_is_no_metalink(page):
    with pytest.raises(BadMetalink):
        read_metalink(page, "http://m.example/")


def test_headers_tell_copies_and_digests():
    headers = (
        ("Link", "<http://b/x>; rel=duplicate; pri=2, <http://a/x>; rel=duplicate; pri=1"),
        ("Link", '</x.meta4>; rel=describedby; type="application/metalink4+xml"'),
        ("Digest", "MD5=XUFAKrxLKna5cZ2REBfFkg==,SHA-256=LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
        ("Digest", "UNIXsum=30637"),
    )
    seen = Seen(Told(5), headers)
    places = told_by("http://o/x", seen)
    assert places.urls == ("http://a/x", "http://b/x")
    assert places.checksum.value == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert described_by("http://o/x", seen) == "http://o/x.meta4"
    assert told_by("http://o/x", Seen(Told(5))).checksum is None
