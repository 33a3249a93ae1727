"""The contracts as an ASGI application: route, count, read within bounds, identify, allow, decode, do, answer.

The order is the promise: who asks too often is refused before the body is read; the body is read before a connection is taken and the answer is sent after it is given back,
so a slow phone never holds one; who may call is settled before a word is said about the input; the transaction is
committed before the answer leaves.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from time import perf_counter
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flatwater.answers import Answer, answer_with, kept_of, problem, problem_for, squeezed
from flatwater.clock import Clock
from flatwater.contract import Call, ContractBroken, Endpoint, Registry, Sent, SharedWork, Together
from flatwater.errors import DeadlineExceeded, TooMany, TooSlow
from flatwater.forwarded import LOCAL, Headers, Origin
from flatwater.group_commit import GroupCommit
from flatwater.guards import NO_GUARDS, Guards
from flatwater.inputs import ClientLeft, InputInvalid, decode_inputs, read_sent
from flatwater.memory_budget import Meter
from flatwater.pool import Database
from flatwater.rate_limit import MemoryRateLimiter, RateLimits, RateStore, Store
from flatwater.rate_limit_postgres import PostgresRateLimiter
from flatwater.routing import Match, Routes
from flatwater.supervisor import beside
from flatwater.transaction import Session

log = logging.getLogger("flatwater.asgi")

_BREAKS_HEADERS = re.compile(r"[\r\n\0]")
WATCH_AFTER_S = 0.1
"""Only a request that lasts gets a watcher: a task costs more than most requests take."""


class HasDatabase(Protocol):
    @property
    def database(self) -> Database: ...

    @property
    def clock(self) -> Clock: ...


ActorT = TypeVar("ActorT")
AppT = TypeVar("AppT", bound=HasDatabase)


class NotAllowed(Exception):
    """You may not do this."""


class NotSignedIn(Exception):
    """Please sign in first."""


class WebApplication(Generic[ActorT, AppT]):
    """What a service brings to its contracts; each part may be overridden."""

    own_names: frozenset[str] = frozenset()
    """Form fields that the application itself reads, whatever the route."""

    async def authenticate(self, call: Call[ActorT, AppT], /) -> ActorT | None:
        """Who is calling, read in the request's own session where it has one; None for a stranger."""
        return None

    def origin(self, app: AppT, peer: str, headers: Headers, scheme: str) -> Origin:
        """Where a request came from; here the peer itself, for no proxy is trusted that nobody named."""
        return Origin(peer, is_https=scheme == "https")

    def everywhere(self, app: AppT | None, scope: Scope) -> dict[str, str]:
        """Headers for every answer that does not have them by itself: of routes, of static files, of what is not there."""
        return {}

    def identity(self, call: Call[ActorT, AppT], /) -> str:
        """Whom a rate is counted for, known without asking the database."""
        return call.address

    async def authenticate_together(
        self, session: Session, calls: Sequence[Call[ActorT, AppT]]
    ) -> Sequence[ActorT | None]:
        """Who is calling, of requests that share a transaction, read in it; None for each that is to be looked at alone, by `authenticate`."""
        return [None for _ in calls]

    def may_share(self, call: Call[ActorT, AppT], /) -> bool:
        """Whether a request may share its transaction with others, as far as its head and body tell."""
        return True

    async def recall(self, call: Call[ActorT, AppT], /) -> Answer | None:
        """The answer this very write was given before, if it was; claims its id in the write's transaction if not."""
        return None

    async def remember(self, call: Call[ActorT, AppT], answer: Answer, /) -> None:
        """Keeps the answer of a write, in the write's transaction, for the same request coming again."""

    async def recall_apart(self, call: Call[ActorT, AppT], /) -> Answer | None:
        """As `recall`, for a route without a transaction of its own: what was kept by then; claims nothing."""
        return None

    async def remember_apart(self, call: Call[ActorT, AppT], answer: Answer, /) -> None:
        """As `remember`, for a route that has not kept its answer in the transaction of its own write."""

    def admit(self, call: Call[ActorT, AppT], /) -> None:
        """Refuses who may not even be identified now, before anything is read or asked of the database. *Errors*: TooMany."""

    async def recognise(self, call: Call[ActorT, AppT], /) -> ActorT | None:
        """Who is calling, as far as the head of the request tells: asked before a large body is read. *Cost*: one statement."""
        return None

    async def explain(self, error: Exception, call: Call[ActorT, AppT], /) -> Answer:
        """The answer for what was raised; called after the request's transaction was rolled back."""
        if isinstance(error, NotSignedIn):
            return problem(401, "not_signed_in", str(error) or "Please sign in first.")
        if isinstance(error, NotAllowed):
            return problem(403, "not_allowed", str(error) or "You may not do this.")
        expected = problem_for(error)
        if expected is not None:
            return expected
        log.error("unexpected error in %s (%s)", call.endpoint.name, call.request_id, exc_info=error)
        return problem(
            500, "unexpected", "Something went wrong on our side. It was written down.", id=call.request_id
        )

    def headers(self, call: Call[ActorT, AppT], /) -> dict[str, str]:
        """Headers for every answer of this endpoint."""
        return {"x-content-type-options": "nosniff", "cache-control": "no-store"}


