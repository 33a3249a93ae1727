"""Small worlds in which flatwater's machinery meets delays, errors, cancellations and lost messages, and what must hold in each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any
from unittest.mock import patch

import msgspec
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout as DriverTimeout
from psycopg_pool import TooManyRequests
from simulated_loop import SimulatedClock, SimulatedLoop

from flatwater import transaction
from flatwater.announcing import Drop
from flatwater.cache import Cache
from flatwater.circuit_breaker import CircuitBreaker
from flatwater.errors import Refused
from flatwater.invalidation import TRUST_S, Invalidation
from flatwater.pool import Database, Limits
from flatwater.rate_limit import MemoryRateLimiter, RateClass
from flatwater.retry_budget import MOST, PER_S, SHARE, RetryBudget
from flatwater.supervisor import LONGEST_BACK_OFF_S, Supervisor
from flatwater.transaction import Session
from flatwater.valkey import SharedCache


class Broken(AssertionError):
    """Something that must hold did not."""


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)


KEYS = ("a", "b", "c")
LONGEST_DELIVERY_S = 0.5
HEARTBEAT_S = 1.0


class FakeDatabase:
    """Versions of a few keys, loads of them that take a while or fail, and commits told to every ear, some of them lost."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.loop = loop
        self.clock = SimulatedClock(loop)
        self.version = dict.fromkeys(KEYS, 0)
        self.committed_at: dict[str, list[tuple[float, int]]] = {key: [(0.0, 0)] for key in KEYS}
        self.ears: list[Ear] = []
        self.announcer = self

    way = "notify"
    apply: Any = None
    told = collapsed = 0

    async def load(self, key: str) -> tuple[str, int]:
        """What is committed at some moment during the load."""
        await asyncio.sleep(self.loop.random.choice((0, 0.001, 0.05, 0.3)))
        if self.loop.random.random() < 0.1:
            raise OSError("a load that fails")
        seen = self.version[key]
        await asyncio.sleep(self.loop.random.choice((0, 0.001, 0.1)))
        return key, seen

    def commit(self, key: str) -> None:
        self.version[key] += 1
        self.committed_at[key].append((self.loop.time(), self.version[key]))
        self.loop.note("commit", key, self.version[key])
        for ear in self.ears:
            ear.send(key, self.version[key])

    def version_at(self, key: str, moment: float) -> int:
        return max((version for at, version in self.committed_at[key] if at <= moment), default=0)


class Ear(Invalidation):
    """flatwater's own hearing, over a line that may be slow and may break: what is said meanwhile is then lost."""

    def __init__(self, database: FakeDatabase, name: str) -> None:
        super().__init__(database, supervisor=Supervisor(database.clock))  # type: ignore[arg-type]
        self._random = random.Random(database.loop.random.random())
        self.world = database
        self.name = name
        self.is_up = True
        self.inbox: list[tuple[str, str, int]] = []
        self.applied = dict.fromkeys(KEYS, 0)
        self.something = asyncio.Event()

    def send(self, key: str, version: int) -> None:
        if not self.is_up:
            return
        delay_s = self.world.loop.random.choice((0.0, 0.01, LONGEST_DELIVERY_S))
        self.world.loop.call_later(delay_s, self._arrive, key, version)

    def _arrive(self, key: str, version: int) -> None:
        if self.is_up:
            self.inbox.append(
                (msgspec.json.encode([Drop("things", "tag", f"tag:{key}")]).decode(), key, version)
            )
            self.something.set()

    async def _keep(self, loop: Any, hear: Any) -> None:
        loop._random = self._random  # what spreads its pauses is drawn from the seed too
        await super()._keep(loop, hear)

    async def _listen(self, loop: Any) -> None:
        listening = False
        while True:
            sent = self.world.clock.monotonic()
            await asyncio.sleep(0.01)
            if not self.is_up:
                raise OSError("the line broke")
            if not listening:
                self._forget_all()
                listening = True
                for (
                    key
                ) in KEYS:  # a fresh ear has forgotten everything, so it is as if it had heard everything
                    self.applied[key] = max(self.applied[key], self.world.version_at(key, sent))
            heard, self.inbox = self.inbox, []
            for payload, key, version in heard:
                self._hear(payload)
                self.applied[key] = max(self.applied[key], version)
            self._trust(sent + TRUST_S)
            loop.turned()
            self.something.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self.something.wait()
            except TimeoutError:
                pass


