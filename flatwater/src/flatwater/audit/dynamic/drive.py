"""Drives every endpoint of an application that its OpenAPI lists, inside this process, and says what will not stay flat."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from flatwater.audit.dynamic.asking import Asker, Call, KnownIds
from flatwater.audit.dynamic.client import CALL_S, AppClient, AsgiApp
from flatwater.audit.dynamic.document import DOCUMENT_PATHS, NoDocument, Operation, operations_of
from flatwater.audit.dynamic.growth import FEWEST_CALLS, growth_of
from flatwater.audit.dynamic.hostile import be_hostile, rows_of
from flatwater.audit.dynamic.left import Standing, left_since
from flatwater.audit.dynamic.measure import costs_of
from flatwater.audit.dynamic.places import Source
from flatwater.audit.dynamic.probe import COUNTED, Probe, uncounted_drivers
from flatwater.audit.dynamic.reading import EndpointReading
from flatwater.audit.dynamic.run import Heap, Run
from flatwater.audit.dynamic.tally import tallied
from flatwater.audit.dynamic.verdicts import judge
from flatwater.audit.model import Finding, Unseen, in_order
from flatwater.clock import Clock, SystemClock

WARM_UP: Final = 20
COSTED: Final = 10
FEWEST_COSTED: Final = 3
WARM_UP_S: Final = 5.0
GOOD_SHARE: Final = 0.5
FOR_EVER: Final = float("inf")
STOPPED: Final = "the audit was stopped before its end"


class NotDisposable(Exception):
    """The application works on another database than the one that was named as made for this."""


class Stop:
    """A wish to stop, as Ctrl-C utters it: the call under way is given up, and the rest is told as not examined."""

    def __init__(self) -> None:
        self.is_asked = False
        self._task: asyncio.Task[Any] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Lets what runs in the block be given up; the start and the end of the application are not."""
        self._task = asyncio.current_task()
        try:
            yield
        finally:
            self._task = None

    def ask(self) -> None:
        """Asks for it, from the same event loop; again does nothing more."""
        if not self.is_asked and self._task is not None:
            self._task.cancel()
        self.is_asked = True


class Driven(msgspec.Struct, frozen=True):
    """What driving an application came to: a reading of each endpoint, the findings, and what could not be examined."""

    readings: tuple[EndpointReading, ...]
    findings: tuple[Finding, ...]
    unseen: tuple[Unseen, ...]


async def audit_dynamically(
    app: AsgiApp,
    *,
    openapi: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    calls: int = 200,
    seed: int = 1,
    writes: bool = False,
) -> list[Finding]:
    """The findings of `drive_application`; whoever reports should take that one, for it also says what was not examined."""
    driven = await drive_application(
        app, openapi=openapi, headers=headers, calls=calls, seed=seed, writes=writes
    )
    return list(driven.findings)


