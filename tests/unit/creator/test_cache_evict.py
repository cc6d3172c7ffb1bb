"""Eviction: limits always hold, pinned entries stay, and the same question has the same answer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.creator.cache.evict import Candidate, admits, plan, yielding
from workers.creator.cache.facts import Kind, version_of, version_order
from workers.creator.cache.policy import Filter, Policy, Section

NOW = 1_000_000.0
SOURCES = ["http://m/wiki_fr_2024-01.zim", "http://m/wiki_fr_2024-02.zim", "http://m/b.img", "http://x/c.mp4"]
IMAGES = ["ghcr.io/o/one:1.9", "ghcr.io/o/one:1.10", "ghcr.io/o/two:3"]


def entry(name, *, source="", size=10, added=1.0, used=1.0, pinned=False, kind=Kind.FILE):
    return Candidate(name, kind, source or name, source or f"http://m/{name}", size, added, used, pinned)


def names(going):
    return [each.name for each in going]


LIMITS = {
    "max_size": st.none() | st.integers(1, 60),
    "max_num": st.none() | st.integers(1, 6),
    "max_age": st.none() | st.integers(1, 100),
    "keep_identified_versions": st.none() | st.integers(1, 2),
    "eviction": st.sampled_from(["lru", "oldest", "newest", "largest", "smallest"]),
}


def limits(**more):
    return st.fixed_dictionaries({**LIMITS, **more})


def capped(inner, outer):
    for name in ("max_size", "max_num", "max_age"):
        if inner[name] and outer[name]:
            inner[name] = min(inner[name], outer[name])
    return inner


@st.composite
def policies(draw):
    main = draw(limits())
    sections = {}
    for name in ("files", "oci_images"):
        section = capped(draw(limits()), main)
        filters = draw(st.lists(limits(pattern=st.sampled_from(["zim$", "one", "."])), max_size=2))
        made = tuple(
            Filter(**capped(each, {**main, **{k: v for k, v in section.items() if v}})) for each in filters
        )
        sections[name] = Section(**section, filters=made)
    return Policy(**main, **sections)


@st.composite
def shelves(draw):
    found = []
    for number in range(draw(st.integers(0, 10))):
        kind = draw(st.sampled_from(list(Kind)))
        source = draw(st.sampled_from(IMAGES if kind is Kind.OCI_IMAGE else SOURCES))
        times = draw(st.tuples(st.integers(0, 150), st.integers(0, 150)))
        size, pinned = draw(st.integers(0, 40)), draw(st.integers(0, 3)) == 0
        found.append(
            Candidate(f"e{number}", kind, source, source, size, NOW - max(times), NOW - min(times), pinned)
        )
    return found


def groups(policy, left):
    for section, kinds in ((policy.files, {Kind.FILE, Kind.BASE}), (policy.oci_images, {Kind.OCI_IMAGE})):
        inside = [each for each in left if each.kind in kinds]
        yield section, inside
        for each in section.filters:
            yield each, [one for one in inside if policy.scopes(one.kind, one.source)[0] is each]
    yield policy, left


@settings(max_examples=150, deadline=None, derandomize=True)
@given(shelves(), policies())
def test_limits_hold_and_pinned_stay(shelf, policy):
    going = plan(shelf, policy, NOW)
    gone = set(names(going))
    assert len(gone) == len(going)
    assert not gone & {each.name for each in shelf if each.pinned}
    left = [each for each in shelf if each.name not in gone]
    for scope, inside in groups(policy, left):
        movable = [each for each in inside if not each.pinned]
        if movable and scope.max_size is not None:
            assert sum(each.size for each in inside) <= scope.max_size
        if movable and scope.max_num is not None:
            assert len(inside) <= scope.max_num
        if scope.max_age is not None:
            assert all(NOW - each.added <= scope.max_age for each in movable)
    assert plan(left, policy, NOW) == []
    assert plan(list(reversed(shelf)), policy, NOW) == going


@settings(max_examples=100, deadline=None, derandomize=True)
@given(shelves(), policies(), st.integers(0, 60))
def test_what_is_admitted_stays(shelf, policy, size):
    coming = entry("new", source=SOURCES[1], size=size, added=NOW, used=NOW)
    going = admits(coming, shelf, policy, NOW)
    if going is None:
        return
    left = [each for each in shelf if each.name not in set(names(going))]
    assert plan([*left, coming], policy, NOW) == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(shelves(), policies(), st.integers(0, 200))
def test_room_is_made_but_no_more_than_needed(shelf, policy, missing):
    going = yielding(shelf, policy, missing)
    sizes = {each.name: each.size for each in shelf}
    freed = [sizes[name] for name in names(going)]
    assert not set(names(going)) & {each.name for each in shelf if each.pinned}
    if sum(freed) < missing:
        assert not going, "what would not do is not done"
        assert sum(each.size for each in shelf if not each.pinned) < missing
    assert sum(freed[:-1]) < missing or not going


@pytest.mark.parametrize(
    ("strategy", "first"),
    [("lru", "b"), ("oldest", "a"), ("newest", "c"), ("largest", "c"), ("smallest", "a")],
)
def test_strategies_name_what_goes_first(strategy, first):
    shelf = [
        entry("a", size=1, added=1, used=9),
        entry("b", size=2, added=2, used=3),
        entry("c", size=3, added=3, used=5),
    ]
    assert names(plan(shelf, Policy(max_num=2, eviction=strategy), NOW)) == [first]


def test_a_giant_pushes_nobody_out():
    shelf = [entry("small", size=5, used=1), entry("giant", size=100, used=9)]
    assert names(plan(shelf, Policy(max_size=50), NOW)) == ["giant"]
    assert admits(entry("new", size=51), shelf, Policy(max_size=50), NOW) is None


def test_versions_in_their_natural_order():
    shelf = [entry(f"v{n}", source=f"ghcr.io/o/x:1.{n}", kind=Kind.OCI_IMAGE) for n in (2, 9, 10)]
    policy = Policy(oci_images=Section(keep_identified_versions=1))
    assert names(plan(shelf, policy, NOW)) == ["v2", "v9"]
    assert admits(entry("old", source="ghcr.io/o/x:1.1", kind=Kind.OCI_IMAGE), shelf[2:], policy, NOW) is None


def test_the_same_name_elsewhere_is_another_content():
    shelf = [entry("a", source="http://a/w_2024-01.zim"), entry("b", source="http://b/w_2024-02.zim")]
    assert plan(shelf, Policy(keep_identified_versions=1), NOW) == []


def test_an_older_copy_goes_unless_it_is_in_use():
    new, old = entry("n", source="http://a/x", added=2), entry("o", source="http://a/x", added=1)
    assert names(plan([new, old], Policy(), NOW)) == ["o"]
    used = entry("o", source="http://a/x", added=1, pinned=True)
    assert plan([new, used], Policy(), NOW) == []


def test_what_is_switched_off_stays_until_it_is_cleared():
    shelf = [entry("a", size=99)]
    assert plan(shelf, Policy(enabled=False, max_size=1), NOW) == []
    assert plan(shelf, Policy(max_size=1, files=Section(enabled=False)), NOW) == []
    assert admits(entry("new"), [], Policy(enabled=False), NOW) is None


@pytest.mark.parametrize(
    ("kind", "source", "found"),
    [
        (Kind.FILE, "http://m/a_en_2024-03.zim", ("http://m/a_en", "2024-03")),
        (Kind.FILE, "http://m/a_en.zim", None),
        (Kind.OCI_IMAGE, "localhost:5000/a/b:1.2", ("localhost:5000/a/b", "1.2")),
        (Kind.OCI_IMAGE, "localhost:5000/a/b", None),
    ],
)
def test_versions_are_recognized(kind, source, found):
    assert version_of(kind, source) == found


def test_version_order():
    assert sorted(["1.10", "1.9", "dev", "1.9.1"], key=version_order) == ["dev", "1.9", "1.9.1", "1.10"]
