"""Policy files of a cache: read strictly, in the predecessor's format."""

from pathlib import Path

import pytest

from workers.creator.cache.facts import Kind
from workers.creator.cache.policy import DEFAULT_SIZE, Policy, parse_duration, parse_policy, read_policy
from workers.errors import HostError

FILE = Path("/x/policy.yaml")
PRODUCTION = """
---
enabled: true
max_size: 800GB
eviction: lru
oci_images:
  keep_identified_versions: 1
files:
  keep_identified_versions: 1
  filters:
  - pattern: "\\\\.zim$"
    check_after: 90d
  - pattern: "^https?://drive.offspot.it/"
    check_after: 30d
  - pattern: ".+"
    ignore: true
"""


def test_the_predecessors_production_file():
    policy = parse_policy(PRODUCTION, FILE)
    assert policy.max_size == 800 * 10**9
    assert policy.oci_images.keep_identified_versions == 1
    assert policy.quiet_for(Kind.FILE, "http://m/a.ZIM") == 90 * 86400
    assert policy.quiet_for(Kind.BASE, "https://drive.offspot.it/base/b.img") == 30 * 86400
    assert policy.keeps(Kind.FILE, "http://m/a.zim")
    assert not policy.keeps(Kind.FILE, "http://m/a.mp4")
    assert policy.keeps(Kind.OCI_IMAGE, "ghcr.io/a/b:1")


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "--- \n\n"])
def test_an_empty_file_is_the_default(text):
    assert parse_policy(text, FILE) == Policy()
    assert Policy().max_size == DEFAULT_SIZE


def test_no_file_is_the_default(tmp_path):
    assert read_policy(tmp_path / "policy.yaml") == Policy()


def test_zero_is_no_limit_and_empty_sections_are_defaults():
    policy = parse_policy(
        "max_size: 0\nmax_num: 0\nmax_age: null\nfiles:\noci_images: {enabled: false}", FILE
    )
    assert (policy.max_size, policy.max_num, policy.max_age) == (None, None, None)
    assert not policy.keeps(Kind.OCI_IMAGE, "a:1")
    assert policy.keeps(Kind.BASE, "http://a")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 2592000), ("4w", 2419200), ("1y", 31536000), ("90 m", 5400), (12, 12), ("1.5h", 5400), ("7", 7)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_siez: 1", "line 1, max_siez"),
        ("\nmax_size: lots", "line 2, max_size: 'lots' is not a size"),
        ("max_size: -1", "line 1, max_size"),
        ("max_age: 3 moons", "is not a duration"),
        ("max_num: many", "line 1, max_num"),
        ("enabled: 7", "line 1, enabled"),
        ("eviction: random", "line 1, eviction"),
        ("files: {filters: [{ignore: true}]}", "files.filters[0].pattern"),
        ("files: {filters: [{pattern: '['}]}", "is not a regular expression"),
        ("max_size: 1GB\nfiles: {max_size: 2GB}", "files.max_size is 2000000000, above the 1000000000"),
        ("files: {max_num: 1, filters: [{pattern: a, max_num: 2}]}", "filters[0].max_num is 2"),
        ("- a", "the policy"),
        ("a: 1\na: 2", "stands twice"),
        ("{", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_named(text, words):
    with pytest.raises(HostError) as caught:
        parse_policy(text, FILE)
    assert caught.value.code == "bad_policy"
    assert words in caught.value.message
    assert str(FILE) in caught.value.message


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "p").write_bytes(b"\xff\xfe")
    with pytest.raises(HostError, match="not UTF-8"):
        read_policy(tmp_path / "p")
    with pytest.raises(HostError, match="cannot be read"):
        read_policy(tmp_path)
