"""Which entries have to go: pure arithmetic over facts, the same answer for the same question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from workers.creator.cache.facts import Kind, version_of, version_order
from workers.creator.cache.policy import Filter, Limits, Policy
from workers.imaging.sizes import readable


@dataclass(frozen=True)
class Candidate:
    """An entry as eviction sees it. What is `pinned` is in use and stays, but counts."""

    name: str
    kind: Kind
    key: str
    source: str
    size: int
    added: float
    used: float
    pinned: bool = False


@dataclass(frozen=True)
class Going:
    """An entry that has to go, and why."""

    name: str
    reason: str


class _Plan:
    """The entries that are still there, and those that are not, while limits are applied one by one."""

    def __init__(self, entries: Iterable[Candidate]) -> None:
        self.left = sorted(entries, key=lambda each: each.name)
        self.going: list[Going] = []

    def drop(self, entry: Candidate, reason: str) -> None:
        if not entry.pinned:
            self.left.remove(entry)
            self.going.append(Going(entry.name, reason))


_FIRST: Final[dict[str, Callable[[Candidate], tuple[float, str]]]] = {
    "lru": lambda each: (each.used, each.name),
    "oldest": lambda each: (each.added, each.name),
    "newest": lambda each: (-each.added, each.name),
    "largest": lambda each: (-each.size, each.name),
    "smallest": lambda each: (each.size, each.name),
}


def plan(entries: Iterable[Candidate], policy: Policy, now: float) -> list[Going]:
    """What the policy does not let stay. Afterwards every limit holds, or only pinned entries exceed it."""
    work = _Plan(entries)
    _drop_replaced(work)
    _drop_unwanted(work, policy, now)
    for limits, name, members in _groups(policy):
        _keep_versions(work, limits, name, members)
        _hold_limits(work, limits, name, members)
    return work.going


def admits(coming: Candidate, entries: Iterable[Candidate], policy: Policy, now: float) -> list[Going] | None:
    """What has to go so that `coming` may stay; None if it may not, whatever goes."""
    if not policy.keeps(coming.kind, coming.source):
        return None
    for limits in policy.scopes(coming.kind, coming.source):
        if limits.max_size is not None and coming.size > limits.max_size:
            return None
    there = list(entries)
    older = [each for each in there if (each.kind, each.key) == (coming.kind, coming.key)]
    others = [each for each in there if each not in older]
    replaced = [Going(each.name, "there is a newer copy") for each in older if not each.pinned]
    in_use = [replace(each, key=f"{each.key} in use") for each in older if each.pinned]
    going = plan([*others, *in_use, replace(coming, pinned=True)], policy, now)
    gone = {each.name for each in going}
    left = [each for each in (*others, *in_use) if each.name not in gone]
    return None if plan([*left, coming], policy, now) else replaced + going


def yielding(entries: Iterable[Candidate], policy: Policy, missing: int) -> list[Going]:
    """What goes so that `missing` bytes of disk become free, in the policy's order.

    Nothing, when even everything would not do.
    """
    work = _Plan(entries)
    if sum(each.size for each in work.left if not each.pinned) < missing:
        return []
    for each in sorted(work.left, key=_FIRST[policy.eviction]):
        if missing <= 0:
            break
        if not each.pinned:
            work.drop(each, "a build needs the room")
            missing -= each.size
    return work.going


_Member = Callable[[Candidate], bool]


def _groups(policy: Policy) -> list[tuple[Limits, str, _Member]]:
    """All groups with limits of their own, the narrowest first."""
    found: list[tuple[Limits, str, _Member]] = []
    for name, kinds in (("oci_images", {Kind.OCI_IMAGE}), ("files", {Kind.FILE, Kind.BASE})):
        section = policy.section(next(iter(kinds)))
        if not (policy.enabled and section.enabled):
            continue
        for number, each in enumerate(section.filters):
            found.append((each, f"{name}.filters[{number}]", _bound_by(policy, each, kinds)))
        found.append((section, name, _bound_by(policy, section, kinds)))
    if policy.enabled:
        found.append((policy, "the policy", lambda each: policy.section(each.kind).enabled))
    return found


def _bound_by(policy: Policy, limits: Limits, kinds: set[Kind]) -> _Member:
    return lambda each: (
        each.kind in kinds and any(limits is scope for scope in policy.scopes(each.kind, each.source))
    )


def _drop_replaced(work: _Plan) -> None:
    """Of one source the copy that came last is the one that counts."""
    copies: dict[tuple[Kind, str], list[Candidate]] = defaultdict(list)
    for each in work.left:
        copies[each.kind, each.key].append(each)
    for same in copies.values():
        for each in sorted(same, key=lambda one: (one.added, one.name))[:-1]:
            work.drop(each, "there is a newer copy")


def _drop_unwanted(work: _Plan, policy: Policy, now: float) -> None:
    for each in list(work.left):
        if not (policy.enabled and policy.section(each.kind).enabled):
            continue
        scopes = policy.scopes(each.kind, each.source)
        ages = [scope.max_age for scope in scopes if scope.max_age is not None]
        if isinstance(scopes[0], Filter) and scopes[0].ignore:
            work.drop(each, f"the policy ignores {scopes[0].pattern}")
        elif ages and now - each.added > min(ages):
            work.drop(each, f"older than max_age, {min(ages)} s")


def _keep_versions(work: _Plan, limits: Limits, name: str, members: _Member) -> None:
    keep = limits.keep_identified_versions
    if keep is None:
        return
    versions: dict[tuple[Kind, str], list[tuple[str, Candidate]]] = defaultdict(list)
    for each in filter(members, work.left):
        if found := version_of(each.kind, each.source):
            versions[each.kind, found[0]].append((found[1], each))
    for same in versions.values():
        same.sort(key=lambda pair: (version_order(pair[0]), pair[1].added, pair[1].name))
        for _, each in same[:-keep]:
            work.drop(each, f"{name} keeps {keep} versions, there are newer ones")


def _hold_limits(work: _Plan, limits: Limits, name: str, members: _Member) -> None:
    inside = [each for each in work.left if members(each)]
    size, number = sum(each.size for each in inside), len(inside)
    movable = [each for each in inside if not each.pinned]
    for each in sorted(movable, key=_order(limits)):
        if limits.max_num is not None and number > limits.max_num:
            reason = f"{name} keeps max_num {limits.max_num}"
        elif limits.max_size is not None and size > limits.max_size:
            reason = f"{name} keeps max_size {readable(limits.max_size)}"
        else:
            return
        work.drop(each, reason)
        size, number = size - each.size, number - 1


def _order(limits: Limits) -> Callable[[Candidate], tuple[bool, float, str]]:
    """What can never stay goes first, so that it does not push out what can; then by the strategy."""
    first = _FIRST[limits.eviction]

    def key(each: Candidate) -> tuple[bool, float, str]:
        fits = limits.max_size is None or each.size <= limits.max_size
        return (fits, *first(each))

    return key
