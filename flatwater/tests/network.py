"""What tests look through and cut: a TCP proxy to a unix socket, and a connection that sees what others do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, LiteralString

import psycopg

from flatwater.queries import Query, read_queries


def query(text: str) -> Query:
    """A query as if it came from a file."""
    return read_queries(f"-- name: asked\n-- What this test asks.\n{text}", origin="a test")["asked"]


class Network:
    """Carries bytes both ways until it is told to be silent (nothing arrives, nothing is closed) or to be cut."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._cut_at: bytes | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.connections = 0

    @property
    def conninfo(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable gssencmode=disable"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def fall_silent(self) -> None:
        self._speaks.clear()

    def speak(self) -> None:
        self._speaks.set()

    def cut(self) -> None:
        """Closes every connection there is, as a restarted router does."""
        for writer in list(self._writers):
            writer.transport.abort()

    def cut_at(self, words: bytes) -> None:
        """Carries these words to the server and cuts the connection before the answer."""
        self._cut_at = words

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            beyond_reader, beyond_writer = await asyncio.open_unix_connection(self._socket_path)
        except OSError:
            writer.close()
            self._tasks.discard(task)
            return
        self._writers |= {writer, beyond_writer}
        try:
            await asyncio.gather(
                self._pass_on(reader, beyond_writer, writer), self._pass_on(beyond_reader, writer, None)
            )
        finally:
            for each in (writer, beyond_writer):
                each.transport.abort()
                self._writers.discard(each)
            self._tasks.discard(task)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asker: asyncio.StreamWriter | None
    ) -> None:
        with contextlib.suppress(ConnectionError):
            while content := await reader.read(65_536):
                await self._speaks.wait()
                if asker is not None and self._cut_at is not None and self._cut_at in content:
                    self._cut_at = None
                    asker.transport.abort()
                if writer.is_closing():
                    break
                writer.write(content)
                await writer.drain()
        writer.close()


class Onlooker:
    """Sees what the server does with others' sessions."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.connection = connection

    async def value(self, text: LiteralString, *parameters: object) -> Any:
        cursor = await self.connection.execute(text, parameters)
        row = await cursor.fetchone()
        return row[0] if row else None

    async def sessions(self, name: str) -> list[tuple[str, str]]:
        """State and statement of every session of an application."""
        cursor = await self.connection.execute(
            "select state, query from pg_stat_activity where split_part(application_name, '/', 1) = %s order by backend_start",
            [name],
        )
        return [(state, text) for state, text in await cursor.fetchall()]

    async def wait_until_gone(self, name: str, *, but: int = 0, within_s: float = 3.0) -> None:
        """Until an application has so many sessions; the server takes a moment to end one that was closed."""
        async with asyncio.timeout(within_s):
            while len(await self.sessions(name)) > but:
                await asyncio.sleep(0.005)

    async def running(self, name: str, words: str) -> int:
        """How many sessions of an application are in the middle of a statement with these words."""
        return sum(state == "active" and words in text for state, text in await self.sessions(name))

    async def wait_until_running(
        self, name: str, words: str, *, count: int = 1, within_s: float = 3.0
    ) -> None:
        async with asyncio.timeout(within_s):
            while await self.running(name, words) != count:
                await asyncio.sleep(0.01)