async def drive_application(
    app: AsgiApp,
    *,
    openapi: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = (),
    calls: int = 200,
    seed: int = 1,
    writes: bool = False,
    database: str = "",
    root: Path | None = None,
    within_s: float = FOR_EVER,
    stop: Stop | None = None,
    tell: Callable[[int, int, str], None] | None = None,
    clock: Clock | None = None,
) -> Driven:
    """Starts the application, drives each endpoint alone, and stops it again; the same seed asks the same.

    After `within_s`, or when `stop` is asked for, what was driven by then is told, and the rest as not examined. `tell` hears before each
    endpoint how many were driven, of how many, and which is next.

    Endpoints that change something are driven with `writes` only: it is for a database that may be written to. Where `database`
    names that one, no statement is sent to another, and changes are driven only after one was seen to reach it.

    *Errors*: CouldNotStart, NoDocument, NotDisposable. *Cost*: about five calls for each of `calls`, an endpoint at a time, half a minute at
    most for a usual one; nothing else should run in the process meanwhile.
    """
    listed = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    clock = clock or SystemClock()
    source = Source(app, root or Path.cwd())
    until = clock.monotonic() + within_s
    stop = stop or Stop()
    probe, readings = Probe(clock, only=database), list[EndpointReading]()
    # psycopg2's connections are seen from their making on, so this probe stands before the application opens any.
    with probe.on_connecting():
        async with AppClient(app, listed, clock) as client:
            document = openapi or await _document(client)
            ids, operations = KnownIds(), list(operations_of(document))
            with probe.in_place():
                drive = _Drive(app=app, client=client, ids=ids, source=source, calls=calls, seed=seed)
                for number, operation in enumerate(operations):
                    if tell is not None:
                        tell(number, len(operations), operation.route)
                    why_not = _why_not(operation, writes, probe, database)
                    if stop.is_asked:
                        why_not = STOPPED
                    elif not why_not and clock.monotonic() >= until:
                        why_not = f"the {within_s:.0f} s that driving may take were over before it"
                    if why_not:
                        readings.append(_not_driven(operation, source, why_not))
                    else:
                        left_s = until - clock.monotonic()
                        readings.append(await _in_time(drive, operation, source, left_s, stop))
                    if probe.strayed:
                        raise NotDisposable(
                            f"{operation.route} asked the database {probe.strayed}, not {database}: nothing was sent there, and the audit stopped"
                        )
    readings = _without_uncounted(readings, uncounted := uncounted_drivers())
    findings = [finding for reading in readings for finding in judge(reading, source)]
    unseen = _unseen(readings)
    if uncounted:
        names = ", ".join(uncounted)
        unseen.append(
            Unseen(
                "statements and rows",
                f"what is asked through {names} can't be counted; {', '.join(COUNTED)} are",
            )
        )
    if client.ended_badly:
        unseen.append(Unseen("the application's end", client.ended_badly))
    return Driven(tuple(readings), in_order(findings), tuple(unseen))


async def _in_time(
    drive: _Drive, operation: Operation, source: Source, left_s: float, stop: Stop
) -> EndpointReading:
    """The endpoint's reading; where its time is over, or it was stopped, one that says so."""
    limit = asyncio.timeout(left_s if left_s < FOR_EVER else None)
    try:
        # Calls that are not measured keep connections too: they are given back, or the next endpoints find none.
        with tallied() as unmeasured:
            try:
                with stop.listening():
                    async with limit:
                        return await drive.endpoint(operation)
            finally:
                await unmeasured.take_back()
    except TimeoutError:
        if not limit.expired():
            raise
        return _not_driven(operation, source, "the time that driving may take was over in the middle of it")
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not stop.is_asked or (task is not None and task.uncancel() > 0):
            raise
        return _not_driven(operation, source, STOPPED)


def _without_uncounted(readings: list[EndpointReading], uncounted: tuple[str, ...]) -> list[EndpointReading]:
    """The readings, and nothing told as none where what was asked could not be seen."""
    return [
        msgspec.structs.replace(each, is_counted=False)
        if uncounted and each.costs is not None and not each.costs.statements
        else each
        for each in readings
    ]


async def _document(client: AppClient) -> Mapping[str, Any]:
    for path in DOCUMENT_PATHS:
        answer = await client.ask(Call("GET", path), keeps=True)
        if answer.status == 200 and answer.body_bytes == len(answer.kept):
            try:
                document = msgspec.json.decode(answer.kept, type=dict[str, Any])
            except msgspec.DecodeError:
                continue
            if "paths" in document:
                return document
    raise NoDocument(f"no OpenAPI document at {', '.join(DOCUMENT_PATHS)}: give it, or its file")


def _why_not(operation: Operation, writes: bool, probe: Probe, database: str) -> str:
    """Why an operation is not driven; empty where it is."""
    if not operation.changes:
        return ""
    if not writes:
        return "it changes something, and the audit was not told that it may write"
    if database and not probe.has_reached:
        return f"it changes something, and no statement was seen to reach {database} through {', '.join(COUNTED)}, so where it writes is not known"
    return ""


def _not_driven(operation: Operation, source: Source, reason: str) -> EndpointReading:
    return EndpointReading(
        method=operation.method,
        path=operation.path,
        where=source.handler(operation.method, operation.path),
        reason=reason,
    )


