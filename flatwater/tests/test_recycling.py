"""A process that has grown too large is replaced by a fresh one, seldom, loudly, and without losing a request."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from datetime import UTC, datetime

import pytest
from network import Onlooker
from served_clients import Client, free_port, served

from flatwater.clock import StandingClock
from flatwater.monitors.endpoints import EndpointStanding
from flatwater.recycling import LISTENER_VARIABLE, RECYCLED_VARIABLE, Recycler, listening_socket, reexecute

pytestmark = pytest.mark.anyio
CRITICAL = 1_000_000


@pytest.fixture
def clock() -> StandingClock:
    clock = StandingClock(datetime(2026, 11, 23, tzinfo=UTC))
    clock.advance(10_000)
    return clock


def test_only_memory_that_stays_above_the_critical_level_recycles(clock: StandingClock) -> None:
    recycler = Recycler(CRITICAL, clock)
    for memory_bytes in [CRITICAL + 1] * 5 + [CRITICAL] + [CRITICAL + 1] * 5 + [None]:
        assert not recycler.see(memory_bytes)
    assert recycler.see(CRITICAL + 1)
    assert recycler.wanted.is_set()
    assert recycler.recycled == 1


def test_turning_away_for_a_minute_ends_with_a_fresh_process(clock: StandingClock) -> None:
    """By the same measure that turns away: there is no level at which one is shut for ever and the other sees nothing."""
    recycler = Recycler(CRITICAL, clock)
    for short_s in range(0, 60, 5):
        assert not recycler.see(round(CRITICAL * 0.93), memory_short_s=short_s)
    assert recycler.see(round(CRITICAL * 0.93), memory_short_s=60.0)
    assert recycler.wanted.is_set()


def test_it_waits_for_work_that_would_be_lost_but_not_for_ever(clock: StandingClock) -> None:
    busy = [True]
    recycler = Recycler(CRITICAL, clock, samples=1, is_busy=lambda: busy[0])
    assert not recycler.see(2 * CRITICAL)
    busy[0] = False
    assert recycler.see(2 * CRITICAL)
    forever = Recycler(CRITICAL, clock, samples=1, is_busy=lambda: True)
    for _ in range(10):
        assert not forever.see(2 * CRITICAL)
        clock.advance(59)
    clock.advance(59)
    assert forever.see(2 * CRITICAL)


def test_it_is_logged_as_a_defect_with_what_grew(
    clock: StandingClock, caplog: pytest.LogCaptureFixture
) -> None:
    grown = [EndpointStanding("export", 1_000, 10, 50.0, 1, 0), EndpointStanding("steady", 9, 9, 0.0, 1, 0)]
    Recycler(CRITICAL, clock, samples=1, grown=lambda: grown).see(2 * CRITICAL)
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "defect" in record.getMessage()
    assert "export about 3,200,000 bytes" in record.getMessage()
    assert "steady" not in record.getMessage()


def test_ten_times_the_samples_recycle_once_in_ten_minutes_even_across_the_recycling(
    clock: StandingClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first = Recycler(CRITICAL, clock)
    for _ in range(60):
        first.see(2 * CRITICAL)
    assert first.recycled == 1
    monkeypatch.setenv(RECYCLED_VARIABLE, first.mark)
    caplog.clear()
    second = Recycler(CRITICAL, clock)
    for _ in range(60):
        clock.advance(5)
        assert not second.see(2 * CRITICAL)
    assert len(caplog.records) == 1
    clock.advance(300)
    assert second.see(2 * CRITICAL)
    assert second.recycled == 2


def test_a_listener_is_inherited_only_by_the_process_it_is_meant_for(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with listening_socket("127.0.0.1", port) as made:
        os.set_inheritable(made.fileno(), True)
        handed = os.dup(made.fileno())
        monkeypatch.setenv(LISTENER_VARIABLE, f"{handed}:{os.getpid()}")
        with listening_socket("127.0.0.1", port) as taken:
            assert taken.getsockname() == made.getsockname()
            assert not taken.get_inheritable()
        assert LISTENER_VARIABLE not in os.environ
        monkeypatch.setenv(LISTENER_VARIABLE, f"{made.fileno()}:{os.getpid() + 1}")
        with pytest.raises(OSError, match="in use"):
            listening_socket("127.0.0.1", port)


def test_a_program_that_cannot_start_again_leaves_the_listener_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    with listening_socket("127.0.0.1", free_port()) as listener:
        with pytest.raises(FileNotFoundError):
            reexecute(listener)
        assert not listener.get_inheritable()
        assert LISTENER_VARIABLE not in os.environ
        with socket.create_connection(listener.getsockname()):
            pass


async def test_three_recyclings_under_load_lose_no_request(conninfo: str, onlooker: Onlooker) -> None:
    async with served(conninfo) as running:
        lives: list[bytes] = []
        asked = answered = 0
        is_over = False

        async def keeps_asking(path: str) -> None:
            nonlocal asked, answered
            async with Client(running.port) as client:
                while not is_over:
                    asked += 1
                    reply = await client.get(path)  # a lost or refused request raises, and the test fails
                    assert reply.status == 200
                    answered += 1
                    if reply.content not in lives:
                        lives.append(reply.content)

        async def recycles(times: int) -> None:
            nonlocal is_over
            await asyncio.sleep(0.2)
            for life in range(times):
                async with Client(running.port) as client:
                    await client.get("/recycle")
                await running.ready()
                async with asyncio.timeout(10):
                    while len(lives) < life + 2:
                        await asyncio.sleep(0.02)
            is_over = True

        async with asyncio.TaskGroup() as group:
            for number in range(16):
                group.create_task(keeps_asking("/wait/0.02" if number % 4 == 0 else "/"))
            group.create_task(recycles(3))
        assert len(lives) == 4
        assert asked == answered > 100
        held = await onlooker.value(
            "select count(*) from pg_stat_activity where starts_with(application_name, 'served')"
        )
        assert int(held) <= 4  # of one life only
        running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await running.process.wait() == 0
        assert (await running.errors()).count("defect") == 3
