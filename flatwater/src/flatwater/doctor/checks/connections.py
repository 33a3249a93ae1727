"""Connections: how many there are, whose, in what state and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.pool_size import PoolSize, pool_size, seen_key
from flatwater.doctor.sessions import (
    FORGOTTEN_S,
    MAX_CURES,
    Session,
    all_sessions,
    hidden,
    is_forgotten,
    spent,
    terminate,
    who,
)

NAME: Final = "connections"


class _Room(Struct, frozen=True):
    allowed: int
    reserved: int
    taken: int


class _Group(Struct, frozen=True):
    application: str
    role: str
    state: str
    sessions: int
    longest_in_state_s: float
    oldest_s: float


class Connections(Struct, frozen=True):
    """What an application holds is judged by its own pools' size, and where that isn't known by the server's room alone.

    *Source*: the guard (idle over 5 minutes; any idle in transaction), and 75 and 90 per cent of the server's room as pg-healthcheck has
    them; a quarter of the room for what does nothing.
    """

    idle_share: float = 0.25
    share_warning: float = 0.75
    share_critical: float = 0.90
    idle_s: float = 300.0
    idle_in_transaction_s: float = 1.0
    """A transaction between two statements of a healthy one is idle for milliseconds; a second is somebody waiting."""
    name: str = NAME
    title: str = "Connections"
    why: str = (
        "Every connection is a server process with memory of its own, and when all are taken nobody gets in."
    )

    def look(self, look: Look) -> Iterator[Finding]:
        room = look.rows(queries["connection_room"], into=_Room)[0]
        groups = look.rows(queries["connections_by_state"], into=_Group)
        sessions = all_sessions(look)
        usable = max(room.allowed - room.reserved, 1)
        look.remember("trend/connections", room.taken)
        yield self._room(room, usable, groups)
        if look.application is not None:
            mine = [each for each in groups if each.application == look.application]
            yield self._application(look, mine, sessions)
        yield from self._idle(look, sessions, usable)
        yield from self._idle_in_transaction(look, sessions)
        yield from hidden(look, NAME, sessions)

    def _room(self, room: _Room, usable: int, groups: list[_Group]) -> Finding:
        share = room.taken / usable
        severity: Severity = "ok"
        if share >= self.share_critical:
            severity = "critical"
        elif share >= self.share_warning:
            severity = "warning"
        by_application: dict[str, int] = {}
        for each in groups:
            name = each.application or f"nameless, role {each.role}"
            by_application[name] = by_application.get(name, 0) + each.sessions
        most = sorted(by_application.items(), key=lambda pair: -pair[1])[:5]
        holders = ", ".join(f"{name} {count}" for name, count in most) or "nobody else"
        cure = Cure(
            explanation="Make the pools smaller (processes x pool size is what they can take) or put a pooler in front; "
            "raising max_connections makes each one dearer."
        )
        return Finding(
            check=NAME,
            key=f"{NAME}/room",
            severity=severity,
            saw=f"{room.taken} of {usable} connections are taken ({share:.0%}); most by {holders}.",
            why=self.why,
            cures=(cure,) if severity != "ok" else (),
            numbers={"taken": room.taken, "usable": usable, "max_connections": room.allowed},
        )

    def _application(self, look: Look, groups: list[_Group], sessions: list[Session]) -> Finding:
        count = sum(each.sessions for each in groups)
        states = ", ".join(f"{each.sessions} {each.state}" for each in groups) or "none"
        oldest_s = max((each.oldest_s for each in groups), default=0.0)
        size = pool_size(look)
        look.remember(seen_key(look), count)
        severity: Severity = "ok"
        cures: tuple[Cure, ...] = ()
        if size is None:
            judged = "How many its pools may hold isn't known: say it with --pool, processes x pool size."
        else:
            judged = f"Its pools may hold {size.connections} ({size.known_by})."
            if count > size.connections:
                severity = "critical" if count > 2 * size.connections else "warning"
                cures = self._back_to(size, count, look, sessions)
        return Finding(
            check=NAME,
            key=f"{NAME}/{look.application}",
            severity=severity,
            saw=f"{look.application} holds {count} connections ({states}), the oldest for {spent(oldest_s)}. {judged}",
            why="More connections than its pools can hold come from a leak, from a pool made anew for each module or request, "
            "or from more processes than were counted.",
            cures=cures,
            numbers={"connections": count, "oldest_s": round(oldest_s, 1)},
        )

    def _back_to(self, size: PoolSize, count: int, look: Look, sessions: list[Session]) -> tuple[Cure, ...]:
        """Ends as many as are beyond the pools' size, and of those only what nobody used for minutes: a pool that is asked uses its own."""
        unused = [
            each
            for each in sessions
            if each.application == look.application
            and each.state == "idle"
            and each.in_state_s >= self.idle_s
        ]
        beyond = unused[: min(count - size.connections, MAX_CURES)]
        return (
            *(terminate(look, each, is_safe=size.is_told) for each in beyond),
            Cure(
                explanation="Make one pool for each process, when the application starts, and give its connections back."
            ),
        )

    def _idle(self, look: Look, sessions: list[Session], usable: int) -> Iterator[Finding]:
        by_application: dict[str, list[Session]] = {}
        for each in sessions:
            if each.state == "idle" and each.in_state_s >= self.idle_s:
                by_application.setdefault(each.application or each.role, []).append(each)
        for application, idle in by_application.items():
            # A pool may rest with all it has; what rests with a large part of the server's room keeps others out.
            severity: Severity = "warning" if len(idle) >= usable * self.idle_share else "notice"
            yield Finding(
                check=NAME,
                key=f"{NAME}/idle/{application}",
                severity=severity,
                saw=f"{len(idle)} of {usable} connections are {application}'s and did nothing for over {spent(self.idle_s)}, "
                f"the longest for {spent(idle[0].in_state_s)}.",
                why="Idle connections keep their memory and their place; eleven of them began the 2.29 GiB that this tool exists for.",
                cures=(
                    Cure(
                        explanation="Let the pool give back what rests (psycopg_pool max_idle, asyncpg max_inactive_connection_lifetime, "
                        "Django CONN_MAX_AGE), or make it smaller."
                    ),
                    *(terminate(look, each, is_safe=False) for each in idle[:MAX_CURES]),
                ),
                numbers={"idle": len(idle), "longest_s": round(idle[0].in_state_s, 1)},
            )

    def _idle_in_transaction(self, look: Look, sessions: list[Session]) -> Iterator[Finding]:
        by_name: dict[str, list[Session]] = {}
        for each in sessions:
            if each.state.startswith("idle in transaction") and each.in_state_s >= self.idle_in_transaction_s:
                by_name.setdefault(each.application_name or each.role, []).append(each)
        for name, waiting in by_name.items():
            longest = waiting[0]
            severity: Severity = "critical" if longest.in_state_s >= FORGOTTEN_S else "warning"
            route = f" in route {longest.route}" if longest.route else ""
            yield Finding(
                check=NAME,
                key=f"{NAME}/idle in transaction/{name}",
                severity=severity,
                saw=f"{len(waiting)} sessions of {longest.application or longest.role}{route} opened a transaction and wait; "
                f"{who(longest)} for {spent(longest.in_state_s)}.",
                why="It keeps its locks and holds back vacuum while the application does something else, or forgot it.",
                cures=(
                    *(terminate(look, each, is_safe=is_forgotten(each)) for each in waiting[:MAX_CURES]),
                    Cure(
                        explanation="Do the slow work before or after the transaction, and give it a deadline."
                    ),
                ),
                numbers={
                    "sessions": len(waiting),
                    "longest_s": round(longest.in_state_s, 1),
                    "pid": longest.pid,
                },
            )


CHECK = Connections()