Lifespan = Callable[[], AbstractAsyncContextManager[AppT]]


class ContractApp(Generic[ActorT, AppT]):
    """Serves a registry. *Errors*: ContractBroken when a route isn't whole, before anything starts.

    `lifespan` opens and closes what the handlers work with (it has a `database` and a `clock`); `otherwise` answers
    paths that no contract has (static files).
    """

    def __init__(
        self,
        registry: Registry,
        application: WebApplication[ActorT, AppT],
        lifespan: Lifespan[AppT],
        *,
        otherwise: ASGIApp | None = None,
        limiter: MemoryRateLimiter | None = None,
        rate_stores: Mapping[Store, RateStore] | None = None,
        guards: Callable[[AppT], Guards] | None = None,
    ) -> None:
        registry.verify()
        self.registry = registry
        self._routes = Routes(registry)
        self._application = application
        self._lifespan = lifespan
        self._otherwise = otherwise
        memory = MemoryRateLimiter() if limiter is None else limiter  # an empty one is false
        self.rates = RateLimits(memory, dict(rate_stores or {}))
        self._guards_of = guards
        self._guards = NO_GUARDS
        self._groups: dict[str, GroupCommit[_Member, Any]] = {}
        self._policies = {endpoint.rate.name: endpoint.rate.policy for endpoint in registry}
        self._app: AppT | None = None
        self.clients_left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(
                scope, receive, _with_headers(send, self._application.everywhere(self._app, scope))
            )
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    @asynccontextmanager
    async def running(self) -> AsyncIterator[AppT]:
        """Opens what the handlers work with while the block runs; for whoever serves this without an ASGI lifespan."""
        async with self._lifespan() as app:
            self._app = app
            self._guards = NO_GUARDS if self._guards_of is None else self._guards_of(app)
            self.rates = self._guards.rates or self.rates
            self._groups = {}  # their work is bound to the database that was opened for it
            self._require_stores(app)
            try:
                yield app
            finally:
                self._app = None

    def _require_stores(self, app: AppT) -> None:
        wanted = {endpoint.rate.store for endpoint in self.registry} - {"memory"}
        if "durable" in wanted:
            self.rates.stores.setdefault("durable", PostgresRateLimiter(app.database))
        if missing := wanted - self.rates.stores.keys():
            raise ContractBroken(f"rates are kept in stores that are not there: {', '.join(sorted(missing))}")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        is_started = False
        try:
            async with self.running():
                is_started = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            log.exception(
                "the service could not start" if not is_started else "the service could not close cleanly"
            )
            await send(
                {"type": f"lifespan.{'shutdown' if is_started else 'startup'}.failed", "message": str(error)}
            )
            return
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = self._routes.match(scope["method"], scope["path"])
        if match is None or match.endpoint is None:
            if match is None and self._otherwise is not None:
                await self._otherwise(scope, receive, send)
                return
            answer = _no_route(match.methods if match else None)
            await _send(send, answer, _head(answer, {}, []), is_head=scope["method"] == "HEAD")
            return
        if self._app is None:
            raise RuntimeError(
                "the lifespan has not started: serve this with an ASGI server that runs lifespans"
            )
        serving = self._serve_endpoint(
            self._call(match.endpoint, self._app, scope, match.parameters), match, scope, receive, send
        )
        budgets = self._guards.budgets
        if budgets is None:
            await serving
        else:
            await budgets.growth.follow(match.endpoint.name, serving)

    async def _serve_endpoint(
        self, call: Call[ActorT, AppT], match: Match, scope: Scope, receive: Receive, send: Send
    ) -> None:
        guards, began = self._guards, perf_counter()
        try:
            answer = await self._admitted(call, match, scope, receive)
            answer = squeezed(answer, call.headers.get("accept-encoding", ""))
            head = _head(answer, self._headers(call), call.cookies_to_set)
        except ClientLeft:
            self.clients_left += 1
            return
        except Exception as error:  # noqa: BLE001  this is the edge: everything becomes an answer here, once
            call.cookies_to_set.clear()
            answer = await self._explain(error, call)
            head = _head(answer, self._headers(call), call.cookies_to_set)
        finally:
            call.sent.discard()
        if guards.observe is not None:
            guards.observe(call.endpoint.name, call.endpoint.method, answer.status, perf_counter() - began)
        is_head = scope["method"] == "HEAD"
        if answer.chunks is None:
            await _send(send, answer, head, is_head=is_head)
        elif not await _stream(send, receive, answer, answer.chunks, head, is_head=is_head):
            self.clients_left += 1

    async def _admitted(
        self, call: Call[ActorT, AppT], match: Match, scope: Scope, receive: Receive
    ) -> Answer:
        shedder = self._guards.shedder
        if shedder is None:
            return await self._answer(call, match.parameters, scope, receive)
        shedder.admit(call.endpoint.priority)
        try:
            return await self._answer(call, match.parameters, scope, receive)
        finally:
            shedder.leave()

    def _headers(self, call: Call[ActorT, AppT]) -> dict[str, str]:
        headers = self._application.headers(call)
        if call.decision is None:
            return headers
        rate = call.endpoint.rate
        return {
            **headers,
            "ratelimit-policy": self._policies[rate.name],
            "ratelimit": call.decision.header(rate),
        }

    async def _explain(self, error: Exception, call: Call[ActorT, AppT]) -> Answer:
        try:
            answer = await self._application.explain(error, call)
        except Exception as second:  # explaining may need a database that has just gone
            expected = problem_for(second)
            if expected is None:
                log.error("an error in %s could not be explained", call.endpoint.name, exc_info=second)
            answer = expected or problem(500, "unexpected", "Something went wrong on our side.")
        if isinstance(error, TooSlow) or (
            _may_be_large(call) and not call.sent.content and call.sent.give_back is None
        ):
            # What is still on its way need not be sent.
            answer.headers = {**answer.headers, "connection": "close"}
        return answer

    def _call(
        self, endpoint: Endpoint, app: AppT, scope: Scope, parameters: dict[str, str]
    ) -> Call[ActorT, AppT]:
        client = scope.get("client")
        origin = self._application.origin(
            app, client[0] if client else LOCAL, scope["headers"], scope.get("scheme", "http")
        )
        return Call(
            endpoint=endpoint,
            app=app,
            database=app.database,
            clock=app.clock,
            headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
            path=endpoint.address_of(parameters) if parameters else scope["path"],
            query_string=scope["query_string"].decode("latin-1"),
            address=origin.address,
            request_id=uuid.uuid4().hex,
            is_https=origin.is_https,
        )

    async def _answer(
        self, call: Call[ActorT, AppT], parameters: dict[str, str], scope: Scope, receive: Receive
    ) -> Answer:
        rate, identity = call.endpoint.rate, self._application.identity(call)
        memory = self.rates.memory
        decision = (
            memory.decide(rate, identity)
            if self.rates.counts_in_memory(rate)
            else await self.rates.decide(rate, identity)
        )
        call.decision = decision
        if not decision.allowed:
            raise TooMany(retry_after_s=decision.retry_after_s)
        self._application.admit(call)
        if call.endpoint.who.needs_actor and _may_be_large(call):
            call.actor = await self._application.recognise(call)
            if not call.endpoint.who.allows(call.actor):
                raise NotSignedIn if call.actor is None else NotAllowed
        call.sent = await self._read_sent(call, scope, receive)
        # A write that has begun is finished; the client's retry with the same id is told so.
        if call.endpoint.work not in ("read", "snapshot") and call.endpoint.method != "GET":
            return await self._metered(call, parameters)
        watch = _Watch(receive)
        watch.start(WATCH_AFTER_S)
        try:
            return await self._metered(call, parameters)
        except asyncio.CancelledError:
            if not watch.client_left:
                raise
            raise ClientLeft from None
        finally:
            await watch.stop()

    async def _read_sent(self, call: Call[ActorT, AppT], scope: Scope, receive: Receive) -> Sent:
        reading = read_sent(call.endpoint, scope, receive, cast("dict[str, str]", call.headers))
        shedder = self._guards.shedder
        if shedder is None or call.endpoint.body_bytes == 0:
            return await reading
        with shedder.waiting_for_client():
            return await reading

    async def _metered(self, call: Call[ActorT, AppT], parameters: dict[str, str]) -> Answer:
        budgets = self._guards.budgets
        if budgets is None:
            return await self._perform(call, parameters, None)
        meter = budgets.meter(call.endpoint.budget)
        return await budgets.run(call.endpoint.name, self._perform(call, parameters, meter), meter)

    async def _perform(
        self, call: Call[ActorT, AppT], parameters: dict[str, str], meter: Meter | None
    ) -> Answer:
        endpoint = call.endpoint

        async def perform(session: Session | None) -> Answer:
            call.session = session
            if session is not None and meter is not None:
                session.charge_rows = meter.charge_rows
            call.cookies_to_set.clear()
            call.state.clear()
            call.actor = await self._application.authenticate(call)
            if not endpoint.who.allows(call.actor):
                raise NotSignedIn if call.actor is None and endpoint.who.needs_actor else NotAllowed
            if endpoint.work == "write" and (known := await self._application.recall(call)) is not None:
                return known
            is_apart = endpoint.work == "none" and endpoint.method != "GET"
            if is_apart and (known := await self._application.recall_apart(call)) is not None:
                return known
            result = await endpoint.handler(
                call, **decode_inputs(call, parameters, self._application.own_names)
            )
            answer = answer_with(result)
            if meter is not None:
                meter.charge_response(len(answer.content))
            if endpoint.work == "write":
                await self._application.remember(call, kept_of(result, answer))
            elif is_apart and answer.chunks is None:
                await self._application.remember_apart(call, kept_of(result, answer))
            return answer

        if endpoint.work == "read":
            async with call.database.read(deadline_s=endpoint.deadline_s, route=endpoint.name) as session:
                return await perform(session)
        if endpoint.work == "snapshot":
            async with call.database.snapshot(deadline_s=endpoint.deadline_s, route=endpoint.name) as session:
                return await perform(session)
        if endpoint.work == "write":
            until_s = asyncio.get_running_loop().time() + endpoint.deadline_s
            if endpoint.together is not None:
                return await self._perform_together(
                    call, parameters, endpoint.together, until_s, meter=meter, perform=perform
                )
            return await _perform_alone(call, perform, endpoint.deadline_s)
        limit = asyncio.timeout(endpoint.deadline_s)
        try:
            async with limit:
                return await perform(None)
        except TimeoutError as error:
            if limit.expired():
                raise DeadlineExceeded from error
            raise

    async def _perform_together(
        self,
        call: Call[ActorT, AppT],
        parameters: dict[str, str],
        together: Together,
        until_s: float,
        *,
        meter: Meter | None,
        perform: Callable[[Session | None], Awaitable[Answer]],
    ) -> Answer:
        """As one of those who arrive together where that can be, else alone."""
        item = self._item_of(call, parameters, together)
        if item is None:
            return await _perform_alone(call, perform, call.endpoint.deadline_s)
        lane = self._application.identity(call)
        group = self._group_of(together.shared, call.database)
        async with group.seat(_Member(call, item), lane=lane, until_s=until_s) as outcome:
            if outcome is None:
                left_s = until_s - asyncio.get_running_loop().time()
                return await _perform_alone(call, perform, max(left_s, SHORTEST_S))
            answer = answer_with(together.answer(call, item, outcome))
            if meter is not None:
                meter.charge_response(len(answer.content))
            return answer

    def _item_of(
        self, call: Call[ActorT, AppT], parameters: dict[str, str], together: Together
    ) -> Any | None:
        if not self._application.may_share(call):
            return None
        try:
            inputs = decode_inputs(call, parameters, self._application.own_names)
        except InputInvalid:
            return None  # told to whoever may call at all, once that is known
        return together.item(call, **inputs)

    def _group_of(self, shared: SharedWork, database: Database) -> GroupCommit[_Member, Any]:
        """The groups of a kind of work, made anew where the service was started anew. One connection is left to everybody else."""
        known = self._groups.get(shared.name)
        if known is not None:
            return known

        async def work(members: Sequence[_Member], within_s: float) -> Sequence[Any | None]:
            endpoint, budgets = members[0].call.endpoint, self._guards.budgets
            # The rows of all its members, and the memory of one: what they hold at once is small, or they would not go together.
            rows = sum(member.call.endpoint.budget.rows for member in members)
            budget = msgspec.structs.replace(endpoint.budget, rows=rows)
            meter = None if budgets is None else budgets.meter(budget)

            async def do(session: Session) -> Sequence[Any | None]:
                session.charge_rows = None if meter is None else meter.charge_rows
                return await self._do_together(shared, session, members)

            doing = database.run(
                do, deadline_s=within_s, plans="generic", route=shared.name, lock_s=LOCK_TOGETHER_S
            )
            return await (
                doing if budgets is None or meter is None else budgets.run(endpoint.name, doing, meter)
            )

        made = GroupCommit(work, groups=max(1, database.limits.connections - 1))
        self._groups[shared.name] = made
        database.groups.append(made)
        return made

    async def _do_together(
        self, shared: SharedWork, session: Session, members: Sequence[_Member]
    ) -> Sequence[Any | None]:
        """The outcomes of a group. Who may not call, and who isn't known at once, has none: alone they are told so."""
        calls = [member.call for member in members]
        actors = await self._application.authenticate_together(session, calls)
        outcomes: list[Any | None] = [None] * len(members)
        let_in: list[int] = []
        for number, (call, actor) in enumerate(zip(calls, actors, strict=True)):
            if actor is not None and call.endpoint.who.allows(actor):
                call.actor = actor
                let_in.append(number)
        if not let_in:
            return outcomes
        asked = [(actors[number], members[number].item) for number in let_in]
        done = await shared.work(session, asked, calls[0].clock)
        for number, outcome in zip(let_in, done, strict=True):
            outcomes[number] = outcome
        return outcomes


