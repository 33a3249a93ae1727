"""While a teacher saves, others send heads without end, half a request and tokens of nobody: she waits for nobody, and memory stays."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import msgspec
import psycopg
import pytest
from opening_everything import Running, free_port, running
from people import NOW, token_of

from rightlevel.database.server import AttachedServer

pytestmark = pytest.mark.anyio

TEACHER_ADDRESS = "127.0.0.2"
ATTACK_S = 12.0
SAVES = 60
SLOWEST_S = 5.0
"""The slowest answer on a machine that does other things too; it is 0.1 s on one that doesn't."""
GROWTH_BYTES = 40_000_000
HEAD_BYTES = 100_000_000
PIECE = b"x" * 65_536


class Attack(msgspec.Struct):
    """What attackers did, so that a test knows that they did anything."""

    connections: Counter[str] = msgspec.field(default_factory=Counter)
    statuses: Counter[int] = msgspec.field(default_factory=Counter)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "data", free_port()) as opened:
        yield opened


async def one_endless_head(service: Running, attack: Attack) -> None:
    """One header of 100 MB, in pieces, until the door closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    sent = 0
    try:
        writer.write(b"GET /sign-in HTTP/1.1\r\nHost: x\r\nX-Long: ")
        while sent < HEAD_BYTES and not reader.at_eof():
            writer.write(PIECE)
            await writer.drain()
            sent += len(PIECE)
            await asyncio.sleep(0)
        attack.connections["endless head taken whole" if sent >= HEAD_BYTES else "endless head ended"] += 1
    except OSError:
        attack.connections["endless head ended"] += 1
    finally:
        writer.close()


async def one_head_of_many(service: Running, attack: Attack) -> None:
    """A hundred thousand headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write(
            b"GET /sign-in HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"\r\n"
        )
        answer = await asyncio.wait_for(reader.read(64), 20)
        attack.statuses[int(answer.split()[1]) if answer else 0] += 1
    except OSError:
        attack.statuses[0] += 1
    finally:
        writer.close()
    attack.connections["many headers"] += 1


async def half_a_request(service: Running, attack: Attack) -> None:
    """A head that never ends, or a body that never comes, held for as long as the door lets it."""
    kind = attack.connections["half sent"] % 2
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    attack.connections["half sent"] += 1
    try:
        if kind:
            writer.write(b"POST /sign-in HTTP/1.1\r\nHost: x\r\nX-Half: ")
        else:
            writer.write(b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nusername=")
        with suppress(TimeoutError):
            await asyncio.wait_for(reader.read(64), ATTACK_S)
    except OSError:
        attack.connections["half sent, ended"] += 1
    finally:
        writer.close()


async def strangers_token(service: Running, attack: Attack) -> None:
    """A token of nobody, another one for each request."""
    async with httpx.AsyncClient(base_url=service.url, timeout=20) as client:
        for _ in range(50):
            answer = await client.get(
                "/api/v1/results", headers={"authorization": f"Bearer rl_{uuid4().hex}"}
            )
            attack.statuses[answer.status_code] += 1


async def over_and_over(
    deed: Callable[[Running, Attack], Awaitable[None]], service: Running, attack: Attack, until: float
) -> None:
    while time.monotonic() < until:
        try:
            await deed(service, attack)
        except (OSError, httpx.HTTPError, TimeoutError) as refused:
            attack.connections[type(refused).__name__] += 1
            await asyncio.sleep(0.05)


def untested(service: Running) -> tuple[str, int]:
    """A child of the teacher's school without a result, and the open round."""
    with psycopg.connect(AttachedServer(service.folder).conninfo) as connection:
        found = connection.execute(
            "select st.id::text, r.id from student st, round r join school_year y on y.id = r.school_year_id and y.is_current "
            "where st.code = 'A0' and r.state = 'open'"
        ).fetchone()
    assert found is not None
    return found


def saved(service: Running, student: str, round_id: int) -> tuple[int, int]:
    """The version of the child's result, and how many changes of it are kept."""
    with psycopg.connect(AttachedServer(service.folder).conninfo) as connection:
        found = connection.execute(
            "select r.version, (select count(*) from result_change c where c.result_id = r.id) from result r "
            "where r.student_id = %s and r.round_id = %s and r.subject = 'math' and r.deleted_at is null",
            [student, round_id],
        ).fetchone()
    assert found is not None
    return found


async def teach(service: Running, student: str, round_id: int) -> tuple[list[int], list[float]]:
    """Saves one child's result, and changes it again and again: the statuses, and what each took in seconds."""
    statuses: list[int] = []
    took: list[float] = []
    transport = httpx.AsyncHTTPTransport(local_address=TEACHER_ADDRESS)
    headers = {"authorization": f"Bearer {token_of('teacher')}"}
    async with httpx.AsyncClient(
        base_url=service.url, transport=transport, headers=headers, timeout=60
    ) as client:
        for number in range(SAVES):
            body = {
                "id": str(uuid4()),
                "student_id": student,
                "round_id": round_id,
                "subject": "math",
                "tested_on": f"{NOW.date()}",
                "level": ("division", "subtraction")[number % 2],
                "version": number or None,
            }
            began = time.monotonic()
            answer = await client.post("/api/v1/results", json=body)
            took.append(time.monotonic() - began)
            statuses.append(answer.status_code)
            await asyncio.sleep(ATTACK_S / SAVES / 2)
    return statuses, took


@pytest.mark.walk
async def test_a_teacher_saves_while_strangers_attack_the_door(service: Running) -> None:
    student, round_id = untested(service)
    before = service.weight().program
    attack = Attack()
    until = time.monotonic() + ATTACK_S
    deeds = [one_endless_head] * 3 + [one_head_of_many] * 2 + [half_a_request] * 150 + [strangers_token] * 4
    attackers = [asyncio.create_task(over_and_over(deed, service, attack, until)) for deed in deeds]
    heaviest = 0

    async def weigh() -> None:
        nonlocal heaviest
        while time.monotonic() < until:
            heaviest = max(heaviest, (await asyncio.to_thread(service.weight)).program)
            await asyncio.sleep(0.5)

    weighing = asyncio.create_task(weigh())
    await asyncio.sleep(1)
    statuses, took = await teach(service, student, round_id)
    await asyncio.wait([*attackers, weighing], timeout=60)
    for task in attackers:
        task.cancel()
    await asyncio.gather(*attackers, return_exceptions=True)

    assert statuses == [201] + [200] * (SAVES - 1)
    assert max(took) < SLOWEST_S, sorted(took)[-5:]
    assert saved(service, student, round_id) == (SAVES, SAVES - 1)
    assert heaviest - before < GROWTH_BYTES, f"{before / 1e6:.0f} MB before, {heaviest / 1e6:.0f} MB at most"
    assert attack.connections["endless head ended"] > 3
    assert attack.connections["endless head taken whole"] == 0
    assert attack.connections["many headers"] > 3
    assert attack.connections["half sent"] > 100
    assert attack.statuses[401] > 20
    assert attack.statuses[429] > attack.statuses[401], "whoever is nobody is soon counted"
    assert not {200, 500} & set(attack.statuses)
    async with service.client() as client:
        assert (await client.get("/version")).status_code == 200
