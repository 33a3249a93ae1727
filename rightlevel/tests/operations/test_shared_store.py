"""A Valkey (or Redis) that two hosts share by one setting: used, killed in use, and used again."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from serving import OneDatabase, Served, serving

from flatwater.clock import StandingClock
from flatwater.rate_limit import RateClass
from rightlevel.assembly import Platform, open_platform
from rightlevel.operations.shared_store import SharedStoreProblem, open_shared_store
from rightlevel.settings import Settings, read_settings
from rightlevel.web.app import build_app

pytestmark = pytest.mark.anyio

PROGRAM = next((found for each in ("valkey-server", "redis-server") if (found := shutil.which(each))), None)
needs_server = pytest.mark.skipif(
    PROGRAM is None,
    reason="neither valkey-server nor redis-server is installed here (Debian: apt-get install redis-server)",
)
FEW = RateClass("few_for_this_test", per_s=0.001, burst=4)


class Store:
    """A server of the test's own on a unix socket, which may be killed and come back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = folder / "s.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        assert PROGRAM is not None
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [PROGRAM, "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self._folder],
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + 20
        while not self.socket.exists():
            assert time.monotonic() < until, "the store did not start"
            time.sleep(0.02)

    async def decisions(self) -> int:
        """How many allowances were decided in it so far."""
        from redis.asyncio import Redis

        async with Redis.from_url(self.url) as client:
            told = await client.info("commandstats")
        return int(told["cmdstat_eval"]["calls"])

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("v"))
    made.start()
    yield made
    made.kill()


class Hosts:
    """Two services over one database and one store."""

    def __init__(self, first: Served, second: Served, platforms: tuple[Platform, Platform]) -> None:
        self.first, self.second = first, second
        self.platforms = platforms

    async def schools_seen(self, host: int) -> httpx.Response:
        async with (self.first, self.second)[host].client("teacher") as client:
            return await client.get("/api/v1/assigned-schools")

    def second_level(self, host: int) -> tuple[int, int]:
        told = self.platforms[host].second_levels[0].statistics()
        return told.hits, told.gone

    def forget_here(self) -> None:
        for each in self.platforms:
            each.scopes.cache.drop_all()


@pytest.fixture
async def hosts(
    new_database: Callable[[], OneDatabase], tmp_path: Path, store: Store
) -> AsyncIterator[Hosts]:
    database = new_database()
    from people import NOW

    async with serving(database, tmp_path / "first", valkey_url=store.url) as first:
        settings = Settings(data_folder=tmp_path / "second", memory_bytes=4_000_000_000, valkey_url=store.url)
        app = build_app(lambda: open_platform(settings, server=database, clock=StandingClock(NOW)))
        async with app.running() as other:
            second = Served(app, first.cast, first.database, database, other)
            yield Hosts(first, second, (first.platform, other))  # type: ignore[attr-defined]


@needs_server
async def test_killed_in_use_it_is_done_without_and_used_again_when_it_is_back(
    hosts: Hosts, store: Store
) -> None:
    assert (await hosts.schools_seen(0)).status_code == 200
    for _ in range(100):  # the first try may be slower than its tenth of a second on a busy machine
        hosts.forget_here()
        assert (await hosts.schools_seen(0)).status_code == 200
        assert (await hosts.schools_seen(1)).status_code == 200
        if hosts.second_level(1)[0]:
            break
    assert hosts.second_level(1)[0] > 0, "what the first host loaded the second found"
    decided = []
    for turn in range(8):
        rates = hosts.platforms[turn % 2].vitals.rates
        decided.append((await rates.decide(FEW, "somebody")).allowed)
    assert sum(decided) == 4, "two hosts count one allowance"
    decided_there = await store.decisions()
    assert (await hosts.schools_seen(0)).status_code == 200
    assert await store.decisions() == decided_there + 1, "a request is counted where all hosts count"

    store.kill()
    hosts.forget_here()
    began = time.monotonic()
    for _ in range(20):
        for host in (0, 1):
            hosts.platforms[host].scopes.cache.drop_all()
            answer = await hosts.schools_seen(host)
            assert answer.status_code == 200, answer.text
    assert time.monotonic() - began < 15
    assert (await hosts.platforms[0].vitals.rates.decide(FEW, "somebody")).allowed, (
        "counted in its own memory now"
    )
    assert hosts.platforms[0].vitals.rates.statistics().failed_open > 0
    assert hosts.second_level(0)[1] > 0

    store.start()
    hits = hosts.second_level(1)[0]
    until = time.monotonic() + 60
    while hosts.second_level(1)[0] == hits:
        assert time.monotonic() < until, "the store is back and nobody uses it"
        hosts.forget_here()
        assert (await hosts.schools_seen(0)).status_code == 200
        assert (await hosts.schools_seen(1)).status_code == 200
        await asyncio.sleep(0.1)
    async with hosts.first.client("admin") as client:
        metrics = (await client.get("/metrics")).text
    assert 'flatwater_second_level_requests_total{cache="assignments",outcome="gone"}' in metrics
    assert 'flatwater_breaker_opened_total{upstream="shared rates"}' in metrics


@needs_server
async def test_what_ended_while_the_store_was_away_is_not_found_in_it_when_it_is_back(
    hosts: Hosts, store: Store
) -> None:
    assert (await hosts.schools_seen(0)).json() == {"school_ids": [hosts.first.cast.school_a]}
    store.kill()
    async with hosts.first.client("coordinator") as client:
        held = await client.get(
            "/api/v1/assignments", params={"person_id": hosts.first.cast.teacher.person_id}
        )
        for each in held.json()["items"]:
            ended = await client.post(f"/api/v1/assignments/{each['id']}/end")
            assert ended.status_code == 200, ended.text
    store.start()
    for _ in range(60):
        for host in (0, 1):
            hosts.platforms[host].scopes.cache.drop_all()
            assert (await hosts.schools_seen(host)).json() == {"school_ids": []}
        await asyncio.sleep(0.05)


async def test_an_address_that_makes_no_sense_is_said_so_without_repeating_it() -> None:
    with pytest.raises(SharedStoreProblem, match="wrong form") as told:
        async with open_shared_store("nonsense://user:hunter2@host"):
            pass
    assert "hunter2" not in str(told.value)


async def test_a_store_that_is_not_there_keeps_nothing_from_starting(
    new_database: Callable[[], OneDatabase], tmp_path: Path
) -> None:
    async with (
        serving(new_database(), tmp_path, valkey_url="unix:///nowhere/at/all.sock") as alone,
        alone.client("teacher") as client,
    ):
        assert (await client.get("/api/v1/assigned-schools")).status_code == 200


def test_the_address_is_one_setting_and_is_never_shown() -> None:
    settings = read_settings({"RIGHTLEVEL_VALKEY_URL": "redis://user:hunter2@host"})
    assert settings.valkey_url == "redis://user:hunter2@host"
    assert "hunter2" not in repr(settings)
