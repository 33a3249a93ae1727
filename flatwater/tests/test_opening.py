"""Opening a Database that can't be reached: the cause is said at once, what to set is said, and the password never is."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from running_server import RunningServer

from flatwater.errors import DatabaseUnavailable
from flatwater.pool import Database, Limits, LimitsNotHeld
from flatwater.refusals import refusal_of

pytestmark = pytest.mark.anyio

PASSWORD = "pa55word-of-somebody"


@pytest.fixture(scope="module")
def asking() -> Iterator[RunningServer]:
    """A server that asks for passwords."""
    running = RunningServer()
    hba = running._cluster / "pg_hba.conf"  # pyright: ignore[reportPrivateUsage]
    hba.write_text("local all postgres trust\nlocal all locked_out reject\nlocal all all scram-sha-256\n")
    running.start()
    with psycopg.connect(running.conninfo, autocommit=True) as connection:
        connection.execute(f"create role app login password '{PASSWORD}'")
        connection.execute("create role locked_out login")
    yield running
    running.remove()


async def cause_of(conninfo: str, **more: object) -> str:
    """What opening says, looked for in everything that a log would print of it."""
    began = time.monotonic()
    with pytest.raises((DatabaseUnavailable, LimitsNotHeld)) as raised:
        await Database(conninfo, **more).open()  # type: ignore[arg-type]
    assert time.monotonic() - began < 2, "it is said at once, not when five seconds are over"
    printed = "".join(traceback.format_exception(raised.value))
    assert PASSWORD not in printed
    assert "wrong-pa55" not in printed
    return str(raised.value)


async def test_a_wrong_password_is_said_at_once(asking: RunningServer) -> None:
    folder = Path(asking.socket_path).parent
    said = await cause_of(f"postgresql+asyncpg://app:wrong-pa55@/postgres?host={folder}")
    assert "password or the user's name is wrong" in said
    assert '"app"' in said


async def test_a_missing_password_is_said_at_once(asking: RunningServer) -> None:
    folder = Path(asking.socket_path).parent
    assert "none was given" in await cause_of(f"host={folder} user=app dbname=postgres")


async def test_a_user_that_is_kept_out_is_told_from_a_wrong_password(asking: RunningServer) -> None:
    folder = Path(asking.socket_path).parent
    assert "pg_hba.conf" in await cause_of(f"host={folder} user=locked_out dbname=postgres")


async def test_a_wrong_database_is_said_at_once(asking: RunningServer) -> None:
    folder = Path(asking.socket_path).parent
    said = await cause_of(f"host={folder} user=app dbname=nowhere password={PASSWORD}")
    assert "no database of this name" in said


async def test_the_right_password_opens(asking: RunningServer) -> None:
    folder = Path(asking.socket_path).parent
    async with Database(f"host={folder} user=app dbname=postgres password={PASSWORD}") as opened:
        assert opened.statistics().connections == 1


async def test_a_wrong_host_is_said_at_once() -> None:
    said = await cause_of(f"postgresql://app:{PASSWORD}@no-such-host.invalid/shop")
    assert "host's name is not known" in said


async def test_an_address_where_nobody_answers_is_said_when_its_time_is_over(tmp_path: Path) -> None:
    said = await cause_of(f"host={tmp_path} dbname=x password={PASSWORD}", limits=Limits(connect_s=0.3))
    assert "Nobody answers" in said


async def test_a_server_that_starts_meanwhile_is_waited_for() -> None:
    running = RunningServer()
    try:
        opening = asyncio.create_task(Database(running.conninfo, limits=Limits(connect_s=10)).open())
        await asyncio.sleep(0.3)
        assert not opening.done()
        await asyncio.to_thread(running.start)
        await opening
    finally:
        running.remove()


@asynccontextmanager
async def _pooler_that_refuses_options() -> AsyncIterator[str]:
    """Says what PgBouncer says to a session that brings `options`. *Source*: PgBouncer 1.x, "unsupported startup parameter: options"."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(4))
        rest = await reader.readexactly(length - 4)
        if rest[:4] in {b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30"}:  # asks for TLS or GSS first
            writer.write(b"N")
            length = int.from_bytes(await reader.readexactly(4))
            rest = await reader.readexactly(length - 4)
        assert b"options" in rest
        fields = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"
        writer.write(b"E" + (len(fields) + 4).to_bytes(4) + fields)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"host=127.0.0.1 port={server.sockets[0].getsockname()[1]} dbname=x user=y password={PASSWORD} gssencmode=disable"


async def test_a_pooler_that_refuses_options_is_named_with_what_to_set() -> None:
    async with _pooler_that_refuses_options() as conninfo:
        said = await cause_of(conninfo)
    assert "pooler=True" in said
    assert "ignore_startup_parameters" in said


async def test_nothing_that_is_logged_on_the_way_holds_the_password(
    asking: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    folder = Path(asking.socket_path).parent
    await cause_of(f"host={folder} user=app dbname=postgres password=wrong-pa55")
    assert "wrong-pa55" not in caplog.text


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ("FATAL:  sorry, too many clients already", True),
        ("FATAL:  the database system is starting up", True),
        ("FATAL:  mot de passe invalide", True),
        ("server does not support SSL, but SSL was required", False),
    ],
)
def test_what_passes_is_waited_for_and_what_does_not_is_not(said: str, passes: bool) -> None:
    refusal = refusal_of(psycopg.OperationalError(f"{said} pw={PASSWORD}"), f"host=x password={PASSWORD}")
    assert refusal.passes == passes
    assert PASSWORD not in refusal.sentence


Printing = Callable[[Database], str]


@pytest.mark.parametrize("printing", [repr, str, lambda database: repr(vars(database).get("limits"))])
def test_a_database_that_is_printed_shows_no_password(printing: Printing) -> None:
    assert PASSWORD not in printing(Database(f"postgresql+psycopg://app:{PASSWORD}@localhost/shop"))
