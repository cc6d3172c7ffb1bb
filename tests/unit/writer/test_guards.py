from __future__ import annotations

from collections.abc import Callable

import pytest

from workers.contract import Fault
from workers.errors import CardError, SlotError, WorkError
from workers.imaging.devices import Use
from workers.imaging.sysfs import Disk, UsbPort
from workers.writer import guards
from workers.writer.identity import Identity

DISK = Disk(name="sdb", number="8:16", path="/sys/x", size=32_000_000_000)
MOUNTED = Use("8:17", "mounted at /media/a")
SYSTEM = Use("8:18", "mounted at /", system=True)
CARD = Identity("/dev/sdb", "8:16", 32_000_000_000, 7, "/sys/x")


def refusal(call: Callable[[], None]) -> WorkError:
    with pytest.raises(WorkError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("call", "kind", "code", "words"),
    [
        (
            lambda: guards.must_be_whole("8:17", DISK, "/dev/sdb1"),
            SlotError,
            "partition",
            ["/dev/sdb1", "/dev/sdb."],
        ),
        (
            lambda: guards.must_not_carry_the_system([SYSTEM], "/dev/sda"),
            SlotError,
            "system_disk",
            ["mounted at /"],
        ),
        (lambda: guards.must_be_unused([MOUNTED], "/dev/sdb"), SlotError, "in_use", ["/media/a", "unmount"]),
        (
            lambda: guards.must_be_removable(DISK, allowed=False),
            SlotError,
            "not_removable",
            ["/dev/sdb", "--allow"],
        ),
        (lambda: guards.must_have_a_card(0, "/dev/sdb"), SlotError, "no_card", ["insert"]),
        (lambda: guards.must_be_writable(True, "/dev/sdb"), CardError, "write_protected", ["unlock"]),
        (
            lambda: guards.must_be_in_blocks(5000, 4096, "/x"),
            SlotError,
            "odd_size",
            ["5000", "truncate -s 8192"],
        ),
        (
            lambda: guards.must_hold(1000, 2000, "/dev/sdb"),
            CardError,
            "too_small",
            ["1000", "2000", "larger"],
        ),
        (lambda: guards.must_not_exceed(2000, 1000, "/dev/sdb"), SlotError, "too_large", ["2000", "1000"]),
        (lambda: guards.must_be_the_same_insertion(8, 7, "/dev/sdb"), SlotError, "card_changed", ["confirm"]),
    ],
)
def test_each_guard_refuses_with_its_code_and_the_next_action(
    call: Callable[[], None], kind: type[WorkError], code: str, words: list[str]
) -> None:
    error = refusal(call)
    assert type(error) is kind
    assert error.code == code
    for word in words:
        assert word in error.message


@pytest.mark.parametrize(
    "call",
    [
        lambda: guards.must_be_whole("8:16", DISK, "/dev/sdb"),
        lambda: guards.must_not_carry_the_system([MOUNTED], "/dev/sdb"),
        lambda: guards.must_be_unused([], "/dev/sdb"),
        lambda: guards.must_be_removable(DISK, allowed=True),
        lambda: guards.must_be_removable(Disk("sdb", "8:16", "/", 1, removable=True), allowed=False),
        lambda: guards.must_be_removable(Disk("sdb", "8:16", "/", 1, usb=UsbPort("1-1")), allowed=False),
        lambda: guards.must_have_a_card(1, "/dev/sdb"),
        lambda: guards.must_be_writable(False, "/dev/sdb"),
        lambda: guards.must_be_in_blocks(8192, 4096, "/x"),
        lambda: guards.must_hold(2000, 2000, "/dev/sdb"),
        lambda: guards.must_not_exceed(1000, 1000, "/dev/sdb"),
        lambda: guards.must_not_exceed(1000, None, "/dev/sdb"),
        lambda: guards.must_be_the_same_insertion(7, 7, "/dev/sdb"),
        lambda: guards.must_be_the_same_insertion(None, 7, "/dev/sdb"),
        lambda: guards.must_be_the_same_insertion(7, None, "/dev/sdb"),
        lambda: guards.must_be_the_same(CARD, CARD),
    ],
)
def test_each_guard_lets_pass_what_is_right(call: Callable[[], None]) -> None:
    call()


@pytest.mark.parametrize(
    "other",
    [
        Identity("/dev/sdb", "8:32", 32_000_000_000, 7, "/sys/x"),
        Identity("/dev/sdb", "8:16", 16_000_000_000, 7, "/sys/x"),
        Identity("/dev/sdb", "8:16", 32_000_000_000, 8, "/sys/x"),
        Identity("/dev/sdb", "8:16", 32_000_000_000, 7, "/sys/y"),
        Identity("/dev/sdb", "8:16", 32_000_000_000, None, "/sys/x"),
    ],
)
def test_any_difference_after_opening_is_another_card(other: Identity) -> None:
    error = refusal(lambda: guards.must_be_the_same(other, CARD))
    assert (error.code, error.fault) == ("card_changed", Fault.SLOT)


def test_many_uses_are_cut_short() -> None:
    uses = [Use("8:17", f"mounted at /media/{n}") for n in range(9)]
    message = refusal(lambda: guards.must_be_unused(uses, "/dev/sdb")).message
    assert "/media/2 and 6 more" in message
    assert "/media/3" not in message
