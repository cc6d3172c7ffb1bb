"""Recipes: what is right is read, what is wrong is named with key, line and what to do."""

import re

import pytest
import yaml

from workers.creator.recipe import Checksum, parse_size, read_recipe
from workers.creator.recipe_yaml import MAX_BYTES, load, show
from workers.errors import JobError

FULL = """\
---
base:
  source: https://example.org/base.img.xz
  rootfs_size: 3716153344
  checksum: {algo: md5, value: D41D8CD98F00B204E9800998ECF8427E}
output:
  size: 8GB
files:
- url: https://download.example.org/zim/one.zim
  to: /data/contents/zims/one.zim
  via: direct
  size: -1
  checksum:
    algo: sha-256
    kind: url
    value: https://download.example.org/zim/one.zim.sha256
- to: /data/conf/message.txt
  content: |
    hello world
- {to: /data/logo.png, via: base64, content: aGVs bG8=}
write_config: true
offspot:
  timezone: Africa/Bamako
  ap: &ap {ssid: Kiwix, passphrase: null}
  again: *ap
"""


def refused(text, code="bad_recipe"):
    with pytest.raises(JobError) as caught:
        read_recipe(text)
    assert caught.value.code == code
    return caught.value.message


def test_a_full_recipe_is_read():
    recipe = read_recipe(FULL)
    assert recipe.base.location == "https://example.org/base.img.xz"
    assert recipe.base.rootfs_size == 3_716_153_344
    assert recipe.output.size == 8_000_000_000
    assert [file.to for file in recipe.files] == [
        "/data/contents/zims/one.zim", "/data/conf/message.txt", "/data/logo.png",
    ]  # fmt: skip
    assert recipe.files[0].size is None
    assert recipe.files[0].checksum.kind == "url"
    assert recipe.files[1].inline() == b"hello world\n"
    assert recipe.files[2].inline() == b"hello"
    assert recipe.offspot["again"] == {"ssid": "Kiwix", "passphrase": None}
    assert recipe.write_config


def test_only_the_base_is_needed():
    recipe = read_recipe("base: {source: ./base.img}")
    assert (recipe.output.size, recipe.files, recipe.offspot) == (None, (), None)
    assert read_recipe("base: {source: b}\noutput: {size: auto}").output.size is None


def test_a_version_means_the_official_base_with_its_published_digest():
    base = read_recipe("base: {source: 1.4.2}").base
    assert base.location == "https://drive.hotspot.kiwix.org/base/offspot-base-arm64-1.4.2.img"
    assert base.expected == Checksum(algo="md5", kind="url", value=f"{base.location}.md5")
    assert read_recipe("base: {source: /srv/1.4.2.img}").base.expected is None
    near = base.at("http://mirror.example/b/")
    assert near.location == "http://mirror.example/b/offspot-base-arm64-1.4.2.img"
    assert near.expected == Checksum(algo="md5", kind="url", value=f"{near.location}.md5")
    assert near.at("http://other.example/") == near