Got = Callable[[str], Awaitable[tuple[str, int]]]


async def _ask(world: FakeDatabase, ear: Ear, get: Got, turns: int) -> None:
    """Asks again and again; each answer must be as new as what this process heard, and as what it had to hear to be trusted."""
    loop = world.loop
    for _ in range(turns):
        key = loop.random.choice(KEYS)
        heard, began = ear.applied[key], loop.time()
        patience_s = loop.random.choice((0.05, 5.0, 5.0))
        try:
            async with asyncio.timeout(patience_s):
                _, version = await get(key)
        except (OSError, TimeoutError) as error:
            # A load takes less than half a second, so in five somebody who waits for one was not woken.
            require(
                (isinstance(error, OSError) and not isinstance(error, TimeoutError)) or patience_s < 5.0,
                f"{ear.name} waited for {key} for ever",
            )
            loop.note(ear.name, key, type(error).__name__)
            continue
        loop.note(ear.name, key, version)
        require(version >= heard, f"{ear.name} was given {key} as of {version} after it had heard of {heard}")
        must = world.version_at(key, began - TRUST_S - LONGEST_DELIVERY_S - HEARTBEAT_S)
        require(
            version >= must, f"{ear.name} was given {key} as of {version}, long after {must} was committed"
        )
        await asyncio.sleep(loop.random.choice((0, 0.01, 0.2, 2.0)))


async def _disturb(world: FakeDatabase, turns: int) -> None:
    loop = world.loop
    for _ in range(turns):
        await asyncio.sleep(loop.random.choice((0.001, 0.1, 1.0, 4.0)))
        if loop.random.random() < 0.25:
            ear = loop.random.choice(world.ears)
            ear.is_up = not ear.is_up
            ear.inbox.clear()
            if not ear.is_up:  # and something is committed that nobody here can hear of, for a while
                world.commit(loop.random.choice(KEYS))
                await asyncio.sleep(loop.random.choice((0.5, 9.0)))
        else:
            world.commit(loop.random.choice(KEYS))
    for ear in world.ears:
        ear.is_up = True


async def cache_and_invalidation(loop: SimulatedLoop) -> None:
    """One process: a cache behind an ear. Nobody is given what was invalidated, nobody loads what another is loading, nobody waits for ever."""
    world = FakeDatabase(loop)
    cache: Cache[tuple[str, int]] = Cache(
        "things", entries=2, size_bytes=100_000, ttl_s=60, clock=world.clock
    )
    cache._random = random.Random(loop.random.random())
    ear = Ear(world, "first")
    world.ears.append(ear)
    ear.watch(cache)
    generation = dict.fromkeys(KEYS, 0)
    loading: set[tuple[str, int]] = set()
    real_tag, real_all = cache.drop_tag, cache.drop_all

    def drop_tag(tag: str) -> None:
        generation[tag.removeprefix("tag:")] += 1
        real_tag(tag)

    def drop_all() -> None:
        for key in KEYS:
            generation[key] += 1
        real_all()

    cache.drop_tag, cache.drop_all = drop_tag, drop_all  # type: ignore[method-assign]

    async def get(key: str) -> tuple[str, int]:
        async def load() -> tuple[str, int]:
            mine = key, generation[key]
            require(
                mine not in loading, f"two loads of {key} at once, and nothing was invalidated between them"
            )
            loading.add(mine)
            try:
                return await world.load(key)
            finally:
                loading.discard(mine)

        return await cache.get(key, load, tags=(f"tag:{key}",))

    async with ear:
        people = [loop.create_task(_ask(world, ear, get, 9)) for _ in range(5)]
        await asyncio.gather(_disturb(world, 12), *people)
    loop.note("left", len(cache._flights))
    require(not cache._flights, "a load is still noted as under way")


