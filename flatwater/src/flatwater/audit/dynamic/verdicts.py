"""From what was measured of an endpoint to findings: each rule's threshold with its source, its reason and its cure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from flatwater.audit.dynamic.census import Container, Grown
from flatwater.audit.dynamic.growth import Growth
from flatwater.audit.dynamic.hostile import HostileReading
from flatwater.audit.dynamic.places import NOWHERE, Source
from flatwater.audit.dynamic.reading import EndpointReading
from flatwater.audit.model import RANK, Finding, Place, Priority

REPEATS: Final = 5
"""*Source*: Sentry's N+1 detector, five similar statements."""
MANY_REPEATS: Final = 10
"""*Source*: perf-sentinel's critical N+1."""
CHATTY: Final = 15
"""*Source*: perf-sentinel, more than 15 calls for one answer."""
PAGE_CEILING: Final = 1_000
"""*Source*: the page ceiling of flatwater.paging."""
PAGE_WITHOUT_CEILING: Final = 100
"""Five default pages. *Source*: the default page of flatwater.paging is 20."""
WHOLE_BYTES: Final = 1_000_000
"""Sixteen requests at once then hold 16 MB of answers. *Source*: our own; Sentry warns of payloads from 300 kB."""
PEAK_BYTES: Final = 8_000_000
"""Sixteen requests at once then take a quarter of the 500 MB that are the target. *Source*: the service levels."""
DROPPED: Final = 10
MOST_TOLD: Final = 4
"""Sightings of one rule that are told; more say nothing new."""
PER_CALL: Final = 0.5
"""Left behind in at least every second call: what is left once is a cache or a pool that fills."""


class _Rule(msgspec.Struct, frozen=True):
    priority: Priority
    why: str
    change: str


RULES: Final[dict[str, _Rule]] = {
    "growing-container": _Rule(
        "P1",
        "What only grows takes the process's memory in time.",
        "Keep it bounded: a deque with maxlen, a table, or nothing at all.",
    ),
    "unbounded-cache": _Rule(
        "P1",
        "A cache without a ceiling is a leak whose speed the callers choose.",
        "Bound it by entries and bytes (flatwater.cache.Cache), with an expiry.",
    ),
    "exception-kept": _Rule(
        "P1",
        "An exception holds its traceback, its frames and all that they knew.",
        "Keep its type and text; never the object.",
    ),
    "label-from-input": _Rule(
        "P1",
        "Every new label value is a time series that is kept for ever.",
        "Label by route and status; a user or an address is for the log.",
    ),
    "memory-grows": _Rule(
        "P1",
        "The process takes more with each request until it is killed.",
        "Look at the line named; let what it makes go when the request ends.",
    ),
    "unowned-task": _Rule(
        "P1",
        "A task that never ends holds its memory and, in time, the event loop.",
        "Let an owner (a task group, the lifespan) await or cancel it, with a deadline.",
    ),
    "connection-not-returned": _Rule(
        "P1",
        "A few calls empty the pool, and everybody waits for ever.",
        "Take connections in a block: `async with pool.connection()`.",
    ),
    "client-per-request": _Rule(
        "P1",
        "Each connection costs the server a process, 5-10 MB and some milliseconds.",
        "Make one pool in the application's lifespan and take connections from it.",
    ),
    "thread-left": _Rule(
        "P1",
        "A thread that stays holds its stack and what it works with.",
        "Use one bounded pool of threads, closed in the lifespan.",
    ),
    "file-left": _Rule(
        "P1",
        "Open files run out, and then nothing can be opened or accepted.",
        "Open files and sockets in a block that closes them.",
    ),
    "query-per-row": _Rule(
        "P2",
        "The time of one answer grows with its rows, and so does the load of the server.",
        "Ask once for all rows: a join, or `= any(%(ids)s)`.",
    ),
    "unpaged-list": _Rule(
        "P1",
        "One answer is as large as the table, which grows.",
        "Page by key with a ceiling (flatwater.paging), whatever is asked for.",
    ),
    "response-built-whole": _Rule(
        "P2",
        "The answer is held in memory in one piece, several times over, for each request at once.",
        "Stream it in pieces of 64 kB from a cursor on the server.",
    ),
    "large-peak": _Rule(
        "P2",
        "Requests at the same time multiply what one takes.",
        "Work in pieces; give the route a memory budget.",
    ),
    "rows-read-and-dropped": _Rule(
        "P2", "Rows are sent, held and thrown away.", "Filter, count and sum in the statement."
    ),
    "chatty": _Rule(
        "P3",
        "Each statement is a round trip during which a connection is held.",
        "Join statements, or ask once for several.",
    ),
    "offset-paging": _Rule(
        "P3",
        "The server reads and drops every row before the page; rows are skipped and doubled under writes.",
        "Page by key: `where id > %(after)s order by id limit`.",
    ),
    "error-on-bad-input": _Rule(
        "P2",
        "What anybody can send makes an internal error, with its log and its alarm.",
        "Check the input where it comes in and answer 4xx.",
    ),
    "body-without-ceiling": _Rule(
        "P1",
        "Whoever sends much takes the memory, without signing in where the route is public.",
        "Refuse with 413 beyond a ceiling, while reading; stream uploads.",
    ),
    "survives-its-client": _Rule(
        "P2",
        "Work for somebody who has left takes connections from those who wait.",
        "Watch for `http.disconnect`, cancel the statement, give the connection back (flatwater.guard).",
    ),
}