BAD = {
    "nothing": ("", ["is empty", "base"]),
    "only a comment": ("# nothing\n", ["is empty"]),
    "not a mapping": ("- a\n", ["line 1", "the recipe"]),
    "broken YAML": ("base: {source: x\nfiles: ]", ["line 2", "not valid YAML"]),
    "control characters": ("a: \x00", ["not valid YAML"]),
    "no such day": ("base: {source: x}\noffspot: {day: 2024-13-45}", ["not valid YAML", "month"]),
    "no base": ("output: {size: 1GB}", ["base", "missing; add it"]),
    "no source": ("base: {}", ["base.source", "missing"]),
    "number as text": ("base: {source: 14}", ["line 1", "base.source", "quotes"]),
    "unknown key": ("base: {source: x}\noutputs: {}", ["line 2", "outputs", "not known"]),
    "unknown key inside": ("base:\n  source: x\n  sauce: y", ["line 3", "base.sauce", "not known"]),
    "unknown key in a file": (
        "base: {source: x}\nfiles:\n- to: /data/a\n  url: http://x\n  uri: y",
        ["line 5", "files[0].uri", "not known"],
    ),
    "twice the same key": ("base: {source: x}\nbase: {source: y}", ["line 2", "base stands twice", "line 1"]),
    "a tag": ("base: !!python/object:os.system {}", ["line 1", "tags"]),
    "our own tag": ("base: !secret x", ["line 1", "tags"]),
    "a list as key": ("? [a]\n: 1", ["line 1", "key must be a word"]),
    "too deep": ("base: " + "[" * 200 + "]" * 200, ["deeper than"]),
    "alias of itself": ("base: &b [*b]", ["alias", "itself"]),
    "aliases that multiply": (
        "a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdef", "bcdefg", strict=True)
        ),
        ["unfold"],
    ),
    "unknown alias": ("base: *nobody", ["line 1", "alias"]),
    "outside of data": (
        "base: {source: x}\nfiles: [{to: /etc/passwd, url: http://x}]",
        ["files[0].to", "below /data"],
    ),
    "data itself": ("base: {source: x}\nfiles: [{to: /data, url: http://x}]", ["files[0].to", "below /data"]),
    "like data": ("base: {source: x}\nfiles: [{to: /database/x, url: http://x}]", ["below /data"]),
    "upwards": ("base: {source: x}\nfiles: [{to: /data/../etc/x, url: http://x}]", ["files[0].to", "`..`"]),
    "double slash": ("base: {source: x}\nfiles: [{to: /data//x, url: http://x}]", ["empty parts"]),
    "a folder": ("base: {source: x}\nfiles: [{to: /data/x/, url: http://x}]", ["empty parts"]),
    "hidden characters": ('base: {source: x}\nfiles: [{to: "/data/a\\u202eb", url: http://x}]', ["shown"]),
    "long name": (f"base: {{source: x}}\nfiles: [{{to: /data/{'n' * 256}, url: http://x}}]", ["too long"]),
    "lost+found": ("base: {source: x}\nfiles: [{to: /data/lost+found/a, url: http://x}]", ["lost+found"]),
    "neither url nor content": (
        "base: {source: x}\nfiles:\n\n- to: /data/a",
        ["line 4", "files[0]", "either"],
    ),
    "url and content": ("base: {source: x}\nfiles: [{to: /data/a, url: http://x, content: y}]", ["not both"]),
    "unknown way": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, via: rar}]",
        ["files[0].via", "zip"],
    ),
    "not base64": ("base: {source: x}\nfiles: [{to: /data/a, content: '***', via: base64}]", ["not base64"]),
    "base64 of a url": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, via: base64}]",
        ["goes with"],
    ),
    "archive of content": (
        "base: {source: x}\nfiles: [{to: /data/a, via: zip, content: x}]",
        ["files[0]", "`via: zip` goes with `url`"],
    ),
    "no image's name": (
        "base: {source: x}\noci_images: [{ident: 'a b', filesize: 1, fullsize: 1}]",
        ["line 2", "oci_images[0].ident", "names no container image", "ghcr.io"],
    ),
    "image and file in one place": (
        """base: {source: x}
files: [{to: /data/images/a_1.tar, url: http://x}]
oci_images: [{ident: 'a:1', filesize: 1, fullsize: 1}]""",
        ["oci_images[0].ident", "files[0]"],
    ),
    "same target": (
        "base: {source: x}\nfiles:\n- {to: /data/a, url: http://x}\n- {to: /data/a, url: http://y}",
        ["line 4", "files[1].to", "files[0]"],
    ),
    "file as folder": (
        "base: {source: x}\nfiles:\n- {to: /data/a/b, url: http://x}\n- {to: /data/a, url: http://y}",
        ["files[0].to", "/data/a is a file", "files[1]"],
    ),
    "the recipe's own file": (
        "base: {source: x}\nwrite_config: true\nfiles: [{to: /data/image.yaml, content: x}]",
        ["files[0].to", "write_config"],
    ),
    "wrong digest": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, checksum: {algo: md5, value: abc}}]",
        ["files[0].checksum", "32 hex digits"],
    ),
    "unknown digest": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, checksum: {algo: crc, value: abc}}]",
        ["files[0].checksum.algo"],
    ),
    "url of a digest for content": (
        "base: {source: x}\nfiles:\n- {to: /data/a, content: x, checksum: {algo: md5, value: u, kind: url}}",
        ["files[0]", "not with `content`"],
    ),
    "no size": ("base: {source: x}\noutput: {size: big}", ["line 2", "output.size", "8GB"]),
    "no bytes": ("base: {source: x}\noutput: {size: 0}", ["output.size", "more than 0"]),
    "negative": ("base: {source: x}\noutput: {size: -5}", ["output.size", "more than 0"]),
    "true": ("base: {source: x}\noutput: {size: true}", ["output.size", "not a size"]),
    "a fraction": ("base: {source: x}\noutput: {size: 1.5}", ["output.size", "not a size"]),
    "tabs": ("base:\n\tsource: x", ["line 2", "not with tabs"]),
    "a colon in text": ("base: {source: x}\noffspot:\n  a: hello: world", ["line 3", "in quotes"]),
    "two documents": ("base: {source: x}\n---\nbase: {source: x}", ["remove the line `---`"]),
    "a list without items": (
        "base: {source: x}\nfiles:\n  to: /data/a",
        ["line 2", "files", "must be a list", "`- `"],
    ),
    "nothing in a list": ("base: {source: x}\nfiles:", ["line 2, files", "must be a list", "leave the key"]),
    "a base without its key": ("base: 1.4.2", ["line 1, base", "for example `source: 1.4.2`"]),
    "an output without its key": ("base: {source: x}\noutput: 8GB", ["line 2, output", "`size: 8GB`"]),
    "a digest without its keys": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, checksum: 'sha256:ab'}]",
        ["files[0].checksum", "`algo: sha-256`"],
    ),
    "a digest by its other name": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, checksum: {algo: SHA256, value: ab}}]",
        ["files[0].checksum.algo", "(perhaps sha-256?)"],
    ),
    "a misspelt key": ("base: {source: x}\noci_image: []", ["line 2, oci_image", "(perhaps oci_images?)"]),
    "an empty address": ("base: {source: x}\nfiles: [{to: /data/a, url: ''}]", ["files[0].url", "is empty"]),
    "beyond any size": ("base: {source: x}\noutput: {size: 99999TB}", ["output.size", "at most 1126 TB"]),
    "one for true": ("base: {source: x}\nwrite_config: 1", ["write_config", "true or false"]),
    "a list for keys": ("base: {source: x}\noffspot: [a]", ["line 2, offspot", "`key: value`"]),
    "yes as text": ("base: {source: x}\nwrite_config: 'yes'", ["write_config"]),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named(text, words):
    message = refused(text)
    assert message.startswith("The recipe cannot be used: ")
    assert not re.search(r"Input should|instance of|valid tuple|String should", message)  # not our words
    assert [word for word in words if word not in message] == []


