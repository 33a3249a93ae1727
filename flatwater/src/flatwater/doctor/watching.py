"""What the live view reads, and how it looks in 80 columns and 24 lines."""

from __future__ import annotations

import unicodedata
from collections import deque
from datetime import datetime
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.checks.blocking import Wait, all_waits
from flatwater.doctor.look import Look
from flatwater.doctor.model import NotExamined
from flatwater.doctor.processes import in_words, memory_of
from flatwater.doctor.quoting import printable, statement_shape
from flatwater.doctor.sessions import Session, all_sessions, spent
from flatwater.doctor.trends import MOST, Slope, theil_sen

WIDTH: Final = 80
HEIGHT: Final = 24
MAX_STATEMENTS: Final = 7
MAX_WAITS: Final = 4
MAX_POOL_WORDS: Final = 6


class Now(Struct, frozen=True):
    """The server in one row; counters run since its statistics were last reset."""

    connections: int
    active: int
    idle: int
    forgotten: int
    blocked: int
    allowed: int
    longest_s: float
    transactions: int
    hits: int
    reads: int
    temp_bytes: int


class Reading(Struct, frozen=True):
    """One moment of the live view. Rates are since the reading before; a slope is None until there are five of them."""

    at: datetime
    database: str
    server_version: int
    now: Now
    statements: tuple[Session, ...]
    waits: tuple[Wait, ...]
    pss_bytes: int | None
    transactions_each_s: float | None = None
    hit_share: float | None = None
    connections_slope: Slope | None = None
    memory_slope: Slope | None = None
    pool: dict[str, float] = {}
    not_seen: tuple[str, ...] = ()


class Watch:
    """Reads a server again and again and keeps the last hundred moments for their slope."""

    def __init__(self) -> None:
        self._before: tuple[datetime, Now] | None = None
        self._connections: deque[tuple[float, float]] = deque(maxlen=MOST)
        self._memory: deque[tuple[float, float]] = deque(maxlen=MOST)

    def read(self, look: Look, pool: dict[str, float] | None = None) -> Reading:
        """This moment. *Cost*: four statements and, where local, one small file of each process. *Errors*: NotExamined."""
        now = look.rows(queries["watched_now"], into=Now)[0]
        at_s = look.at.timestamp()
        self._connections.append((at_s, now.connections))
        sessions = all_sessions(look)
        pss_bytes = _server_memory(sessions, look) if look.is_local else None
        if pss_bytes is not None:
            self._memory.append((at_s, pss_bytes))
        not_seen: list[str] = [] if look.is_local else ["memory: the server is on another machine"]
        waits: list[Wait] = []
        try:
            waits = all_waits(look) if now.blocked else []
        except NotExamined as reason:
            not_seen.append(f"locks: {reason}")
        transactions_each_s, hit_share = self._rates(look.at, now)
        active = sorted(
            (s for s in sessions if s.state not in {"idle", "hidden"}), key=lambda s: -s.statement_s
        )
        return Reading(
            at=look.at,
            database=look.database,
            server_version=look.version,
            now=now,
            statements=tuple(active[:MAX_STATEMENTS]),
            waits=tuple(waits[:MAX_WAITS]),
            pss_bytes=pss_bytes,
            transactions_each_s=transactions_each_s,
            hit_share=hit_share,
            connections_slope=theil_sen(list(self._connections)),
            memory_slope=theil_sen(list(self._memory)),
            pool=dict(list((pool or {}).items())[:MAX_POOL_WORDS]),
            not_seen=tuple(not_seen),
        )

    def _rates(self, at: datetime, now: Now) -> tuple[float | None, float | None]:
        before, self._before = self._before, (at, now)
        if before is None:
            return None, None
        passed_s = (at - before[0]).total_seconds()
        asked = now.hits + now.reads - before[1].hits - before[1].reads
        each_s = (now.transactions - before[1].transactions) / passed_s if passed_s > 0 else None
        return each_s, (now.hits - before[1].hits) / asked if asked > 0 else None