class _Told(msgspec.Struct, frozen=True):
    rule: str
    saw: str
    where: Place = NOWHERE
    priority: Priority | None = None
    subject: str = ""


def judge(reading: EndpointReading, source: Source) -> list[Finding]:
    """The findings on one endpoint: each rule once, with everything seen of it."""
    told: dict[str, _Told] = {}
    for each in (*_growing(reading), *_left_over(reading), *_costly(reading), *_provoked(reading, source)):
        known = told.get(each.rule)
        told[each.rule] = each if known is None else _joined(known, each)
    return [_finding(reading, each) for each in told.values()]


def _joined(first: _Told, second: _Told) -> _Told:
    """Two sightings of one rule as one, of the graver priority."""
    graver = min(first, second, key=lambda each: RANK[each.priority or RULES[each.rule].priority])
    saw = first.saw
    if second.saw not in saw and saw.count("\n") < MOST_TOLD - 1:
        saw = f"{saw}\n{second.saw}"
    return msgspec.structs.replace(first, saw=saw, priority=graver.priority)


def _finding(reading: EndpointReading, told: _Told) -> Finding:
    rule = RULES[told.rule]
    subject = f":{told.subject}" if told.subject else ""
    return Finding(
        key=f"{told.rule}/{reading.route}{subject}",
        rule=told.rule,
        priority=told.priority or rule.priority,
        where=told.where if told.where.path else reading.where,
        route=reading.route,
        saw=told.saw,
        why=rule.why,
        change=rule.change,
        by="driving",
    )


def _growing(reading: EndpointReading) -> Iterator[_Told]:
    for growth, sort in ((reading.growth, "calls"), (reading.growth_on_faults, "faulty calls")):
        if growth is None or growth.verdict != "grows":
            continue
        where = growth.lines[0][0] if growth.lines else NOWHERE
        amount = _amount(growth, sort)
        for each in growth.containers:
            saw = f"{each.container.name} grew by {each.per_request:.1f} a request; {amount}"
            yield _Told(_rule_of(each.container), saw, where, subject=_stable(each))
        is_explained = (
            growth.containers or reading.left.tasks >= PER_CALL or reading.left.connections >= PER_CALL
        )
        # Opening a connection leaves something in the driver now and then, up to 2.3 things a call (measured 2026-11-23); where no
        # line of the application holds what stays, the connections are told and not their traces.
        opens = reading.costs is not None and reading.costs.connects > 0
        if not is_explained and not (opens and not growth.lines):
            yield _Told("memory-grows", amount[0].upper() + amount[1:], where)


def _amount(growth: Growth, sort: str) -> str:
    slope = growth.slope
    return (
        f"{growth.bytes_per_request:.0f} bytes and {slope.slope:.2f} things a request stayed over {growth.calls} {sort}"
        f" (95 % interval {slope.low:.2f} to {slope.high:.2f} things)."
    )


def _stable(each: Grown) -> str:
    return each.container.name.partition("[")[0]