class _Member(NamedTuple):
    """A request in a group."""

    call: Call[Any, Any]
    item: Any


LOCK_TOGETHER_S = 1.0
"""So long a group waits for a lock. Then each of it goes alone, and only who wants what is locked waits for it.

Longer than a slow disk takes to commit, for the rows that count are held by the group before until then; shorter than anybody waits in vain.
"""
SHORTEST_S = 0.05


async def _perform_alone(
    call: Call[Any, Any], perform: Callable[[Session], Awaitable[Answer]], deadline_s: float
) -> Answer:
    return await call.database.run(perform, deadline_s=deadline_s, plans="generic", route=call.endpoint.name)


SMALL_BODY_BYTES = 64 * 1024
"""More than this is read of nobody who is not known."""


def _may_be_large(call: Call[Any, Any]) -> bool:
    """Whether a body of more than a few kilobytes may come, by the route's ceiling and what the client declares."""
    if call.endpoint.body_bytes <= SMALL_BODY_BYTES:
        return False
    declared = call.headers.get("content-length", "")
    return not (declared.isascii() and declared.isdigit() and int(declared[:15]) <= SMALL_BODY_BYTES)


MOST_MESSAGES = 100
"""So many messages after a request's end are passed over in waiting for its client's leaving; then nobody waits for it any more."""


