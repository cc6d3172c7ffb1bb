"""Which servers the web may ask on behalf of people: public ones, unless FETCH_ALLOW_NETWORKS says more."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_REFUSED: Final = tuple(
    map(ipaddress.ip_network, ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48"))
)  # services of clouds and relays at addresses that count as public


class NotPublic(Exception):
    """The server lies where nobody is asked on behalf of people."""


class Unknown(Exception):
    """No server of that name."""


def address_of(host: str, port: int) -> str:
    """An address of the server to connect to: each that it has must be public. NotPublic, Unknown."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unknown(host) from error
    addresses = [str(each[4][0]) for each in found]
    if not all(map(is_permitted, addresses)):
        raise NotPublic(host)
    return addresses[0]


def is_permitted(address: str) -> bool:
    """Whether that address (no name) may be asked."""
    real = _real(ipaddress.ip_address(address.partition("%")[0]))
    if any(real in ipaddress.ip_network(network) for network in settings.FETCH_ALLOW_NETWORKS):
        return True
    if real.is_multicast or real.is_reserved or any(real in network for network in _REFUSED):
        return False
    return real.is_global


def _real(address: Address) -> Address:
    """The IPv4 address that some IPv6 addresses only carry."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
