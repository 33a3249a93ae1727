"""What a Valkey (or Redis) server may do for flatwater: a second level of a cache, and allowances shared by hosts.

Nothing here is needed: when the server is gone, caches fall back to their first level and allowances to their rule. Every call
has a deadline and a breaker before it, so that a server that hangs costs a process a tenth of a second now and then.
The client library (`redis` or `valkey`, from `flatwater[valkey]`) is handed in, never imported.
"""

from __future__ import annotations

import asyncio
import uuid
import zlib
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from flatwater.announcing import Drop
from flatwater.cache import MISSING, Cache
from flatwater.circuit_breaker import CircuitBreaker
from flatwater.clock import Clock
from flatwater.errors import Refused
from flatwater.rate_limit import Decision, RateClass

ValueT = TypeVar("ValueT")
ResultT = TypeVar("ResultT")

DEADLINE_S: Final = 0.1
MAX_VALUE_BYTES: Final = 256 * 1024
GENERATION_LIFE_S: Final = 86_400


class Client(Protocol):
    """The part of `redis.asyncio.Redis` (or `valkey.asyncio.Valkey`) that is used; it answers bytes."""

    def mget(self, keys: list[str]) -> Awaitable[list[bytes | None]]: ...

    def set(self, name: str, value: bytes, *, ex: int | None = None, nx: bool = False) -> Awaitable[Any]: ...

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Awaitable[Any]: ...


class SharedGone(Refused):
    """The shared store can't be asked."""

    code = "shared_store_gone"