def _rule_of(container: Container) -> str:
    if container.is_exception:
        return "exception-kept"
    if container.owner:
        return "label-from-input"
    if container.holds in ("Task", "TaskStep"):
        return "unowned-task"
    return "unbounded-cache" if container.kind in ("dict", "cache") else "growing-container"


def _left_over(reading: EndpointReading) -> Iterator[_Told]:
    left = reading.left
    if left.connections >= PER_CALL:
        yield _Told(
            "connection-not-returned",
            f"{left.connections:.1f} connections a request were not given back after its answer.",
        )
    if left.tasks >= PER_CALL:
        yield _Told(
            "unowned-task",
            f"{left.tasks:.1f} tasks a request ({left.task}) had not ended a second after the last answer.",
        )
    if left.threads >= PER_CALL:
        yield _Told(
            "thread-left", f"{left.threads:.1f} threads a request were still there after the last answer."
        )
    if left.files >= PER_CALL and left.connections < PER_CALL:
        yield _Told(
            "file-left", f"{left.files:.1f} open files a request were still there after the last answer."
        )


def _costly(reading: EndpointReading) -> Iterator[_Told]:
    costs = reading.costs
    if costs is None:
        return
    if costs.connects:
        yield _Told("client-per-request", f"{costs.connects} connections were opened for one request.")
    if costs.repeats >= REPEATS:
        priority: Priority = "P1" if costs.repeats >= MANY_REPEATS else "P2"
        yield _Told(
            "query-per-row",
            f"{costs.repeats} times in one request: {costs.repeated[:120]}",
            priority=priority,
        )
    elif costs.statements > CHATTY:
        yield _Told("chatty", f"{costs.statements} statements for one answer.")
    rows = reading.rows
    if rows > PAGE_CEILING:
        yield _Told("unpaged-list", f"{rows:,} rows in one answer, {costs.body_bytes:,} bytes.")
    elif rows > PAGE_WITHOUT_CEILING and not reading.has_page_size:
        yield _Told(
            "unpaged-list", f"{rows:,} rows in one answer, and no page size can be asked for.", priority="P3"
        )
    elif (
        costs.rows >= PAGE_CEILING and costs.rows >= DROPPED * max(rows, 1) and costs.body_bytes < WHOLE_BYTES
    ):
        yield _Told("rows-read-and-dropped", f"{costs.rows:,} rows were read for {rows:,} in the answer.")
    if costs.largest_piece_bytes >= WHOLE_BYTES:
        yield _Told(
            "response-built-whole",
            f"{costs.largest_piece_bytes:,} bytes were sent in one piece; making the answer took {costs.peak_bytes:,}.",
        )
    elif costs.peak_bytes >= PEAK_BYTES:
        yield _Told("large-peak", f"One call takes {costs.peak_bytes:,} bytes at its peak.")


def _provoked(reading: EndpointReading, source: Source) -> Iterator[_Told]:
    for each in reading.hostile:
        if each.kind == "huge_page" and each.rows > PAGE_CEILING:
            yield _Told("unpaged-list", f"{each.rows:,} rows came when {each.says} was asked for.")
        elif each.kind == "deep_offset" and 200 <= each.status < 300:
            yield _Told("offset-paging", f"{each.says.capitalize()} was answered with {each.status}.")
        elif each.kind == "big_body" and each.peak_bytes >= each.sent_bytes and each.status < 500:
            yield _Told(
                "body-without-ceiling",
                f"{each.taken_bytes:,} of {each.sent_bytes:,} bytes were read and {each.peak_bytes:,} taken in memory; the answer was {each.status}.",
            )
        elif each.kind.startswith("leaves") and each.survived and reading.left.connections < PER_CALL:
            yield _Told("survives-its-client", f"When its client left, it left {each.survived}.")
        if each.raised is not None or each.status == 500:
            yield _broke(each, source)


def _broke(each: HostileReading, source: Source) -> _Told:
    raised = each.raised
    kind = f" ({raised.kind})" if raised is not None else ""
    where = source.place(raised.lines) if raised is not None else NOWHERE
    return _Told(
        "error-on-bad-input",
        f"{each.says or 'A client that left'}: {each.status or 'no answer'}{kind}.",
        where,
    )
