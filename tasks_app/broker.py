"""Redis users of hosts: each may pop the bells of its own queues, and nothing else."""

from __future__ import annotations

import secrets
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import quote, urlsplit, urlunsplit

import redis

from imager.tls import broker_checks
from tasks_app.models import Host
from workers.contract import Kind, nudge_of, queue_of

NEWEST = "+client|setinfo"  # Redis before 7.2 refuses a user for it; clients do without
COMMANDS = (
    "-@all",
    "+ping",
    "+hello",
    "+auth",
    "+client|setname",
    NEWEST,
    "+multi",
    "+exec",
    "+discard",
    "+brpop",
    "+llen",
    "+sadd",
)


def queues_of(host: Host) -> list[str]:
    """The queues that a host listens to."""
    if host.kind == Host.Kind.CREATOR:
        return [queue_of(Kind.CREATE, host.channel.slug)]
    return [queue_of(Kind.DOWNLOAD, host.name), queue_of(Kind.WRITE, host.name)]


def nudges_of(host: Host) -> list[str]:
    """The lists on which its workers are told to beat at once."""
    kinds = [Kind.CREATE] if host.kind == Host.Kind.CREATOR else [Kind.DOWNLOAD, Kind.WRITE]
    return [nudge_of(kind, host.name) for kind in kinds]


def is_safe(url: str) -> bool:
    """Whether hosts accept this address: their password travels encrypted, or not beyond one machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    with suppress(ValueError):
        if parts.scheme == "redis" and (host == "localhost" or ip_address(host).is_loopback):
            return True
    return parts.scheme == "rediss" and bool(host)


def admit(host: Host, *, server_url: str, host_url: str, ca_file: str = "") -> str:
    """Create (or renew) the host's broker user. Returns the URL for the host, password included.

    `ca_file` is the authority of the broker as the server reaches it. Raises redis.RedisError when the broker
    cannot be reached, is not the right one, or refuses.
    """
    user, password = f"host-{host.name}", secrets.token_urlsafe(24)
    names = [
        name
        for queue in queues_of(host)
        for name in (queue, f"_kombu.binding.{queue}", f"_kombu.binding_permanent.{queue}")
    ]
    keys = [f"~{name}" for name in [*names, *nudges_of(host)]]
    with redis.Redis.from_url(
        server_url, socket_connect_timeout=5, socket_timeout=10, **broker_checks(server_url, ca_file)
    ) as broker:
        rules = ["ACL", "SETUSER", user, "reset", "on", f">{password}", *keys]
        try:
            broker.execute_command(*rules, *COMMANDS)
        except redis.ResponseError as error:
            if NEWEST not in str(error):
                raise
            broker.execute_command(*rules, *(command for command in COMMANDS if command != NEWEST))
        _save(broker)
    parts = urlsplit(host_url)
    place = parts.netloc.rpartition("@")[2] + ("" if parts.port else ":6379")
    return urlunsplit(
        (parts.scheme, f"{user}:{quote(password, safe='')}@{place}", parts.path, parts.query, "")
    )


def _save(broker: redis.Redis) -> None:
    try:
        broker.acl_save()
    except redis.ResponseError as error:
        if "ACL file" not in str(error):
            raise
        # the broker keeps its users elsewhere (a managed Redis): nothing to save
