"""HTTP/1.1 by hand over a few kept connections: a general client costs more than the deeds that it carries."""

from __future__ import annotations

import asyncio
import json
from typing import Any

TIMEOUT_S = 20.0


class Lost(Exception):
    """No whole answer came; whether the deed was done is not known."""


class Answer:
    """One answer as it came."""

    __slots__ = ("asked", "body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.asked = ""

    def json(self) -> Any:
        """The body as JSON, None when it is empty."""
        return json.loads(self.body) if self.body else None

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def code(self) -> str:
        """The stable code of a refusal, or the status in words."""
        if self.headers.get("content-type", "").startswith("application/problem+json"):
            return str(self.json().get("code", self.status))
        return str(self.status)

    @property
    def is_done(self) -> bool:
        return 200 <= self.status < 400


class Client:
    """Kept connections to the processes that serve. *Errors*: Lost when an answer does not come whole."""

    def __init__(self, ports: list[int]) -> None:
        self.ports = ports
        self._idle: dict[int, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {
            port: [] for port in ports
        }
        self.requests = 0

    async def ask(
        self,
        which: int,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes = b"",
        *,
        forget: bool = False,
        source: str = "",
        port: int | None = None,
    ) -> Answer:
        """Asks one process, of more than two each in turn unless it is named. With `forget` the connection is cut once the request is sent, as a
        phone loses its network."""
        if port is None:
            port = self.ports[(which + 2 * self.requests) % len(self.ports)]
        self.requests += 1
        try:
            answer = await asyncio.wait_for(
                self._ask(port, method, path, headers, body, forget=forget, source=source), TIMEOUT_S
            )
            answer.asked = f"{method} {path}"
            return answer
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
            raise Lost(f"{method} {path}: {error!r}") from error

    async def _ask(
        self,
        port: int,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        *,
        forget: bool,
        source: str,
    ) -> Answer:
        idle = self._idle[port]
        fresh = not idle or bool(source)
        reader, writer = await self._connect(port, source) if fresh else idle.pop()
        head = [
            f"{method} {path} HTTP/1.1",
            "host: simulation",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        if body or method not in ("GET", "DELETE"):
            head.append(f"content-length: {len(body)}")
        writer.write(("\r\n".join(head) + "\r\n\r\n").encode() + body)
        await writer.drain()
        if forget:
            await asyncio.sleep(0)
            writer.close()
            raise Lost("the answer was not waited for")
        try:
            answer, keeps = await _read(reader)
        except BaseException:
            writer.close()
            raise
        if keeps and not source:
            idle.append((reader, writer))
        else:
            writer.close()
        return answer

    async def _connect(self, port: int, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        local = (source, 0) if source else None
        return await asyncio.open_connection("127.0.0.1", port, local_addr=local, limit=8 * 1024 * 1024)

    def forget_connections(self) -> None:
        """Lets go of every kept connection: the process behind them is gone."""
        for idle in self._idle.values():
            for _, writer in idle:
                writer.close()
            idle.clear()


async def _read(reader: asyncio.StreamReader) -> tuple[Answer, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ", 2)[1])
    headers: dict[str, str] = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        name = name.lower()
        if name == "set-cookie" and name in headers:
            headers[name] += "\n" + value.strip()
        elif name:
            headers[name] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        parts: list[bytes] = []
        while True:
            size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
            part = await reader.readexactly(size + 2)
            if not size:
                break
            parts.append(part[:-2])
        body = b"".join(parts)
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        body = b"" if status in (204, 304) else await reader.read()
    keeps = headers.get("connection", "").lower() != "close"
    return Answer(status, headers, body), keeps
