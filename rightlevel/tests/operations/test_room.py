"""Room beside the budget: told as it is, made where it is short, once a minute at most, and never a reason to refuse where nothing can be read."""

from __future__ import annotations

import pytest

from rightlevel.operations.room import FULL_SHARE, Room

pytestmark = pytest.mark.anyio


class Connections:
    def __init__(self) -> None:
        self.renewed = 0
        self.keeps_small = False

    async def renew(self) -> None:
        self.renewed += 1


def room(connections: Connections, *, budget: int, program: int | None) -> Room:
    return Room(budget, lambda: program, connections)


async def test_what_is_free_is_what_program_and_server_leave_of_the_budget() -> None:
    alone = room(Connections(), budget=150, program=100)
    assert alone.free_bytes() == 50


async def test_room_is_made_where_there_is_too_little_and_once_a_minute_at_most() -> None:
    connections = Connections()
    short = room(connections, budget=150, program=140)
    assert await short.make(10) == 10
    assert connections.renewed == 0, "there was enough"
    assert await short.make(11) == 10
    assert await short.make(11) == 10
    await short.look()
    assert (connections.renewed, short.reliefs) == (1, 1)
    assert await short.make(11, every_s=0.0) == 10, "who waits for it is not held up for as long as nobody is"
    assert connections.renewed == 2


async def test_near_the_budget_it_is_made_before_anybody_asks() -> None:
    for program, renewed in ((1_000 * FULL_SHARE - 1, 0), (1_000 * FULL_SHARE + 1, 1)):
        connections = Connections()
        await room(connections, budget=1_000, program=int(program)).look()
        assert connections.renewed == renewed


async def test_where_memory_can_not_be_read_nothing_is_known_and_nothing_done() -> None:
    connections = Connections()
    blind = room(connections, budget=150, program=None)
    assert await blind.make(10**9) is None
    assert connections.renewed == 0


async def test_what_works_beside_counts_from_the_moment_it_was_granted() -> None:
    connections = Connections()
    shared = room(connections, budget=150, program=50)
    async with shared.beside(30, 60) as first:
        assert first == 60
        assert connections.keeps_small, "what was granted is not taken by connections that grow meanwhile"
        assert shared.free_bytes() == 40
        async with shared.beside(70) as second:
            assert second == 40, "less than it asked for, and it says whether it goes on"
            assert shared.free_bytes() == -30, "as who goes on all the same takes what it takes"
        assert shared.free_bytes() == 40
        assert connections.keeps_small
    assert not connections.keeps_small
    assert shared.free_bytes() == 100
    with pytest.raises(ZeroDivisionError):
        async with shared.beside(30):
            raise ZeroDivisionError
    assert shared.free_bytes() == 100
