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
    "nothing": (
        "",
        "line 1: it is empty; give at least `base: {source: …}`.",
    ),
    "only a comment": (
        "# nothing\n",
        "line 1: it is empty; give at least `base: {source: …}`.",
    ),
    "not a mapping": (
        "- a\n",
        "line 1, the recipe: it must hold keys of its own.",
    ),
    "broken YAML": (
        "base: {source: x\nfiles: ]",
        "line 2: not valid YAML: did not find expected ',' or '}'; correct that line.",
    ),
    "control characters": (
        "a: \x00",
        "line 1: not valid YAML: the character U+0000 is not allowed; remove it.",
    ),
    "no such day": (
        "base: {source: x}\noffspot: {day: 2024-13-45}",
        (
            "line 2: '2024-13-45' is no value (month must be in 1..12); correct it, or put it"
            " in quotes if it is text."
        ),
    ),
    "no base": (
        "output: {size: 1GB}",
        "line 1, base: it is missing; add it.",
    ),
    "no source": (
        "base: {}",
        "line 1, base.source: it is missing; add it.",
    ),
    "number as text": (
        "base: {source: 14}",
        "line 1, base.source: it must be text; put it in quotes.",
    ),
    "unknown key": (
        "base: {source: x}\noutputs: {}",
        "line 2, outputs: this key is not known; remove it or correct its spelling (perhaps output?).",
    ),
    "unknown key inside": (
        "base:\n  source: x\n  sauce: y",
        "line 3, base.sauce: this key is not known; remove it or correct its spelling (perhaps source?).",
    ),
    "unknown key in a file": (
        "base: {source: x}\nfiles:\n- to: /data/a\n  url: http://x\n  uri: y",
        "line 5, files[0].uri: this key is not known; remove it or correct its spelling (perhaps url?).",
    ),
    "twice the same key": (
        "base: {source: x}\nbase: {source: y}",
        "line 2: the key base stands twice (first on line 1); remove one.",
    ),
    "a tag": (
        "base: !!python/object:os.system {}",
        "line 1: tags such as tag:yaml.org,2002:python/object:os.system are not allowed; remove it.",
    ),
    "our own tag": (
        "base: !secret x",
        "line 1: tags such as !secret are not allowed; remove it.",
    ),
    "a list as key": (
        "? [a]\n: 1",
        "line 1: a key must be a word, not a list or a mapping; put it in quotes.",
    ),
    "too deep": (
        "base: " + "[" * 200 + "]" * 200,
        "line 1: nested deeper than 32 levels; write it flatter.",
    ),
    "alias of itself": (
        "base: &b [*b]",
        "line 1: an alias leads to itself; write out what it stands for.",
    ),
    "aliases that multiply": (
        (
            "a: &a [1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdef", "bcdefg", strict=True)
            )
        ),
        "line 1: aliases unfold to more than 200000 values; write less of it.",
    ),
    "unknown alias": (
        "base: *nobody",
        "line 1: not valid YAML: found undefined alias; correct that line.",
    ),
    "outside of data": (
        "base: {source: x}\nfiles: [{to: /etc/passwd, url: http://x}]",
        "line 2, files[0].to: '/etc/passwd' must be a path below /data, for example /data/zims/name.zim.",
    ),
    "data itself": (
        "base: {source: x}\nfiles: [{to: /data, url: http://x}]",
        "line 2, files[0].to: '/data' must be a path below /data, for example /data/zims/name.zim.",
    ),
    "like data": (
        "base: {source: x}\nfiles: [{to: /database/x, url: http://x}]",
        "line 2, files[0].to: '/database/x' must be a path below /data, for example /data/zims/name.zim.",
    ),
    "upwards": (
        "base: {source: x}\nfiles: [{to: /data/../etc/x, url: http://x}]",
        "line 2, files[0].to: '/data/../etc/x' must not hold empty parts, `.` or `..`; write the plain path.",
    ),
    "double slash": (
        "base: {source: x}\nfiles: [{to: /data//x, url: http://x}]",
        "line 2, files[0].to: '/data//x' must not hold empty parts, `.` or `..`; write the plain path.",
    ),
    "a folder": (
        "base: {source: x}\nfiles: [{to: /data/x/, url: http://x}]",
        "line 2, files[0].to: '/data/x/' must not hold empty parts, `.` or `..`; write the plain path.",
    ),
    "hidden characters": (
        'base: {source: x}\nfiles: [{to: "/data/a\\u202eb", url: http://x}]',
        "line 2, files[0].to: '/data/a\\u202eb' holds characters that cannot be shown; use others.",
    ),
    "long name": (
        f"base: {{source: x}}\nfiles: [{{to: /data/{'n' * 256}, url: http://x}}]",
        f"line 2, files[0].to: '/data/{'n' * 256}' is too long; shorten it: a name has at most 255 bytes.",
    ),
    "lost+found": (
        "base: {source: x}\nfiles: [{to: /data/lost+found/a, url: http://x}]",
        (
            "line 2, files[0].to: '/data/lost+found/a': lost+found belongs to the file "
            "system; choose another name."
        ),
    ),
    "neither url nor content": (
        "base: {source: x}\nfiles:\n\n- to: /data/a",
        "line 4, files[0]: give either `url` or `content`, not both and not none.",
    ),
    "url and content": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, content: y}]",
        "line 2, files[0]: give either `url` or `content`, not both and not none.",
    ),
    "unknown way": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, via: rar}]",
        (
            "line 2, files[0].via: it must be one of direct, base64, bztar, gztar, tar, "
            "xztar, zip, zst, zstar (perhaps tar?)."
        ),
    ),
    "not base64": (
        "base: {source: x}\nfiles: [{to: /data/a, content: '***', via: base64}]",
        (
            "line 2, files[0]: `content` is not base64 (Only base64 data is allowed); encode "
            "it anew, or leave `via` away for plain text."
        ),
    ),
    "base64 of a url": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, via: base64}]",
        "line 2, files[0]: `via: base64` goes with `content`, not with `url`; leave `via` away.",
    ),
    "archive of content": (
        "base: {source: x}\nfiles: [{to: /data/a, via: zip, content: x}]",
        "line 2, files[0]: `via: zip` goes with `url`, not with `content`; give its address.",
    ),
    "no image's name": (
        "base: {source: x}\noci_images: [{ident: 'a b', filesize: 1, fullsize: 1}]",
        (
            "line 2, oci_images[0].ident: 'a b' names no container image; write for example "
            "ghcr.io/offspot/dashboard:1.7.0."
        ),
    ),
    "image and file in one place": (
        """base: {source: x}
files: [{to: /data/images/a_1.tar, url: http://x}]
oci_images: [{ident: 'a:1', filesize: 1, fullsize: 1}]""",
        (
            "line 3, oci_images[0].ident: /data/images/a_1.tar is used by files[0] too; "
            "choose another path for one of them."
        ),
    ),
    "same target": (
        "base: {source: x}\nfiles:\n- {to: /data/a, url: http://x}\n- {to: /data/a, url: http://y}",
        "line 4, files[1].to: /data/a is used by files[0] too; choose another path for one of them.",
    ),
    "file as folder": (
        "base: {source: x}\nfiles:\n- {to: /data/a/b, url: http://x}\n- {to: /data/a, url: http://y}",
        "line 3, files[0].to: /data/a is a file (files[1]) and cannot be a folder too; rename one of them.",
    ),
    "the recipe's own file": (
        "base: {source: x}\nwrite_config: true\nfiles: [{to: /data/image.yaml, content: x}]",
        "line 3, files[0].to: `write_config` writes /data/image.yaml already; drop one of them.",
    ),
    "wrong digest": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, checksum: {algo: md5, value: abc}}]",
        "line 2, files[0].checksum: 'abc' is not a digest of md5; write its 32 hex digits.",
    ),
    "unknown digest": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, checksum: {algo: crc, value: abc}}]",
        (
            "line 2, files[0].checksum.algo: it must be one of md5, sha-1, sha-224, sha-256, "
            "sha-384, sha-512, adler32."
        ),
    ),
    "url of a digest for content": (
        "base: {source: x}\nfiles:\n- {to: /data/a, content: x, checksum: {algo: md5, value: u, kind: url}}",
        "line 3, files[0]: `checksum.kind: url` goes with `url`, not with `content`; give the digest itself.",
    ),
    "no size": (
        "base: {source: x}\noutput: {size: big}",
        "line 2, output.size: 'big' is not a size; write for example 8GB, 512 MiB or 8000000000.",
    ),
    "no bytes": (
        "base: {source: x}\noutput: {size: 0}",
        "line 2, output.size: it must be more than 0; correct it.",
    ),
    "negative": (
        "base: {source: x}\noutput: {size: -5}",
        "line 2, output.size: it must be more than 0; correct it.",
    ),
    "true": (
        "base: {source: x}\noutput: {size: true}",
        "line 2, output.size: True is not a size; write for example 8GB, 512 MiB or 8000000000.",
    ),
    "a fraction": (
        "base: {source: x}\noutput: {size: 1.5}",
        "line 2, output.size: 1.5 is not a size; write for example 8GB, 512 MiB or 8000000000.",
    ),
    "tabs": (
        "base:\n\tsource: x",
        (
            "line 2: not valid YAML: found character that cannot start any token; indent with"
            " blanks, not with tabs; put text with special characters in quotes."
        ),
    ),
    "a colon in text": (
        "base: {source: x}\noffspot:\n  a: hello: world",
        (
            "line 3: not valid YAML: mapping values are not allowed in this context; put text"
            " that holds `: ` in quotes, and check the indentation."
        ),
    ),
    "two documents": (
        "base: {source: x}\n---\nbase: {source: x}",
        (
            "line 2: not valid YAML: but found another document; a recipe is one document: "
            "remove the line `---` in the middle."
        ),
    ),
    "a list without items": (
        "base: {source: x}\nfiles:\n  to: /data/a",
        "line 2, files: it must be a list; begin each of its items with `- `, or leave the key away.",
    ),
    "nothing in a list": (
        "base: {source: x}\nfiles:",
        "line 2, files: it must be a list; begin each of its items with `- `, or leave the key away.",
    ),
    "a base without its key": (
        "base: 1.4.2",
        "line 1, base: it must hold keys of its own, for example `source: 1.4.2`.",
    ),
    "an output without its key": (
        "base: {source: x}\noutput: 8GB",
        "line 2, output: it must hold keys of its own, for example `size: 8GB`.",
    ),
    "a digest without its keys": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, checksum: 'sha256:ab'}]",
        "line 2, files[0].checksum: it must hold keys of its own, for example `algo: sha-256`.",
    ),
    "a digest by its other name": (
        "base: {source: x}\nfiles: [{to: /data/a, url: http://x, checksum: {algo: SHA256, value: ab}}]",
        (
            "line 2, files[0].checksum.algo: it must be one of md5, sha-1, sha-224, sha-256, "
            "sha-384, sha-512, adler32 (perhaps sha-256?)."
        ),
    ),
    "a misspelt key": (
        "base: {source: x}\noci_image: []",
        "line 2, oci_image: this key is not known; remove it or correct its spelling (perhaps oci_images?).",
    ),
    "an empty address": (
        "base: {source: x}\nfiles: [{to: /data/a, url: ''}]",
        "line 2, files[0].url: it is empty; write something or leave the key away.",
    ),
    "beyond any size": (
        "base: {source: x}\noutput: {size: 99999TB}",
        "line 2, output.size: it must be at most 1126 TB (1125899906842624 bytes).",
    ),
    "one for true": (
        "base: {source: x}\nwrite_config: 1",
        "line 2, write_config: it must be true or false, without quotes.",
    ),
    "a list for keys": (
        "base: {source: x}\noffspot: [a]",
        "line 2, offspot: it must hold keys of its own, each on a line `key: value`.",
    ),
    "yes as text": (
        "base: {source: x}\nwrite_config: 'yes'",
        "line 2, write_config: it must be true or false, without quotes.",
    ),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named(text, said):
    """The line, the key and what to do, in our words."""
    assert refused(text) == f"The recipe cannot be used: {said}"
    assert re.match(r"line \d+[,:] ", said)


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
