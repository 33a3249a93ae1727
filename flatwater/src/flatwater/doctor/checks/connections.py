"""Connections: how many there are, whose, in what state and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.sessions import MAX_CURES, Session, all_sessions, hidden, spent, terminate, who

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
    """*Source*: the guard's service levels (3 to 5 connections an application, warning over 8, critical over 15; idle over
    5 minutes; any idle in transaction), and 75 and 90 per cent of the server's room as pg-healthcheck has them."""

    target: int = 5
    warning: int = 8
    critical: int = 15
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
        look.remember("trend/connections", room.taken)
        yield self._room(room, groups)
        if look.application is not None:
            mine = [each for each in groups if each.application == look.application]
            yield self._application(look, mine, sessions)
        yield from self._idle(look, sessions)
        yield from self._idle_in_transaction(look, sessions)
        yield from hidden(look, NAME, sessions)

    def _room(self, room: _Room, groups: list[_Group]) -> Finding:
        usable = max(room.allowed - room.reserved, 1)
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
        severity: Severity = "ok"
        if count > self.critical:
            severity = "critical"
        elif count > self.warning:
            severity = "warning"
        elif count > self.target:
            severity = "notice"
        cures: tuple[Cure, ...] = ()
        if severity not in {"ok", "notice"}:
            idle = [s for s in sessions if s.application == look.application and s.state == "idle"]
            # As many as bring it down to its target; a pool that needs one opens it again.
            cures = tuple(terminate(look, each) for each in idle[: min(count - self.target, MAX_CURES)])
        return Finding(
            check=NAME,
            key=f"{NAME}/{look.application}",
            severity=severity,
            saw=f"{look.application} holds {count} connections ({states}), the oldest for {spent(oldest_s)}; "
            f"3 to {self.target} are its target.",
            why="An application that holds more than it uses at once leaks them, or its pool is too big.",
            cures=cures,
            numbers={"connections": count, "target": self.target},
        )

    def _idle(self, look: Look, sessions: list[Session]) -> Iterator[Finding]:
        by_application: dict[str, list[Session]] = {}
        for each in sessions:
            if each.state == "idle" and each.in_state_s >= self.idle_s:
                by_application.setdefault(each.application or each.role, []).append(each)
        for application, idle in by_application.items():
            # Up to a pool's target may rest; a pool keeps one or two warm. More than that is what the guard calls a warning.
            severity: Severity = "warning" if len(idle) > self.target else "notice"
            cures = tuple(terminate(look, each) for each in idle[:MAX_CURES])
            yield Finding(
                check=NAME,
                key=f"{NAME}/idle/{application}",
                severity=severity,
                saw=f"{len(idle)} connections of {application} did nothing for over {spent(self.idle_s)}, "
                f"the longest for {spent(idle[0].in_state_s)}.",
                why="Idle connections keep their memory and their place; eleven of them began the 2.29 GiB that this tool exists for.",
                cures=cures,
                numbers={"idle": len(idle), "longest_s": round(idle[0].in_state_s, 1)},
            )

    def _idle_in_transaction(self, look: Look, sessions: list[Session]) -> Iterator[Finding]:
        by_name: dict[str, list[Session]] = {}
        for each in sessions:
            if each.state.startswith("idle in transaction") and each.in_state_s >= self.idle_in_transaction_s:
                by_name.setdefault(each.application_name or each.role, []).append(each)
        for name, waiting in by_name.items():
            longest = waiting[0]
            # 30 s is where flatwater's pool ends such a session by itself.
            severity: Severity = "critical" if longest.in_state_s >= 30 else "warning"
            route = f" in route {longest.route}" if longest.route else ""
            yield Finding(
                check=NAME,
                key=f"{NAME}/idle in transaction/{name}",
                severity=severity,
                saw=f"{len(waiting)} sessions of {longest.application or longest.role}{route} opened a transaction and wait; "
                f"{who(longest)} for {spent(longest.in_state_s)}.",
                why="It keeps its locks and holds back vacuum while the application does something else, or forgot it.",
                cures=(
                    *(terminate(look, each) for each in waiting[:MAX_CURES]),
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