def test_all_problems_are_named_at_once():
    message = refused("base: {}\nfiles:\n- {to: /etc/a, url: http://x}\n- {to: /data/b}\nx: 1")
    for word in ("base.source", "line 3, files[0].to", "line 4, files[1]", "line 5, x"):
        assert word in message


def test_a_flood_of_problems_is_cut():
    message = refused("base: {source: x}\nfiles:\n" + "- {to: /etc/x, url: http://x}\n" * 50)
    assert "(and 40 more)" in message


def test_a_huge_recipe_is_refused():
    assert str(MAX_BYTES) in refused("base: {source: x}\n#" + "x" * MAX_BYTES)


def test_passwords_are_not_repeated_in_messages():
    text = "base: {source: x}\nfiles: [{to: 5, url: 'https://user:hunter2@x/', content: hunter3}]"
    with pytest.raises(JobError) as caught:
        read_recipe(text)
    chain, error = "", caught.value
    while error is not None:
        chain += str(error)
        error = error.__cause__ or error.__context__
    assert "hunter" not in chain


def test_every_way_and_container_images_are_read():
    recipe = read_recipe(
        "base: {source: x}\noutput: {size: 8GB, shrink: true}\n"
        "oci_images: [{ident: 'ghcr.io/offspot/dashboard:1.7', filesize: 1MB, fullsize: 2MB, url: null}]\n"
        "files:\n"
        + "".join(
            f"- {{to: /data/{via}, url: http://x, via: {via}, size: 5GB}}\n"
            for via in ("zip", "tar", "gztar", "bztar", "xztar", "zst", "zstar")
        )
        + "- {to: /data/zip/more.txt, content: x}"  # an archive's folder is a folder
    )
    assert [file.is_archive for file in recipe.files] == [True] * 7 + [False]
    assert recipe.oci_images[0].to == "/data/images/ghcr.io_offspot_dashboard_1.7.tar"
    assert recipe.output.bytes is None