def _server_memory(sessions: list[Session], look: Look) -> int | None:
    seen = [
        memory.pss_bytes
        for pid in (look.backend_pid, *(s.pid for s in sessions))
        if (memory := memory_of(pid))
    ]
    return sum(seen) if seen else None


def frame(reading: Reading) -> str:
    """The view of one moment: never wider than 80 columns nor higher than 24 lines, whatever the server's names hold."""
    now = reading.now
    lines = [
        f"flatwater watch  {reading.database}  PostgreSQL {reading.server_version // 10_000}  {reading.at:%H:%M:%S %Z}",
        "",
        f"connections  {now.connections} of {now.allowed}{_states(reading)}",
        f"statements   {_rate(reading)}, the longest {spent(now.longest_s)}",
        f"locks        {now.blocked} wait",
        f"memory       {_memory(reading)}",
        f"pool         {_pool(reading)}",
        "",
        "  pid     for      state     application/route, waits for: statement",
    ]
    lines += [_statement(each) for each in reading.statements] or ["  (nothing runs)"]
    if reading.waits:
        lines += ["", "  who waits for whom"]
        lines += [
            f"  {each.pid} waits {spent(each.waited_s)} for {each.blocker_pid} {each.blocker_application_name} "
            f"({each.blocker_state}) on {each.subject or each.kind}"
            for each in reading.waits
        ]
    lines += [f"  not examined: {each}" for each in reading.not_seen]
    return "\n".join(_cut(line) for line in lines[:HEIGHT])


def _states(reading: Reading) -> str:
    now = reading.now
    slope = _slope(reading.connections_slope, is_bytes=False)
    return f": {now.active} active, {now.idle} idle, {now.forgotten} idle in transaction{slope}"


def _cut(line: str) -> str:
    clean = printable(line).replace("\n", " ")
    room = WIDTH
    for at, character in enumerate(clean):
        room -= _columns(character)
        if room < 0:
            return _within(clean[:at], WIDTH - 1) + "…"
    return clean


def _within(text: str, columns: int) -> str:
    while sum(map(_columns, text)) > columns:
        text = text[:-1]
    return text


def _columns(character: str) -> int:
    """How many columns a terminal gives a character: two to a wide one, none to a mark on the one before."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _rate(reading: Reading) -> str:
    if reading.transactions_each_s is None:
        return "counting"
    share = "" if reading.hit_share is None else f", {reading.hit_share:.1%} from buffers"
    return f"{reading.transactions_each_s:.1f} transactions/s{share}"


def _memory(reading: Reading) -> str:
    if reading.pss_bytes is None:
        return "not examined"
    return f"{in_words(reading.pss_bytes)} of sessions (PSS){_slope(reading.memory_slope, is_bytes=True)}"


def _pool(reading: Reading) -> str:
    if not reading.pool:
        return "not examined (give --healthz URL)"
    return ", ".join(f"{name} {value:g}" for name, value in reading.pool.items())


def _slope(slope: Slope | None, *, is_bytes: bool) -> str:
    if slope is None:
        return ""
    each_hour = slope.slope * 3_600
    shown = in_words(abs(each_hour)) if is_bytes else f"{abs(each_hour):.1f}"
    verdict = "grows" if slope.grows else "flat" if slope.high >= 0 else "shrinks"
    return f"  {verdict} ({'+' if each_hour >= 0 else '-'}{shown}/h)"


def _statement(session: Session) -> str:
    state = {"active": "runs", "idle in transaction": "forgot"}.get(session.state, session.state)[:8]
    waits = (
        f" [{session.waits_for_kind} {session.waits_for}]"
        if session.waits_for_kind not in {"", "Client"}
        else ""
    )
    since_s = session.statement_s if session.state == "active" else session.in_state_s
    return (
        f"  {session.pid:<7} {spent(since_s):<8} {state:<9} "
        f"{session.application_name or session.role}{waits}: {statement_shape(session.statement)}"
    )