class FakeValkey:
    """A shared store that answers late, fails, or is away for a while."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.loop = loop
        self.kept: dict[str, bytes] = {}

    async def _way(self) -> None:
        await asyncio.sleep(self.loop.random.choice((0, 0.001, 0.01)))
        if self.loop.random.random() < 0.03:
            raise OSError("the store is away")

    async def mget(self, keys: list[str]) -> list[bytes | None]:
        await self._way()
        return [self.kept.get(key) for key in keys]

    async def set(self, name: str, value: bytes, *, ex: int | None = None, nx: bool = False) -> Any:
        await self._way()
        if not (nx and name in self.kept):
            self.kept[name] = value
        return True

    async def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        raise NotImplementedError


async def shared_second_level(loop: SimulatedLoop) -> None:
    """Two processes over one store: what one was told of, and told the store of, no other is given out of it."""
    world, store = FakeDatabase(loop), FakeValkey(loop)
    told = dict.fromkeys(KEYS, 0)

    async def process(name: str) -> None:
        cache: Cache[tuple[str, int]] = Cache(
            "things", entries=10, size_bytes=100_000, ttl_s=60, clock=world.clock
        )
        cache._random = random.Random(loop.random.random())
        shared = SharedCache(cache, store, tuple[str, int], clock=world.clock)
        shared.breaker._random = random.Random(loop.random.random())
        for _ in range(14):
            key = loop.random.choice(KEYS)
            if loop.random.random() < 0.3:
                world.commit(key)
                version = world.version[key]
                gone = shared.statistics().gone
                await shared.forget([Drop("things", "tag", f"tag:{key}")])
                cache.drop_tag(f"tag:{key}")
                if shared.statistics().gone == gone:
                    told[key] = max(told[key], version)
                continue
            least = told[key]
            cache.drop_all()  # only the second level is looked at here
            try:
                _, version = await shared.get(key, lambda key=key: world.load(key), tags_of=_tags_of)
            except OSError:
                continue
            loop.note(name, key, version)
            require(
                version >= least,
                f"{name} found {key} as of {version} in the store, which had been told of {least}",
            )
            await asyncio.sleep(loop.random.choice((0, 0.01, 0.1)))

    await asyncio.gather(process("first"), process("second"), process("third"))


def _tags_of(value: tuple[str, int]) -> tuple[str, ...]:
    return (f"tag:{value[0]}",)


async def limiter(loop: SimulatedLoop) -> None:
    """An allowance is never exceeded, a refusal takes nothing, and whoever comes back when told to is let in."""
    clock = SimulatedClock(loop)
    rate = RateClass("some", per_s=loop.random.choice((0.5, 2.0, 20.0)), burst=loop.random.choice((1, 3, 10)))
    limits = MemoryRateLimiter(clock=clock, max_identities=8)
    allowed: list[float] = []

    async def asks() -> None:
        for _ in range(15):
            decision = limits.decide(rate, "somebody")
            loop.note(decision.allowed, round(decision.retry_after_s, 6))
            if decision.allowed:
                allowed.append(loop.time())
                for first in range(len(allowed)):
                    count, span_s = len(allowed) - first, loop.time() - allowed[first]
                    most = rate.burst + span_s * rate.per_s + 1e-6
                    require(
                        count <= most, f"{count} were let in within {span_s:.2f} s, and {most:.1f} may be"
                    )
            await asyncio.sleep(loop.random.choice((0, 0.01, 0.3, 1.0)))

    await asyncio.gather(asks(), asks(), asks())
    while not (decision := limits.decide(rate, "somebody")).allowed:
        before = loop.time()
        await asyncio.sleep(decision.retry_after_s + 1e-6)
        require(
            limits.decide(rate, "somebody").allowed,
            f"told to come back after {decision.retry_after_s:.3f} s at {before:.3f}, and refused",
        )
        break


async def breaker(loop: SimulatedLoop) -> None:
    """While the other side is away one probe at a time is made; once it is back the breaker closes; budgeted retries stay in their share."""
    clock = SimulatedClock(loop)
    guard = CircuitBreaker("upstream", failures=3, open_s=0.5, longest_open_s=4.0, clock=clock)
    guard._random = random.Random(loop.random.random())
    budget = RetryBudget(clock=clock, most=5.0)
    is_away = True
    inside = calls = retries = 0

    async def call() -> None:
        nonlocal inside
        was_open = guard.state != "closed"
        async with guard:
            inside += 1
            try:
                if was_open:
                    require(probing() <= 1, "two probes at once")
                    probes.append(loop.time())
                await asyncio.sleep(loop.random.choice((0.001, 0.05)))
                if is_away:
                    raise OSError("away")
            finally:
                inside -= 1
                if was_open:
                    probes.pop()

    probes: list[float] = []

    def probing() -> int:
        return len(probes) + 1

    async def client() -> None:
        nonlocal calls, retries
        for _ in range(12):
            calls += 1
            budget.called()
            for _ in range(3):
                try:
                    async with asyncio.timeout(loop.random.choice((0.01, 1.0))):
                        await call()
                    break
                except (OSError, TimeoutError, Refused):
                    if not budget.spend():
                        break
                    retries += 1
                    most = 5.0 + SHARE * calls + PER_S * loop.time()
                    require(retries <= most + 1e-6, f"{retries} retries of {calls} calls")
            await asyncio.sleep(loop.random.choice((0, 0.05, 0.5)))
        loop.note(calls, retries, guard.state)

    async def returns() -> None:
        nonlocal is_away
        await asyncio.sleep(loop.random.uniform(0, 6))
        is_away = False

    await asyncio.gather(returns(), *(client() for _ in range(5)))
    is_away = False
    until = loop.time() + 60
    while guard.state != "closed":
        require(loop.time() < until, "the other side is back and the breaker stays open")
        await asyncio.sleep(0.1)
        try:
            await call()
        except (OSError, Refused):
            continue
    require(MOST > 0, "the budget has a bound")


class _Info:
    def __init__(self) -> None:
        self.transaction_status = TransactionStatus.IDLE
        self.server_version = 180_004


class _Answer:
    def __init__(self, status: str) -> None:
        self.statusmessage = status
        self.rowcount = 1


class FakeConnection:
    """A connection whose statements take a while, fail, or lose their answer; what it commits is counted at its server."""

    def __init__(self, world: FakePool) -> None:
        self.world = world
        self.info = _Info()
        self.closed = False
        self.broken = False
        self.pgconn = self
        self._work: list[int] = []
        self._cancel = asyncio.Event()

    def consume_input(self) -> None:
        """Its other side has nothing to say."""

    def fileno(self) -> int:
        raise OSError("there is no socket")

    async def cancel_safe(self, *, timeout: float) -> None:
        await asyncio.sleep(0.001)
        self._cancel.set()

    async def close(self) -> None:
        self.closed = True

    def write(self, number: int) -> None:
        """What the open transaction does, for the server to count when it commits."""
        self._work.append(number)

    async def execute(self, text: str, parameters: Any = None, *, prepare: bool | None = None) -> _Answer:
        loop = self.world.loop
        if self.closed:
            raise errors.OperationalError("the connection is closed")
        before = self.info.transaction_status
        self.info.transaction_status = TransactionStatus.ACTIVE
        self._cancel.clear()
        try:
            # Cancelled in the middle of a statement, a driver's connection is broken or still busy: it is for the pool to see.
            await self._take_a_while(loop)
        except asyncio.CancelledError:
            self.info.transaction_status = before
            raise
        word = text.split(maxsplit=1)[0].strip(";")
        if self._cancel.is_set() and word != "ROLLBACK":
            self.info.transaction_status = (
                TransactionStatus.INERROR if before != TransactionStatus.IDLE else before
            )
            raise errors.QueryCanceled("canceling statement")
        chance = loop.random.random()
        if word == "COMMIT":
            return self._commit(chance)
        if word == "ROLLBACK":
            self._work.clear()
            self.info.transaction_status = TransactionStatus.IDLE
            return _Answer("ROLLBACK")
        if chance < 0.03:
            self.closed = True
            self.info.transaction_status = TransactionStatus.UNKNOWN
            raise errors.OperationalError("the server closed the connection")
        if chance < 0.08 and before != TransactionStatus.IDLE:
            self.info.transaction_status = TransactionStatus.INERROR
            raise errors.SerializationFailure("could not serialize")
        self.info.transaction_status = TransactionStatus.INTRANS if word == "BEGIN" else before
        return _Answer(word)

    async def _take_a_while(self, loop: SimulatedLoop) -> None:
        until = loop.time() + loop.random.choice((0, 0.001, 0.02, 1.0))
        while loop.time() < until and not self._cancel.is_set():
            await asyncio.sleep(min(0.25, until - loop.time()))

    def _commit(self, chance: float) -> _Answer:
        if chance < 0.1:  # lost on the way there, or on the way back
            if chance < 0.05:
                self.world.committed += self._work
            self.closed = True
            self.info.transaction_status = TransactionStatus.UNKNOWN
            raise errors.OperationalError("the server closed the connection")
        if self.info.transaction_status == TransactionStatus.INERROR:
            self._work.clear()
        self.world.committed += self._work
        self._work = []
        self.info.transaction_status = TransactionStatus.IDLE
        return _Answer("COMMIT")


class FakePool:
    """As psycopg's pool stands towards us: so many connections, so many who wait, first come first served."""

    def __init__(self, loop: SimulatedLoop, size: int, waiting: int) -> None:
        self.loop = loop
        self.size, self.most_waiting = size, waiting
        self.idle = [FakeConnection(self) for _ in range(size)]
        self.out: set[int] = set()
        self.committed: list[int] = []
        self._waiting: list[asyncio.Future[FakeConnection]] = []
        self._lock = asyncio.Lock()

    def get_stats(self) -> dict[str, int]:
        return {
            "pool_size": self.size,
            "pool_available": len(self.idle),
            "connections_errors": 0,
            "requests_waiting": len(self._waiting),
        }

    async def getconn(self, timeout: float) -> FakeConnection:
        await asyncio.sleep(0)
        if self.idle:
            return self._give(self.idle.pop(0))
        if len(self._waiting) >= self.most_waiting:
            raise TooManyRequests("the queue is full")
        place = self.loop.create_future()
        self._waiting.append(place)
        taken: FakeConnection | None = None
        try:
            async with asyncio.timeout(timeout):
                taken = await place
            return taken
        except TimeoutError as error:
            raise DriverTimeout("none came free") from error
        finally:
            if place in self._waiting:
                self._waiting.remove(place)
            elif taken is None and place.done() and not place.cancelled():
                await self.putconn(place.result())  # it came together with the end of the wait

    def _give(self, connection: FakeConnection) -> FakeConnection:
        require(id(connection) not in self.out, "a connection was given to two")
        self.out.add(id(connection))
        return connection

    async def putconn(self, connection: FakeConnection) -> None:
        require(id(connection) in self.out, "a connection came back that was not out")
        self.out.discard(id(connection))
        is_usable = not connection.closed
        if is_usable:
            require(
                connection.info.transaction_status == TransactionStatus.IDLE,
                "a connection came back in the middle of a transaction",
            )
        back = connection if is_usable else FakeConnection(self)
        while self._waiting:
            place = self._waiting.pop(0)
            if not place.done():
                place.set_result(self._give(back))
                return
        self.idle.append(back)


