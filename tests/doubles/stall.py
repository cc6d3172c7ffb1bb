"""A server that takes every connection, may say a few bytes, and then nothing more."""

from __future__ import annotations

import socket
import threading


class Stall:
    """Holds its connections until `close`. `reached` is set with the first of them."""

    def __init__(self, says: bytes = b"") -> None:
        self.reached = threading.Event()
        self._says = says
        self._held: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()

    def close(self) -> None:
        """Let everybody go."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        for connection in self._held:
            connection.close()

    def _hold(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._held.append(connection)
            connection.sendall(self._says)
            self.reached.set()