@pytest.mark.parametrize(
    ("text", "size"),
    [(5, 5), ("5", 5), ("8GB", 8 * 10**9), ("8G", 8 * 10**9), ("8 GiB", 8 << 30), ("1.5 MB", 1_500_000),
     ("512k", 512_000), ("2tib", 2 << 40), ("7b", 7)],
)  # fmt: skip
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "GB", "8XB", "8 G B", "-8GB", "0x10", "1e9", None, [], True, 1.5, "٣GB", "9" * 400]
)
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


def test_lines_are_those_of_the_nearest_key():
    _, lines = load("a:\n  b:\n  - c: 1\n  - d: 2\n")
    paths = [("a",), ("a", "b"), ("a", "b", 1, "d"), ("a", "b", 1, "x"), ("z",)]
    assert [lines.of(path) for path in paths] == [1, 2, 4, 4, 1]
    assert show(("files", 2, "to")) == "files[2].to"
    assert show(()) == "the recipe"


@pytest.mark.parametrize(
    ("per_card", "words"),
    [
        ([{"to": "../serial", "content": "{serial}"}], "path on the boot partition"),
        ([{"to": "/serial", "content": "{serial}"}], "path on the boot partition"),
        ([{"to": "a" * 101, "content": "{serial}"}], "path on the boot partition"),
        ([{"to": "Offspot.yaml", "content": "{serial}"}], "not offspot.yaml"),
        ([{"to": "serial.txt", "content": "always the same"}], "same on all cards"),
        ([{"to": "serial.txt", "content": "{serial}" * 20}], "beyond 512 bytes"),
        ([{"to": "serial.txt"}], "missing"),
        ([{"to": "a", "content": "{serial}"}, {"to": "A", "content": "{serial}"}], "same name"),
        ([{"to": f"f{n}", "content": "{serial}"} for n in range(9)], "8"),
    ],
)
def test_files_of_each_card_that_are_refused(per_card, words):
    with pytest.raises(JobError, match=words):
        read_recipe(yaml.safe_dump({"base": {"source": "1.4.2"}, "per_card": per_card}))


def test_files_of_each_card():
    asked = [{"to": "conf/hostname", "content": "hotspot-{suffix}\n"}]
    recipe = read_recipe(yaml.safe_dump({"base": {"source": "1.4.2"}, "per_card": asked}))
    assert [(each.to, each.content) for each in recipe.per_card] == [("conf/hostname", "hotspot-{suffix}\n")]