class SimulatedDatabase(Database):
    """flatwater's own database over the fake pool: its waits, deadlines, retries and giving back are the real ones."""

    def __init__(self, loop: SimulatedLoop, limits: Limits) -> None:
        self._world = loop
        self.pools: list[FakePool] = []
        super().__init__("", limits=limits, clock=SimulatedClock(loop))
        self._random = random.Random(loop.random.random())
        self.breaker._random = random.Random(loop.random.random())

    def _new_pool(self, *, min_size: int, max_size: int, waiting: int, purpose: str = "") -> Any:
        made = FakePool(self._world, max_size, waiting)
        self.pools.append(made)
        return made


async def _send_command(connection: Any, text: str) -> str:
    """What goes through libpq itself to a real server."""
    return (await connection.execute(text)).statusmessage


@patch.object(transaction, "send_command", _send_command)
async def pool(loop: SimulatedLoop) -> None:
    """Every connection comes back clean however the work ended; what may not be done twice is done once; nobody waits past their time."""
    database = SimulatedDatabase(loop, Limits(connections=2, waiting=4, acquire_s=2.0))
    main = database.pools[0]
    done: dict[int, str] = {}

    async def request(number: int) -> None:
        is_idempotent = loop.random.random() < 0.3
        deadline_s = loop.random.choice((0.05, 0.5, 5.0))

        async def work(session: Session) -> int:
            connection: Any = session.connection
            await session.command("SELECT 1")
            connection.write(number)
            await asyncio.sleep(loop.random.choice((0, 0.01, 0.2)))
            return number

        began = loop.time()
        try:
            async with asyncio.timeout(loop.random.choice((0.02, 0.3, 30.0, 30.0))):
                if loop.random.random() < 0.7:
                    await database.run(work, deadline_s=deadline_s, idempotent=is_idempotent)
                    done[number] = "saved"
                else:
                    async with database.read(deadline_s=deadline_s) as session:
                        await session.command("SELECT 1")
        except (Refused, TimeoutError) as error:
            loop.note(number, type(error).__name__)
        took_s = loop.time() - began
        require(
            took_s <= deadline_s + 2.0 + 3.0, f"request {number} took {took_s:.1f} s of its {deadline_s} s"
        )
        times = main.committed.count(number)
        require(times <= 1 or is_idempotent, f"request {number} was committed {times} times")
        require(done.get(number) is None or times >= 1, f"request {number} was told it is saved, and is not")
        loop.note(number, times)

    people = []
    for number in range(18):
        people.append(loop.create_task(request(number)))
        await asyncio.sleep(loop.random.choice((0, 0.01, 0.3)))
    for outcome in await asyncio.gather(*people, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
    if database._releasing:
        await asyncio.wait(database._releasing, timeout=10)
    require(not main.out, f"{len(main.out)} connections did not come back")
    require(len(main.idle) == main.size, f"the pool has {len(main.idle)} of {main.size} connections")
    require(database._held == 0, f"{database._held} are counted as held")
    require(not database._waiting, "somebody is still counted as waiting")


class Odd(BaseException):
    """What nobody thinks of."""


async def supervisor(loop: SimulatedLoop) -> None:
    """A loop turns again whatever its work raised, hung on or was cancelled by, and ends when it is stopped and at no other time."""
    clock = SimulatedClock(loop)
    turned = 0

    async def turn() -> None:
        nonlocal turned
        turned += 1
        chance = loop.random.random()
        loop.note("turn", turned, round(chance, 3))
        await asyncio.sleep(loop.random.choice((0, 0.01, 0.5)))
        if chance < 0.15:
            raise ValueError("a mistake")
        if chance < 0.25:
            raise Odd
        if chance < 0.3:
            raise asyncio.CancelledError
        if chance < 0.4:
            await loop.create_future()  # for ever

    async with Supervisor(clock) as keeper:
        kept = keeper.every("work", turn, period_s=1.0, turn_s=3.0)
        kept._random = random.Random(loop.random.random())
        for _ in range(6):
            before = turned
            await asyncio.sleep(LONGEST_BACK_OFF_S + 5.0)
            require(turned > before, f"no turn in {LONGEST_BACK_OFF_S + 5:.0f} s, after {turned}")
            require(kept.is_alive, "the loop ended and nobody stopped it")
        told = kept.standing()
        require(
            told.turns + told.failures >= turned - 1,
            f"{turned} turns, and {told.turns} and {told.failures} are counted",
        )
    require(not kept.is_alive, "it was stopped and goes on")
    at_the_end = turned
    await asyncio.sleep(100)
    require(turned == at_the_end, "it turned after it was stopped")


WORLDS = {
    "supervisor": supervisor,
    "cache_and_invalidation": cache_and_invalidation,
    "shared_second_level": shared_second_level,
    "limiter": limiter,
    "breaker": breaker,
    "pool": pool,
}
