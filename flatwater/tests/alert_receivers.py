"""A real HTTP server and a real SMTP server to which alerts are sent, with moods of their own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Self


class Receiver:
    """Listens on a free port and serves one connection after another with `serve`, in a thread, until it is left."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open[:] = [connection]
            with connection, contextlib.suppress(OSError, ssl.SSLError):
                self._serve(connection)


class WebhookServer(Receiver):
    """Answers with the statuses it was given, then with 204; keeps what it was sent."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(self._answer)
        self.statuses = list(statuses)
        self.received: list[tuple[str, bytes]] = []

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            head = b"".join(iter(stream.readline, b"\r\n")).decode()
            length = next(
                int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:")
            )
            self.received.append((head, stream.read(length)))
        status = self.statuses.pop(0) if self.statuses else 204
        location = "Location: http://127.0.0.1:1/\r\n" if 300 <= status < 400 else ""
        connection.sendall(f"HTTP/1.1 {status} So\r\n{location}Content-Length: 0\r\n\r\n".encode())


class SmtpServer(Receiver):
    """Speaks enough SMTP for a client to leave mail, with STARTTLS and a password where it has a certificate."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, refuses: bytes | None = None) -> None:
        super().__init__(self._speak)
        self._tls = tls
        self._refuses = refuses
        self.mails: list[bytes] = []
        self.said: list[str] = []

    def _speak(self, connection: socket.socket) -> None:
        connection.sendall(b"220 here\r\n")
        if self._dialogue(connection, offers_tls=self._tls is not None) and self._tls is not None:
            with self._tls.wrap_socket(connection, server_side=True) as secured:
                self._dialogue(secured, offers_tls=False)

    def _dialogue(self, connection: socket.socket, *, offers_tls: bool) -> bool:
        """Whether the client wants TLS now."""
        for line in _lines(connection):
            self.said.append(line)
            verb = line.split(" ")[0].upper()
            if verb == "EHLO":
                connection.sendall(
                    b"250-here\r\n250 STARTTLS\r\n" if offers_tls else b"250-here\r\n250 AUTH PLAIN\r\n"
                )
            elif verb == "STARTTLS":
                connection.sendall(b"220 go on\r\n")
                return True
            elif verb == "AUTH":
                connection.sendall(self._refuses or b"235 welcome\r\n")
            elif verb == "DATA":
                connection.sendall(b"354 go on\r\n")
                self.mails.append("\n".join(iter(_lines(connection).__next__, ".")).encode())
                connection.sendall(b"250 taken\r\n")
            elif verb == "QUIT":
                connection.sendall(b"221 bye\r\n")
                return False
            else:
                connection.sendall(b"250 yes\r\n")
        return False


def _lines(connection: socket.socket) -> Iterator[str]:
    """Lines as they come; byte by byte, so that nothing of a TLS greeting is read with the line before it."""
    line = b""
    while byte := connection.recv(1):
        line += byte
        if line.endswith(b"\r\n"):
            yield line[:-2].decode()
            line = b""