class _Line:
    """The way to the server: a deadline for each call, and a breaker that stops asking one that is gone."""

    def __init__(self, client: Client, name: str, clock: Clock | None, deadline_s: float) -> None:
        self.client = client
        self.breaker = CircuitBreaker(name, clock=clock)
        self._deadline_s = deadline_s

    async def ask(self, call: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """*Errors*: SharedGone (BreakerOpen is one kind of Refused too)."""
        try:
            async with self.breaker, asyncio.timeout(self._deadline_s):
                return await call()
        except (OSError, TimeoutError) as error:
            raise SharedGone from error
        except Exception as error:
            # The client's own errors share no base with ours, and its library is not imported here.
            if type(error).__module__.split(".")[0] in ("redis", "valkey"):
                raise SharedGone from error
            raise


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    key: str
    checksum: int
    value: bytes
    tags: tuple[str, ...] = ()
    generations: tuple[bytes, ...] = ()


class SharedStatistics(msgspec.Struct, frozen=True):
    """What the second level was good for."""

    hits: int
    misses: int
    gone: int
    damaged: int
    too_big: int
    is_usable: bool


class SharedCache(Generic[ValueT]):
    """A cache's second level, with the first level's promises: what is invalidated is not given out again.

    A value is kept under its key and the generations of its cache and tags; to invalidate is to begin a new generation, so a
    load that began before can only be kept where nobody looks any more. Tags that are known only with the value are kept in it
    with their generations, and compared when it is read; such a value is not kept when any tag began anew during its load. A process that could not begin one (the server was
    gone) begins a new generation of everything before it uses the server again. Values are msgpack, with their key and a
    checksum inside. Never for what a write is judged by: that is read past every cache.
    """

    def __init__(
        self,
        first: Cache[ValueT],
        client: Client,
        value_type: Any,
        *,
        prefix: str = "flatwater",
        ttl_s: float = 300.0,
        deadline_s: float = DEADLINE_S,
        clock: Clock | None = None,
    ) -> None:
        self.first = first
        self._prefix = f"{prefix}:{first.name}"
        self._line = _Line(client, f"{first.name} second level", clock, deadline_s)
        self._ttl_s = max(1, int(ttl_s))
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode_value = msgspec.msgpack.Decoder(value_type).decode
        self._decode = msgspec.msgpack.Decoder(_Kept).decode
        self._owes_everything = False
        self._hits = self._misses = self._gone = self._damaged = self._too_big = 0

    @property
    def breaker(self) -> CircuitBreaker:
        return self._line.breaker

    async def get(
        self,
        key: Hashable,
        load: Callable[[], Awaitable[ValueT]],
        *,
        tags: tuple[str, ...] = (),
        tags_of: Callable[[ValueT], tuple[str, ...]] | None = None,
    ) -> ValueT:
        """What the first level holds, else the second, else what `load` gives, kept in both. *Errors*: whatever `load` raises."""

        async def load_shared() -> ValueT:
            return await self._through_second(str(key), load, tags, tags_of)

        return await self.first.get(key, load_shared, tags=tags, tags_of=tags_of)

    async def read_through(
        self,
        key: Hashable,
        load: Callable[[], Awaitable[ValueT]],
        *,
        bypass: bool,
        tags: tuple[str, ...] = (),
        tags_of: Callable[[ValueT], tuple[str, ...]] | None = None,
    ) -> ValueT:
        """`get`, or with `bypass` what the database says in the caller's own transaction, past both levels."""
        if bypass:
            return await self.first.read_through(key, load, bypass=True)
        return await self.get(key, load, tags=tags, tags_of=tags_of)

    async def _through_second(
        self,
        key: str,
        load: Callable[[], Awaitable[ValueT]],
        tags: tuple[str, ...],
        tags_of: Callable[[ValueT], tuple[str, ...]] | None,
    ) -> ValueT:
        try:
            # Before the load: what is invalidated during it lands nowhere.
            place = await self._place(key, tags)
            found = await self._line.ask(lambda: self._line.client.mget([place, self._any_tag]))
            value = await self._read(key, found[0])
        except Refused:
            self._gone += 1
            return await load()
        if value is not MISSING:
            self._hits += 1
            return value
        self._misses += 1
        value = await load()
        await self._keep(place, key, value, () if tags_of is None else tags_of(value), found[1])
        return value

    async def _place(self, key: str, tags: Sequence[str]) -> str:
        if self._owes_everything:
            await self._begin([self._generation("all")])
            self._owes_everything = False
        names = [
            self._generation("all"),
            *(self._generation("tag", tag) for tag in tags),
            self._generation("key", key),
        ]
        found = await self._line.ask(lambda: self._line.client.mget(names))
        for number, generation in enumerate(found[: 1 + len(tags)]):
            if generation is None:
                found[number] = await self._first(names[number])
        generations = b".".join(each or b"-" for each in found).decode()
        return f"{self._prefix}:v:{generations}:{key}"

    async def _first(self, name: str) -> bytes:
        """Begins a generation where there is none. The first one wins; whoever loses reads the winner's."""
        fresh = uuid.uuid4().hex[:12].encode()
        await self._line.ask(lambda: self._line.client.set(name, fresh, ex=GENERATION_LIFE_S, nx=True))
        again = await self._line.ask(lambda: self._line.client.mget([name]))
        return again[0] or fresh

    @property
    def _any_tag(self) -> str:
        """What changes with the generation of any tag, before it does."""
        return f"{self._prefix}:g:any"

    def _generation(self, kind: str, what: str = "") -> str:
        return f"{self._prefix}:g:{kind}:{what}"

    async def _read(self, key: str, found: bytes | None) -> Any:
        if found is None:
            return MISSING
        try:
            kept = self._decode(found)
            if kept.key == key and kept.checksum == zlib.crc32(kept.value):
                value = self._decode_value(kept.value)
                is_true = not kept.tags or await self._generations(kept.tags) == kept.generations
                return value if is_true else MISSING
        except msgspec.DecodeError:
            pass
        self._damaged += 1  # counted, and as good as nothing: the load says what is true
        return MISSING

    async def _generations(self, tags: Sequence[str]) -> tuple[bytes, ...]:
        """The generations of tags that a value told of itself; one that the server forgot begins anew."""
        names = [self._generation("tag", tag) for tag in tags]
        found = await self._line.ask(lambda: self._line.client.mget(names))
        return tuple([each or await self._first(name) for name, each in zip(names, found, strict=True)])

    async def _keep(
        self, place: str, key: str, value: ValueT, tags: tuple[str, ...], any_before: bytes | None
    ) -> None:
        content = self._encode(value)
        if len(content) > MAX_VALUE_BYTES:
            self._too_big += 1
            return
        try:
            generations: tuple[bytes, ...] = ()
            if tags:
                generations = await self._generations(tags)
                # Read after those: a tag that began anew during the load had told it here before.
                now = await self._line.ask(lambda: self._line.client.mget([self._any_tag]))
                if now[0] != any_before:
                    return
            kept = self._encode(_Kept(key, zlib.crc32(content), content, tags, generations))
            await self._line.ask(lambda: self._line.client.set(place, kept, ex=self._ttl_s))
        except Refused:
            self._gone += 1

    async def forget(self, drops: Sequence[Drop]) -> None:
        """Begins a new generation of what was made stale; for whoever hears of it (`Invalidation` tells its caches' levels)."""
        names = {
            self._generation(drop.kind, "" if drop.kind == "all" else drop.what)
            for drop in drops
            if drop.cache == self.first.name
        }
        if not names:
            return
        try:
            has_tags = any(drop.kind == "tag" and drop.cache == self.first.name for drop in drops)
            await self._begin([*([self._any_tag] if has_tags else []), *sorted(names)])
        except BaseException as error:
            # Whatever it was, what was to be forgotten is there still.
            self._gone += 1
            self._owes_everything = True
            if not isinstance(error, Refused):
                raise

    def owe_everything(self) -> None:
        """Something may have been missed: everything is forgotten before this level is used again."""
        self._owes_everything = True

    async def _begin(self, names: list[str]) -> None:
        for name in names:
            fresh = uuid.uuid4().hex[:12].encode()
            await self._line.ask(
                lambda name=name, fresh=fresh: self._line.client.set(name, fresh, ex=GENERATION_LIFE_S)
            )

    def statistics(self) -> SharedStatistics:
        return SharedStatistics(
            hits=self._hits,
            misses=self._misses,
            gone=self._gone,
            damaged=self._damaged,
            too_big=self._too_big,
            is_usable=not self._owes_everything,
        )


GCRA: Final = """
local t = redis.call('TIME')
local now = tonumber(t[1]) + tonumber(t[2]) / 1e6
local step, room = tonumber(ARGV[1]), tonumber(ARGV[2])
local arrival = tonumber(redis.call('GET', KEYS[1]) or now)
if arrival < now then arrival = now end
if arrival + step - now > room + 1e-9 then return {0, tostring(arrival - now)} end
redis.call('SET', KEYS[1], string.format('%.6f', arrival + step), 'PX', math.ceil((arrival + step - now) * 1000) + 1)
return {1, tostring(arrival + step - now)}
"""
"""One step on the server, by the server's clock; a key lives until its allowance is full again."""


class ValkeyRateLimiter:
    """Decides per (rule, identity) in Valkey: shared by hosts, and empty by itself. *Errors*: SharedGone, BreakerOpen."""

    def __init__(
        self,
        client: Client,
        *,
        prefix: str = "flatwater",
        deadline_s: float = DEADLINE_S,
        clock: Clock | None = None,
    ) -> None:
        self._prefix = f"{prefix}:rate"
        self._line = _Line(client, "shared rates", clock, deadline_s)

    @property
    def breaker(self) -> CircuitBreaker:
        return self._line.breaker

    async def decide(self, rate: RateClass, identity: str) -> Decision:
        step_s, room_s = rate.cost / rate.per_s, rate.burst / rate.per_s
        name = f"{self._prefix}:{rate.name}:{identity}"
        is_allowed, told = await self._line.ask(
            lambda: self._line.client.eval(GCRA, 1, name, repr(step_s), repr(room_s))
        )
        ahead_s = float(told)
        left = max(int((room_s - ahead_s) * rate.per_s + 1e-6), 0)
        retry_s = 0.0 if is_allowed else max(ahead_s + step_s - room_s, 0.001)
        return Decision(bool(is_allowed), retry_s, left, ahead_s)