def _unseen(readings: Sequence[EndpointReading]) -> list[Unseen]:
    unseen: list[Unseen] = []
    for each in readings:
        reason = each.reason
        for growth in (each.growth, each.growth_on_faults):
            if not reason and growth is not None and growth.verdict == "cannot_tell":
                filling = ", ".join(grown.container.name for grown in growth.containers)
                reason = (
                    f"whether it grows can't be told: {growth.slope.low:.2f} to {growth.slope.high:.2f}"
                    f" things a request over {growth.calls} calls"
                    + (f", while {filling} is filling up" if filling else "")
                    + "; drive it longer"
                )
        if reason:
            unseen.append(Unseen(each.route, reason))
    return unseen


class _Drive:
    """One application under audit."""

    def __init__(
        self, app: AsgiApp, client: AppClient, ids: KnownIds, source: Source, calls: int, seed: int
    ) -> None:
        self._app = app
        self._client = client
        self._ids = ids
        self._source = source
        self._calls = calls
        self._seed = seed
        self._heap = Heap()

    async def endpoint(self, operation: Operation) -> EndpointReading:
        asker = Asker(operation, self._ids, self._seed)
        reading = EndpointReading(
            method=operation.method,
            path=operation.path,
            where=self._source.handler(operation.method, operation.path),
            has_page_size=any(each.is_page_size for each in operation.of("query")),
        )
        first = await self._client.ask(asker.good(1), keeps=True)
        if first.ending == "hung":
            return msgspec.structs.replace(
                reading, reason=f"one call was not answered to its end within {CALL_S:.0f} s"
            )
        if first.is_good:
            self._learn(operation, first.kept)
            asker.takes_anything = (await self._client.ask(asker.undeclared())).is_good
        warm_up = Run(self._client, self._heap, asker.good)
        await warm_up.some(WARM_UP, WARM_UP_S)
        if warm_up.good_share < GOOD_SHARE:
            reading = msgspec.structs.replace(
                reading, reason=f"its calls were answered {warm_up.answers}, not with success"
            )
        else:
            reading = await self._good(reading, operation, asker, warm_up.patience_s)
        reading = await self._faulty(reading, asker)
        hostile = await be_hostile(self._client, asker, asker.good(1), warm_up.patience_s)
        return msgspec.structs.replace(reading, hostile=tuple(hostile))

    def _learn(self, operation: Operation, body: bytes) -> int:
        try:
            self._ids.learn(operation.path, msgspec.json.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return 0
        return rows_of(body)

    async def _good(
        self, reading: EndpointReading, operation: Operation, asker: Asker, patience_s: float
    ) -> EndpointReading:
        run = Run(self._client, self._heap, asker.good, patience_s=patience_s)
        whole, _ = await run.once(keeps=True)
        costed = max(FEWEST_COSTED, run.affordable(COSTED, WARM_UP_S))
        costs, rows = await costs_of(run, costed), self._learn(operation, whole.kept)
        # What there is already is taken out of the collector's sight, so that collecting costs what the calls left, not the program.
        gc.collect()
        gc.freeze()
        try:
            before, calls_before = Standing.now(), run.calls
            growth = await growth_of(run, self._calls, self._seed, self._app, self._source)
            left = await left_since(before, run, calls_before)
        finally:
            gc.unfreeze()
        statuses = {status: times for status, times in enumerate(run.statuses) if times}
        reason = "" if run.good_share >= GOOD_SHARE else f"its calls were answered {run.answers}"
        if growth is None and self._calls < FEWEST_CALLS:
            reason = f"{self._calls} calls were asked for, and with fewer than {FEWEST_CALLS} it can't be seen whether it grows"
        elif growth is None:
            reason = f"one call takes {costs.seconds:.1f} s, too long to see whether it grows"
        return msgspec.structs.replace(
            reading,
            calls=run.calls,
            statuses=statuses,
            rows=rows,
            costs=costs,
            growth=growth,
            left=left,
            reason=reason,
        )

    async def _faulty(self, reading: EndpointReading, asker: Asker) -> EndpointReading:
        faults = asker.faulty()
        if not faults:
            return reading
        run = Run(self._client, self._heap, lambda number: faults[number % len(faults)])
        await run.some(max(WARM_UP, len(faults)), WARM_UP_S)
        gc.collect()
        gc.freeze()
        try:
            growth = await growth_of(
                run, max(FEWEST_CALLS, self._calls // 2), self._seed, self._app, self._source
            )
        finally:
            gc.unfreeze()
        return msgspec.structs.replace(reading, growth_on_faults=growth)
