"""A line between a browser and the service that can be cut, as in a village: what goes through it is what a phone has of a network."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

CHUNK = 65_536


class Line:
    """Passes bytes on to the service while it is up; while it is down nothing is reached and what was open is cut."""

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._open: set[socket.socket] = set()
        self._hold = threading.Lock()
        self.is_up = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def cut(self) -> None:
        """No network from here on."""
        self.is_up = False
        with self._hold:
            for each in list(self._open):
                self._end(each)

    def mend(self) -> None:
        """The network is back."""
        self.is_up = True

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _listen(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self.is_up:
                near.close()
                continue
            far = socket.create_connection((self._to.hostname or "", self._to.port or 80))
            with self._hold:
                self._open |= {near, far}
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while content := one.recv(CHUNK):
                other.sendall(content)
        except OSError:
            pass  # cut, or the other side went away: both ends are ended below
        with self._hold:
            self._end(one)
            self._end(other)

    def _end(self, each: socket.socket) -> None:
        self._open.discard(each)
        with contextlib.suppress(OSError):  # it was ended before
            each.shutdown(socket.SHUT_RDWR)
        each.close()
