"""Several hosts on one database: each is known to the others, one of them tells and sweeps, and four that rest are no alarm."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
from people import NOW, make_cast
from serving import OneDatabase

from flatwater.alerts import Alert, Delivery
from flatwater.clock import StandingClock
from flatwater.pool import Database
from rightlevel.assembly import Platform, open_platform
from rightlevel.operations import hosts as hosts_of
from rightlevel.operations.health import read_health
from rightlevel.operations.hosts import (
    ALONE_AFTER_S,
    BEYOND_MEASURE,
    FilesElsewhere,
    HeardInTwoWays,
    Hosts,
    levels_of_all,
    list_hosts,
)
from rightlevel.operations.readings import Activity, Reading, Readings
from rightlevel.operations.watch import OneVoice
from rightlevel.programme.photos import FolderStore
from rightlevel.settings import Settings

pytestmark = pytest.mark.anyio

WELL = Reading(None, False, "", 0.01, 80_000_000, None, {"memory_bytes": 80e6, "cache_hit_rate": 0.9})


class Told(Delivery):
    """Keeps what it is to deliver."""

    def __init__(self) -> None:
        super().__init__([])
        self.alerts: list[Alert] = []

    def tell(self, alert: Alert) -> None:
        self.alerts.append(alert)


class Seen(Readings):
    """Sees what it is told to see."""

    def __init__(self, levels: dict[str, float | None]) -> None:
        self.seen = levels
        self.latest = None

    async def take(self) -> Reading:
        self.latest = msgspec.structs.replace(WELL, levels=self.seen)
        return self.latest


@pytest.fixture
async def database(new_database: Callable[[], OneDatabase]) -> AsyncIterator[Database]:
    async with Database(new_database().conninfo) as opened:
        yield opened


def sees(*, memory_bytes: float = 80e6, connections: float = 4) -> dict[str, float | None]:
    return (
        {"memory_bytes": memory_bytes, "connections": connections, "query_p95_s": 0.01}
        | dict.fromkeys(
            (
                "rate_limit_rows",
                "idle_connections",
                "longest_statement_s",
                "idle_in_transaction",
                "turning_away_s",
            ),
            0.0,
        )
        | {"cache_hit_rate": None}
    )


async def age(database: Database, host: Hosts, by: str) -> None:
    """Lets a host have said its last word, and stood for its last election, so long ago."""
    async with database.transaction(deadline_s=5) as session:
        await session.connection.execute(
            "update host_standing set told_at = told_at - %s::interval where id = %s", [by, host.id]
        )
        await session.connection.execute(
            "update election set until_at = until_at - %s::interval where host_id = %s", [by, host.id]
        )


async def test_one_of_several_hosts_is_elected_and_another_follows_when_it_ends_in_order_or_falls_silent(
    database: Database,
) -> None:
    clock = StandingClock(NOW)
    hosts = [Hosts(database, clock, port=port) for port in (8001, 8002, 8003)]
    for each in hosts:
        await each.arrive()
    assert [each.is_elected for each in hosts] == [True, False, False]
    assert [len(each.known) for each in hosts] == [1, 2, 3]
    first, second, third = hosts
    await first.leave()
    await second.tell(WELL)
    await third.tell(WELL)
    assert [each.is_elected for each in hosts] == [False, True, False]
    await age(database, second, "50 seconds")
    await third.tell(WELL)
    assert third.is_elected, "nobody heard of the second for longer than it was elected"
    await second.tell(WELL)
    assert not second.is_elected, "it comes back and is told that another is"


async def test_who_comes_in_a_killed_hosts_place_knows_whom_it_follows(database: Database) -> None:
    killed, other = (Hosts(database, StandingClock(NOW), port=port) for port in (8001, 8002))
    await killed.arrive()
    await other.arrive()
    follows = Hosts(database, StandingClock(NOW), port=8001)
    await follows.arrive()
    assert (killed.predecessors, other.predecessors, follows.predecessors) == ((), (), (killed.id,))


async def test_a_host_is_told_as_its_health_says_and_beyond_measure_is_the_worst(database: Database) -> None:
    first, second = (Hosts(database, StandingClock(NOW), port=port) for port in (8001, 8002))
    await first.arrive()
    await second.arrive()
    looked = msgspec.structs.replace(WELL, activity=Activity(3, 2, 0, 0.0), levels=sees())
    await first.tell(looked)
    slow = msgspec.structs.replace(looked, levels={**sees(), "query_p95_s": math.inf})
    hosts = await second.tell(slow)
    assert {each.name: each.verdict for each in hosts} == {first.name: "ok", second.name: "critical"}
    assert levels_of_all(looked, hosts)["query_p95_s"] == BEYOND_MEASURE
    (blind, _) = await first.tell(WELL)
    assert blind.verdict == "not_examined"


async def test_hosts_that_arrive_together_elect_one(database: Database) -> None:
    hosts = [Hosts(database, StandingClock(NOW), port=port) for port in range(8001, 8007)]
    await asyncio.gather(*(each.arrive() for each in hosts))
    assert sum(each.is_elected for each in hosts) == 1
    assert sorted(len(each.known) for each in hosts) == [1, 2, 3, 4, 5, 6]


async def test_a_silent_host_is_shown_as_silent_and_forgotten_after_a_day_with_its_sign(
    database: Database, tmp_path: Path
) -> None:
    photos = FolderStore(tmp_path)
    here, gone = (Hosts(database, StandingClock(NOW), port=port, signs=(photos,)) for port in (8001, 8002))
    await here.arrive()
    await gone.arrive()
    await age(database, gone, "2 minutes")
    assert [each.name for each in await here.tell(WELL)] == [here.name]
    async with database.read(deadline_s=5) as session:
        shown = await list_hosts(session)
    assert {each.name: each.is_alive for each in shown} == {here.name: True, gone.name: False}
    await age(database, gone, "25 hours")
    await here.forget_silent()
    async with database.read(deadline_s=5) as session:
        assert [each.id for each in await list_hosts(session)] == [here.id]
    assert [each.name for each in (tmp_path / "hosts").iterdir()] == [here.id]
    await here.leave()
    assert list((tmp_path / "hosts").iterdir()) == []


async def test_a_host_that_slept_for_a_day_and_was_forgotten_leaves_its_sign_anew(
    database: Database, tmp_path: Path
) -> None:
    """As long as its sign was gone, no host that came after it was let in."""
    photos = FolderStore(tmp_path)
    here, slept, new = (
        Hosts(database, StandingClock(NOW), port=port, signs=(photos,)) for port in (8001, 8002, 8003)
    )
    await here.arrive()
    await slept.arrive()
    await age(database, slept, "25 hours")
    await here.forget_silent()
    assert not (tmp_path / "hosts" / slept.id).exists()
    await slept.tell(WELL)
    await new.arrive()
    assert {each.name for each in await here.tell(WELL)} == {here.name, slept.name, new.name}


async def test_a_host_whose_files_lie_elsewhere_does_not_start_beside_others(
    database: Database, tmp_path: Path
) -> None:
    clock = StandingClock(NOW)
    shared, own = FolderStore(tmp_path / "shared"), FolderStore(tmp_path / "own")
    first = Hosts(database, clock, port=8001, signs=(shared,))
    await first.arrive()
    await Hosts(database, clock, port=8002, signs=(shared,)).arrive()
    stranger = Hosts(database, clock, port=8003, signs=(own,))
    with pytest.raises(FilesElsewhere, match="RIGHTLEVEL_FILES_FOLDER"):
        await stranger.arrive()
    assert len(await first.tell(WELL)) == 2, "nothing is left of it"
    assert list((tmp_path / "own" / "hosts").iterdir()) == []


class Hangs(FolderStore):
    """A folder of another machine that is gone: it answers nothing."""

    async def put(self, name: str, content: bytes) -> None:
        await asyncio.sleep(3_600)

    get = remove = put  # type: ignore[assignment]


async def test_a_folder_that_hangs_or_takes_nothing_stops_no_host_and_is_known(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosts_of, "SIGN_S", 0.1)
    well = Hosts(database, StandingClock(NOW), port=8001, signs=(FolderStore(tmp_path / "files"),))
    await well.arrive()
    (tmp_path / "file").write_text("no folder")
    for port, store in ((8002, Hangs(tmp_path)), (8003, FolderStore(tmp_path / "file"))):
        ill = Hosts(database, StandingClock(NOW), port=port, signs=(store,))
        await ill.arrive()
        assert not ill.has_sign
    assert [each.has_sign for each in await well.tell(WELL)] == [True, False, False]


async def test_two_hosts_with_files_in_two_places_that_arrive_together_are_never_both_let_in(
    database: Database, tmp_path: Path
) -> None:
    async def arrives(number: int) -> bool:
        signs = FolderStore(tmp_path / str(number))
        try:
            await Hosts(database, StandingClock(NOW), port=8000 + number, signs=(signs,)).arrive()
        except FilesElsewhere:
            return False
        return True

    assert sum(await asyncio.gather(*(arrives(number) for number in range(5)))) == 1


async def test_an_alert_comes_from_one_host_and_names_where_it_is(database: Database) -> None:
    clock = StandingClock(NOW)
    hosts = [Hosts(database, clock, port=port) for port in (8001, 8002, 8003, 8004)]
    seen = [Seen(sees()) for _ in hosts]
    told = [Told() for _ in hosts]
    voices = [OneVoice(*each, clock) for each in zip(seen, hosts, told, strict=True)]
    for each in hosts:
        await each.arrive()

    async def looks(times: int, *, without: int | None = None) -> None:
        for _ in range(times):
            for number, voice in enumerate(voices):
                if number != without:
                    await voice.turn()
            clock.advance(15)

    seen[2].seen = sees(memory_bytes=1.5e9)
    await looks(6)
    assert [len(each.alerts) for each in told] == [1, 0, 0, 0]
    (alert,) = told[0].alerts
    assert (alert.name, alert.kind) == ("memory_bytes", "raised")
    assert alert.sentence.endswith(f"On {hosts[2].name}.")
    for each in seen:
        each.seen = sees(connections=9) | {"memory_bytes": each.seen["memory_bytes"]}
    await looks(4)
    assert [(each.name, each.kind) for each in told[0].alerts[1:]] == [("connections", "raised")]
    assert "On " not in told[0].alerts[1].sentence, "connections are the database's"
    await age(database, hosts[0], "2 minutes")
    await looks(2, without=0)
    assert {(each.name, each.kind) for each in told[1].alerts} == {
        ("memory_bytes", "reminder"),
        ("connections", "reminder"),
    }, "who follows tells what stands, for nobody knows whether the one that is gone still did"
    for each in seen:
        each.seen = sees()
    await looks(6, without=0)
    assert {(each.name, each.kind) for each in told[1].alerts[2:]} == {
        ("memory_bytes", "cleared"),
        ("connections", "cleared"),
    }
    assert [len(each.alerts) for each in told] == [2, 4, 0, 0]


async def test_while_the_database_is_away_whoever_was_elected_tells_and_after_five_minutes_everybody(
    database: Database,
) -> None:
    clock = StandingClock(NOW)
    first, second = (Hosts(database, clock, port=port) for port in (8001, 8002))
    await first.arrive()
    await second.arrive()
    clock.advance(ALONE_AFTER_S - 1)
    assert (first.is_elected, second.is_elected) == (True, False)
    clock.advance(2)
    assert (first.is_elected, second.is_elected) == (True, True)
    await first.tell(WELL)
    await second.tell(WELL)
    assert (first.is_elected, second.is_elected) == (True, False)


async def test_four_resting_hosts_are_well(new_database: Callable[[], OneDatabase], tmp_path: Path) -> None:
    database = new_database()
    async with AsyncExitStack() as opened:
        platforms: list[Platform] = []
        for number in range(4):
            settings = Settings(
                data_folder=tmp_path / str(number), memory_bytes=4_000_000_000, port=8001 + number
            )
            platforms.append(await opened.enter_async_context(open_platform(settings, server=database)))
        for each in platforms:  # each with all the connections that it ever has
            await asyncio.gather(*(_hold(each.database) for _ in range(3)))
        fresh = [Readings(each.database, database, (), each.vitals.memory, lambda: 0.0) for each in platforms]
        health = [
            await read_health(each.database, readings, each.settings.memory_bytes)
            for each, readings in zip(platforms, fresh, strict=True)
        ]
        assert {each.hosts for each in health} == {4}
        assert {each.status for each in health} == {"ok"}, [each.notes for each in health]
        assert [each.hosts.is_elected for each in platforms] == [True, False, False, False]
        total = health[-1].connections or 0
        assert total >= 12, "more than one host may have without an alarm"
        assert fresh[-1].latest is not None
        assert fresh[-1].latest.levels["connections"] == total / 4


class Elsewhere(OneDatabase, frozen=True):
    """A server that somebody else runs."""

    is_private: bool = False


async def test_behind_a_pooler_a_host_works_hears_the_others_and_is_not_beside_one_that_would_not_hear_it(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    one = new_database()
    database = Elsewhere(one.conninfo, one.service_conninfo, one.process_ids_of)

    def settings(number: int, **more: Any) -> Settings:
        return Settings(
            data_folder=tmp_path / str(number), memory_bytes=4_000_000_000, port=8000 + number, **more
        )

    shared = str(tmp_path / "photos")
    async with AsyncExitStack() as opened:
        # The server itself stands where the pooler would: what is set is set by each transaction, and nothing is heard by NOTIFY.
        first, second = [
            await opened.enter_async_context(
                open_platform(settings(number, pooler="plain", files_folder=shared), server=database)
            )
            for number in (1, 2)
        ]
        async with first.database.transaction(deadline_s=10) as session:
            cast = await make_cast(session)
        assert await _held(second, cast.teacher.person_id) == 2
        async with first.database.transaction(deadline_s=10) as session:
            await session.connection.execute("delete from assignment")
            session.invalidate(second.scopes.cache.name)
        async with asyncio.timeout(5):
            while await _held(second, cast.teacher.person_id):
                await asyncio.sleep(0.05)
        assert [len(each.hosts.known) for each in (first, second)] == [1, 2]
        with pytest.raises(HeardInTwoWays, match="RIGHTLEVEL_POOLER"):
            async with open_platform(settings(3, files_folder=shared), server=database):
                raise AssertionError
        with pytest.raises(FilesElsewhere):
            async with open_platform(settings(4, pooler="plain"), server=database):
                raise AssertionError
        health = await read_health(second.database, second.readings, second.settings.memory_bytes)
        assert (health.status, health.hosts) == ("ok", 2), health.notes


async def _held(platform: Platform, person_id: int) -> int:
    """How much this host believes to be assigned to somebody."""
    async with platform.database.read(deadline_s=5) as session:
        return len(await platform.scopes.held_by(session, person_id))


async def _hold(database: Database) -> None:
    async with database.read(deadline_s=5):
        await asyncio.sleep(0.05)
