"""The joined diagnosis: which of the known illnesses of application and database together this is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.checks.blocking import Wait, all_waits, below, roots
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined, Severity
from flatwater.doctor.pool_size import pool_size
from flatwater.doctor.quoting import statement_shape
from flatwater.doctor.sessions import (
    FORGOTTEN_S,
    MAX_CURES,
    Session,
    all_sessions,
    hidden,
    is_forgotten,
    route_of,
    spent,
    terminate,
)

NAME: Final = "diagnosis"


class Diagnosis(Struct, frozen=True):
    """Tells a leak, a forgotten transaction, a pile-up behind one lock and a pool that is too small or too large apart.

    A leak is told where the pools' size is known (see `pool_size`). *Source*: the guard's levels (idle over 5 minutes; a pool's
    target of five connections for how many in one line are critical whatever the pool).
    """

    many: int = 5
    idle_s: float = 300.0
    forgotten_s: float = 1.0
    held_up_s: float = 1.0
    """As blocking's first level: shorter waits are what any busy row makes."""
    name: str = NAME
    title: str = "Application and database together"
    why: str = "The same empty pool has four causes with four cures; each is told by joining routes, sessions and locks."

    def look(self, look: Look) -> Iterator[Finding]:
        if look.application is None:
            raise NotExamined("No application was named (--application), so there is nothing to join.")
        sessions = all_sessions(look)
        mine = [each for each in sessions if each.application == look.application]
        if not mine:
            seen = (
                ", ".join(sorted({each.application for each in sessions if each.application})[:8]) or "none"
            )
            raise NotExamined(f"No session bears the name {look.application}; the names there are: {seen}.")
        waits = all_waits(look)
        found = [
            *self._pile_up(look, mine, waits),
            *self._forgotten(look, mine),
            *self._leak(look, mine),
            *hidden(look, NAME, mine),
        ]
        yield from found
        if not found:
            routes = _routes(each.route for each in mine if each.state != "idle")
            yield Finding(
                NAME,
                f"{NAME}/{look.application}",
                "ok",
                f"{len(mine)} connections of {look.application}, none held up, forgotten or leaked{routes}.",
                self.why,
                numbers={"connections": len(mine)},
            )

    def _pile_up(self, look: Look, mine: list[Session], waits: list[Wait]) -> Iterator[Finding]:
        pids = {each.pid for each in mine}
        for root, held_up in roots(waits).items():
            behind = [each for each in below(waits, root) if each.pid in pids]
            # Who waits for a moment stands in no line: rows that many write are locked for milliseconds all day long.
            if not behind or max(each.waited_s for each in behind) < self.held_up_s:
                continue
            first = held_up[0]
            share = len(behind) / max(len(mine), 1)
            severity: Severity = "critical" if len(behind) >= self.many or share >= 0.5 else "warning"
            route = route_of(first.blocker_application_name)
            held_by = (
                f"route {route} of {look.application}"
                if route
                else first.blocker_application_name or first.blocker_role
            )
            yield Finding(
                check=NAME,
                key=f"{NAME}/pile-up/{held_by}",
                severity=severity,
                saw=f"{len(behind)} of {len(mine)} connections of {look.application} wait for one that {held_by} (pid {root}) holds "
                f"on {first.subject or first.kind}, {first.blocker_state} for {spent(first.blocker_in_state_s)}"
                f"{_routes(route_of(each.application_name) for each in behind)}. It last ran: "
                f"{statement_shape(first.blocker_statement)}",
                why="The pool is not too small: its connections stand in one line. A bigger one only makes the line longer.",
                cures=(
                    Cure(
                        explanation=f"Cure blocking/{first.blocker_application_name or first.blocker_role}; "
                        "then shorten that transaction."
                    ),
                ),
                numbers={"waiting": len(behind), "connections": len(mine), "blocker_pid": root},
            )

    def _forgotten(self, look: Look, mine: list[Session]) -> Iterator[Finding]:
        forgotten = [
            each
            for each in mine
            if each.state.startswith("idle in transaction") and each.in_state_s >= self.forgotten_s
        ]
        if not forgotten:
            return
        first = forgotten[0]
        severity: Severity = (
            "critical" if len(forgotten) >= self.many or first.in_state_s >= FORGOTTEN_S else "warning"
        )
        yield Finding(
            check=NAME,
            key=f"{NAME}/forgotten/{first.route or look.application}",
            severity=severity,
            saw=f"{len(forgotten)} of {len(mine)} connections of {look.application} sit in an open transaction, the longest for "
            f"{spent(first.in_state_s)}{_routes(each.route for each in forgotten)}. It last ran: {statement_shape(first.statement)}",
            why="The code waits for something else (a call, a file, a person) inside a transaction, or lost its way out.",
            cures=tuple(terminate(look, each, is_safe=is_forgotten(each)) for each in forgotten[:MAX_CURES]),
            numbers={"forgotten": len(forgotten), "connections": len(mine)},
        )

    def _leak(self, look: Look, mine: list[Session]) -> Iterator[Finding]:
        size = pool_size(look)
        idle = [each for each in mine if each.state == "idle" and each.in_state_s >= self.idle_s]
        if size is None or len(mine) <= size.connections or not idle:
            return
        statements = Counter(statement_shape(each.statement) for each in idle)
        most, count = statements.most_common(1)[0]
        yield Finding(
            check=NAME,
            key=f"{NAME}/leak/{look.application}",
            severity="critical" if len(mine) > 2 * size.connections else "warning",
            saw=f"{look.application} holds {len(idle)} connections that did nothing for over {spent(self.idle_s)}, of {len(mine)} "
            f"where its pools may hold {size.connections} ({size.known_by})"
            f"{_routes(each.route for each in idle)}; {count} of them last ran: {most}",
            why="Connections are taken and not given back, made for each module or request, or there are more processes than the "
            "pools were sized for.",
            cures=(
                *(
                    terminate(look, each, is_safe=size.is_told)
                    for each in idle[: min(len(mine) - size.connections, MAX_CURES)]
                ),
                Cure(
                    explanation="Make one pool for each process, in the application's lifespan, and give its connections back."
                ),
            ),
            numbers={"idle": len(idle), "connections": len(mine)},
        )


def _routes(names: Iterator[str]) -> str:
    counted = Counter(each for each in names if each).most_common(4)
    return f"; routes: {', '.join(f'{route} {count}' for route, count in counted)}" if counted else ""


CHECK = Diagnosis()
