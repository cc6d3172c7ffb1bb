"""Which addresses of the network recipes may reach from this host: the public ones, unless it allows more.

A recipe comes from outside; what it fetches ends in an image that others read. Addresses inside of the
host's own networks (and the metadata services of clouds) must not become readable that way.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import SplitResult, urlsplit

from workers.errors import JobError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

EVERYWHERE: Final[tuple[Network, ...]] = (
    ipaddress.IPv4Network("0.0.0.0/0"),
    ipaddress.IPv6Network("::/0"),
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_REFUSED: Final[tuple[Network, ...]] = (
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure's own service, at a public address
    ipaddress.IPv4Network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata among them
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays to IPv6
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 of local use
    ipaddress.IPv6Network("fec0::/10"),  # local to a site, from before fc00::/7
)


def networks_of(text: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, fd00::/8`, or `all`, as a host's configuration names them; ValueError."""
    if text.strip().lower() == "all":
        return EVERYWHERE
    return tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split())


class Guard:
    """Permits public addresses, and those of the `allowed` networks."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def permits(self, address: str) -> bool:
        """Whether a connection to this address (no name) may be made."""
        real = _real(ipaddress.ip_address(address.partition("%")[0]))
        if any(real in network for network in self._allowed):
            return True
        if real.is_multicast or real.is_reserved or any(real in network for network in _REFUSED):
            return False
        return real.is_global

    def check_url(self, url: str, where: str) -> None:
        """JobError unless `url` is http(s), names a server, and this is no forbidden address outright."""
        parts = _parts(url, where)
        if parts.scheme not in {"http", "https"}:
            raise JobError(
                "bad_source",
                f"{where} leads to {parts.scheme or 'no'}:, which is not fetched; "
                "give an address that begins with https:// or http://",
            )
        if not parts.hostname:
            raise JobError("bad_source", f"{where} names no server; correct the address")
        if _is_forbidden(parts.hostname, self):
            raise refused(where)


def refused(where: str) -> JobError:
    """The source lies where recipes must not reach."""
    return JobError(
        "forbidden_address",
        f"{where} leads to an address that is not public; use a public server, "
        "or let the creator host allow its network (allow_networks)",
    )


def _parts(url: str, where: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise JobError("bad_source", f"{where} is no address that can be fetched; correct it") from None
    return parts


def _is_forbidden(host: str, guard: Guard) -> bool:
    try:
        return not guard.permits(host)
    except ValueError:  # a name: what it stands for is known when it is resolved
        return host.lower().rstrip(".") == "localhost" and not guard.permits("127.0.0.1")


def _real(address: Address) -> Address:
    """The IPv4 address that some IPv6 addresses only carry."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