class _Watch:
    """Cancels the task that makes an answer when the client for whom it is made has gone; its query then ends too."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.client_left = False

    def start(self, after_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(after_s, self._begin)

    def _begin(self) -> None:
        self._watcher = beside(self._look(), name="flatwater client watch")

    async def _look(self) -> None:
        # Nothing but the leaving is to come. A receiver that gives an empty body again and again, at once, would hold the loop for ever.
        for _ in range(MOST_MESSAGES):
            if (await self._receive())["type"] == "http.disconnect":
                self.client_left = True
                self._task.cancel()
                return
        log.warning(
            "nobody watches for a client's leaving any more: its receiver gives empty bodies without end"
        )

    async def stop(self) -> None:
        """Ends the watch and takes its cancellation back, come or still to come."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None and not self._watcher.done():
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
        if self.client_left:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
            if self._task.uncancel() > 0:
                raise asyncio.CancelledError  # somebody else cancels too


def _with_headers(send: Send, more: dict[str, str]) -> Send:
    """Sends with these headers too, where an answer does not have them by itself."""
    if not more:
        return send
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in more.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message.get("headers", ()))
            named = {name.lower() for name, _ in given}
            message = {**message, "headers": given + [pair for pair in pairs if pair[0] not in named]}
        await send(message)

    return sending


