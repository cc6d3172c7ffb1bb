"""The listening process: one thread per session, so that nobody waits for somebody else's disk or ticket."""

from __future__ import annotations

import signal
import threading
from typing import Any, Final

from OpenSSL import SSL
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import ThreadedFTPServer

from warehouse.ftp.config import CONNECTIONS, Config, ConfigError
from warehouse.ftp.depot import Depot
from warehouse.ftp.layout import Layout
from warehouse.ftp.log import logger
from warehouse.ftp.session import PlainSession, Session, TLSSession
from warehouse.ftp.watch import NAME as WATCH
from warehouse.ftp.watch import Watch

POLL: Final = 0.2
GOODBYE: Final = 5.0


class Server(ThreadedFTPServer):  # type: ignore[misc]  # the library has no types
    """The library's server, with limits, and with an exit of its own instead of one per class."""

    max_cons = CONNECTIONS
    poll_timeout = POLL
    join_timeout = 30

    def __init__(self, config: Config, handler: type[Session]) -> None:
        self.max_cons_per_ip = config.connections_per_address
        self._lock = threading.Lock()
        self._exit = threading.Event()
        super().__init__((config.host, config.port), handler, ioloop=IOLoop())


def serve(config: Config) -> int:
    """Serve until SIGTERM or SIGINT; the process's exit code."""
    layout = Layout(config.root)
    layout.prepare()
    with layout.alone():
        layout.finish_removals()
        depot = Depot(config, layout)
        failed = _stop_when_the_watch_dies(depot)
        _stop_on_signals(depot)
        server = _listen(config, session_class(depot))
        watch = Watch(depot)
        watch.start()
        _announce(config, server.address)
        try:
            while not depot.stopping.is_set():
                server.ioloop.loop(POLL, blocking=False)
        finally:
            _close(depot, server)
            if config.port_file:
                config.port_file.unlink(missing_ok=True)
        watch.join(GOODBYE)
    return 1 if failed.is_set() else 0


def session_class(depot: Depot) -> type[Session]:
    """The library configures sessions by class: one that belongs to this depot."""
    config = depot.config
    settings: dict[str, Any] = {
        "depot": depot,
        "banner": f"Imager warehouse {config.slug}",
        "passive_ports": config.passive_ports,
        "masquerade_address": config.masquerade,
    }
    if not config.tls:
        return type("OurSession", (PlainSession,), settings)
    return type("OurSession", (TLSSession,), {**settings, "ssl_context": tls_context(config)})


def tls_context(config: Config) -> SSL.Context:
    """TLS 1.2 or newer with the configured certificate; raises `ConfigError`."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    try:
        context.use_certificate_chain_file(str(config.cert))
        context.use_privatekey_file(str(config.key))
        context.check_privatekey()
    except SSL.Error as error:
        raise ConfigError(
            f"WAREHOUSE_CERT {config.cert} and WAREHOUSE_KEY {config.key} are no certificate chain "
            "and matching key in PEM: check both files"
        ) from error
    return context


def _listen(config: Config, handler: type[Session]) -> Server:
    try:
        return Server(config, handler)
    except OSError as error:
        raise ConfigError(f"WAREHOUSE_LISTEN {config.host}:{config.port} cannot be used: {error}") from error


def _announce(config: Config, address: tuple[str, int]) -> None:
    if config.port_file:
        beside = config.port_file.with_name(config.port_file.name + ".new")
        beside.write_text(f"{address[1]}\n", encoding="ascii")
        beside.replace(config.port_file)
    logger(step="start").info(
        "listening", address=address[0], port=address[1], tls=config.tls, slug=config.slug
    )


def _close(depot: Depot, server: Server) -> None:
    """No new sessions; running ones are told, and leave. What arrived stays for a resume."""
    depot.stopping.set()
    server.ioloop.unregister(server.socket.fileno())
    server.socket.close()
    depot.visits.end(lambda _ticket: True, GOODBYE)
    server.close_all()
    logger(step="stop").info("stopped")


def _stop_on_signals(depot: Depot) -> None:
    def stop(_number: int, _frame: object) -> None:
        depot.stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _stop_when_the_watch_dies(depot: Depot) -> threading.Event:
    """A server that no longer hears what has ended must not go on; whoever runs it starts it anew."""
    failed = threading.Event()

    def died(args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else ""
        logger(step=name).critical(
            "thread died", exc_info=(args.exc_type, args.exc_value, args.exc_traceback)
        )
        if name == WATCH:
            failed.set()
            depot.stopping.set()

    threading.excepthook = died
    return failed
