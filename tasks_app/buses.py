"""How the readers of a station hang on USB, and what to change where a link holds its cards up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

from django.utils.translation import gettext as _

from imager.sizes import words
from tasks_app.models import Slot
from workers.contract import BusFacts, HubFacts

USB_2: Final = 480  # Mb/s
ENOUGH: Final = 30_000_000  # bytes per second: what a card of speed class V30 takes at least


@dataclass(frozen=True)
class BusNote:
    """`link`: what the reader's link is. `advice`: what to do about it, or nothing."""

    link: str
    advice: str


@dataclass(frozen=True)
class _Shared:
    """A link that several slots use, and what it carries, in bytes per second."""

    path: str
    speed: float
    slots: tuple[str, ...]

    @property
    def each(self) -> float:
        return usable(self.speed) / len(self.slots)


def usable(speed: float) -> float:
    """What a link of `speed` Mb/s carries of a card, in bytes per second, as measured on readers."""
    return speed * 80_000 if speed > USB_2 else speed * 35_000_000 / USB_2


def notes(slots: Iterable[Slot]) -> dict[int, BusNote]:
    """By slot, for those of one host whose readers hang on USB. Slots out of service take no room."""
    on_usb = [(slot, cast("BusFacts", slot.bus)) for slot in slots if slot.bus]
    users: dict[str, list[str]] = defaultdict(list)
    for slot, bus in on_usb:
        if not slot.disabled:
            for link in _links(bus):
                users[link["path"]].append(slot.name)
    return {slot.pk: _note(slot.name, bus, users) for slot, bus in on_usb}


def _links(bus: BusFacts) -> list[HubFacts]:
    """From the reader to the root."""
    return [{"path": bus["port"], "speed": bus["speed"]}, *bus["hubs"]]


def _note(name: str, bus: BusFacts, users: dict[str, list[str]]) -> BusNote:
    shared = _narrowest(name, bus, users)
    link = _("USB port %(port)s, %(speed)s") % {"port": bus["port"], "speed": _speed(bus["speed"])}
    if shared:
        others = ", ".join(other for other in shared.slots if other != name)
        link = _("%(link)s; shares a link of %(speed)s with %(others)s") % {
            "link": link,
            "speed": _speed(shared.speed),
            "others": others,
        }
    return BusNote(link, " ".join(_advice(bus, shared)))


def _narrowest(name: str, bus: BusFacts, users: dict[str, list[str]]) -> _Shared | None:
    """The shared link that leaves the least to each."""
    shared = [
        _Shared(link["path"], link["speed"], tuple(users[link["path"]]))
        for link in _links(bus)
        if link["speed"] and name in users[link["path"]] and len(users[link["path"]]) > 1
    ]
    return min(shared, key=lambda one: one.each, default=None)


def _advice(bus: BusFacts, shared: _Shared | None) -> list[str]:
    advice = []
    speed = bus["speed"]
    if bus["held_back"]:
        advice.append(
            _(
                "This USB 3 reader hangs on a USB 2 link, which carries %(rate)s/s at best."
                " Plug it into a USB 3 port, by a USB 3 cable and hub."
            )
            % {"rate": words(usable(speed or USB_2))}
        )
    elif speed and speed < USB_2:
        advice.append(
            _("This reader is linked at %(speed)s only: exchange its cable, its hub or the reader.")
            % {"speed": _speed(speed)}
        )
    if shared and shared.each < ENOUGH:
        advice.append(
            _(
                "%(count)d slots share a link that leaves %(rate)s/s to each."
                " Spread their readers over more ports of the machine, not of one hub."
            )
            % {"count": len(shared.slots), "rate": words(shared.each)}
        )
    return advice


def _speed(megabits: float | None) -> str:
    if megabits is None:
        return _("speed unknown")
    return f"{megabits / 1000:g} Gb/s" if megabits >= 1000 else f"{megabits:g} Mb/s"