def _no_route(methods: list[str] | None) -> Answer:
    if methods is None:
        return problem(404, "not_found", "There is nothing at this address.")
    answer = problem(405, "method_not_allowed", f"This address takes {', '.join(methods)}.")
    answer.headers = {"allow": ", ".join(methods)}
    return answer


def _head(answer: Answer, headers: dict[str, str], cookies: list[str]) -> list[tuple[bytes, bytes]]:
    """The answer's headers as they are sent. *Errors*: ValueError for one that would end its line early."""
    named = {name.lower(): value for name, value in (*headers.items(), *answer.headers.items())}
    has_content = answer.status not in (204, 304)
    if has_content:
        named.setdefault("content-type", answer.content_type)
    if has_content and answer.chunks is None:
        named["content-length"] = str(len(answer.content))
    pairs = [*named.items(), *(("set-cookie", cookie) for cookie in cookies)]
    for name, value in pairs:
        if _BREAKS_HEADERS.search(name + value):
            raise ValueError(f"the header {name!r} holds a line's end")
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


async def _send(send: Send, answer: Answer, head: list[tuple[bytes, bytes]], *, is_head: bool) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": head})
    await send({"type": "http.response.body", "body": b"" if is_head else answer.content})


async def _stream(
    send: Send,
    receive: Receive,
    answer: Answer,
    chunks: AsyncIterator[bytes],
    head: list[tuple[bytes, bytes]],
    *,
    is_head: bool,
) -> bool:
    """Sends what is made while it is sent, and ends the making when the client leaves; whether it stayed.

    An error on the way goes up: the server then cuts the connection, which tells the client that this isn't all.
    """
    watch = _Watch(receive)
    watch.start(0)
    try:
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        if not is_head:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except asyncio.CancelledError:
        if not watch.client_left:
            raise
        return False
    finally:
        try:
            await watch.stop()
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()
    return True
