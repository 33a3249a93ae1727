"""Starting the served program, and clients that keep their connection until they are told to close it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROGRAM = Path(__file__).with_name("served_program.py")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Served:
    process: asyncio.subprocess.Process
    port: int

    async def ready(self) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            assert (await self.process.stdout.readline()).strip() == b"ready"

    async def errors(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()


@asynccontextmanager
async def served(conninfo: str, *, drain_s: float = 10.0) -> AsyncIterator[Served]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROGRAM),
        str(port),
        conninfo,
        str(drain_s),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ},
    )
    try:
        running = Served(process, port)
        await running.ready()
        yield running
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    content: bytes


class Client:
    """One connection at a time, kept until an answer says close; what goes wrong goes up.

    `answers` came on the connection that is open now.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.answers = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def get(self, path: str, *, pause_s: float = 0.0) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            self.answers = 0
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode())
        await writer.drain()
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            # Closed in order with nothing said: what a reset says of a request that was on its way in.
            raise ConnectionResetError("closed before an answer began") from error
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in head[1:-2])}
        await asyncio.sleep(pause_s)
        content = await reader.readexactly(int(headers["content-length"]))
        self.answers += 1
        if headers.get("connection") == "close":
            await self._close()
        return Reply(int(head[0].split()[1]), headers, content)

    async def _close(self) -> None:
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            self.answers = 0
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
