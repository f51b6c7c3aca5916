"""A TCP proxy that a test can cut, so that a sink "stops" without stopping a server that others use as well."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress


class Proxy:
    """Forwards connections to a port of this machine. While it is cut, it resets every connection, old and new."""

    def __init__(self, target: int, rewrite: Callable[[bytes, int], bytes] | None = None) -> None:
        self._target = target
        self._rewrite = rewrite
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._changed = threading.Lock()
        self._cut = False
        self._turned_away = 0
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset every connection, and turn new ones away."""
        with self._changed:
            self._cut, self._turned_away = True, 0
            for each in self._open:
                _reset(each)
            self._open.clear()

    def missed(self) -> bool:
        """Whether somebody was turned away since the cut."""
        with self._changed:
            return self._turned_away > 0

    def restore(self) -> None:
        """Forward again."""
        with self._changed:
            self._cut = False

    def close(self) -> None:
        """Stop for good."""
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with self._changed:
                    if self._cut:
                        _reset(client)
                        self._turned_away += 1
                        continue
                    try:
                        server = socket.create_connection(("127.0.0.1", self._target))
                    except OSError:
                        _reset(client)
                        continue
                    self._open |= {client, server}
                rewrite = self._rewrite
                there = threading.Thread(target=self._pump, args=(client, server, None), daemon=True)
                back = threading.Thread(target=self._pump, args=(server, client, rewrite), daemon=True)
                there.start()
                back.start()

    def _pump(
        self, source: socket.socket, target: socket.socket, rewrite: Callable[[bytes, int], bytes] | None
    ) -> None:
        with suppress(OSError):
            while chunk := source.recv(1 << 16):
                target.sendall(rewrite(chunk, self.port) if rewrite else chunk)
        with self._changed:
            for each in (source, target):
                if each in self._open:
                    with suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
                    self._open.discard(each)
                    each.close()


def _reset(connection: socket.socket) -> None:
    """Close with RST, as a server that died does."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def proxy_to(target: int, rewrite: Callable[[bytes, int], bytes] | None = None) -> Iterator[Proxy]:
    """A proxy for the length of a block."""
    with closing(Proxy(target, rewrite)) as proxy:
        yield proxy
