"""Requests that wait inside the application for a connection, joined to whoever keeps the connections busy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.checks.blocking import Blocking, all_waits, below, cure_of, roots
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined, Severity
from flatwater.doctor.quoting import statement_shape
from flatwater.doctor.sessions import (
    Session,
    all_sessions,
    cancel,
    is_cancelled_without_harm,
    route_of,
    spent,
)

NAME: Final = "pool_waits"


class PoolWaits(Struct, frozen=True):
    """*Source*: the guard's level for waits at the pool: none is the target, five critical."""

    critical: int = 5
    lock_critical_s: float = Blocking().critical_s
    name: str = NAME
    title: str = "Waits for a connection in the application"
    why: str = "Who waits here is seen by no server; the cause is most often one of the few who hold the connections."

    def look(self, look: Look) -> Iterator[Finding]:
        if look.pool_numbers is None:
            raise NotExamined(
                "No health page was named (--healthz URL), so who waits for a connection inside the application is not seen."
            )
        told = look.pool_numbers()
        pool = told.numbers
        if "waiting" not in pool:
            raise NotExamined("The health page tells no number called waiting, so who waits is not seen.")
        waiting = int(pool["waiting"])
        numbers: dict[str, float | int | str] = {"waiting": waiting}
        if not waiting:
            waited = f", {pool['wait_s']:.1f} s waited in all so far" if "wait_s" in pool else ""
            yield Finding(
                NAME,
                f"{NAME}/all",
                "ok",
                f"0 requests wait for a connection{waited}.",
                self.why,
                numbers=numbers,
            )
            return
        severity: Severity = "critical" if waiting >= self.critical else "warning"
        head = f"{waiting} requests wait for a connection of the application{told.routes_in_words}"
        if look.application is None:
            text = f"{head}; name it with --application, and who holds them is told."
            yield Finding(NAME, f"{NAME}/all", severity, text, self.why, numbers=numbers)
            return
        mine = [each for each in all_sessions(look) if each.application == look.application]
        found = _held_up(look, mine, self.lock_critical_s) or _forgotten(mine) or _busy(look, mine)
        text, cures = found or (
            "; none of its connections is at work in this server: they wait elsewhere, as in a pooler.",
            (),
        )
        yield Finding(
            check=NAME,
            key=f"{NAME}/{look.application}",
            severity=severity,
            saw=head + text,
            why=self.why,
            cures=cures,
            numbers=numbers | {"connections": len(mine)},
        )


Cause = tuple[str, tuple[Cure, ...]]


def _held_up(look: Look, mine: list[Session], critical_s: float) -> Cause | None:
    """A lock behind which the connections stand in line."""
    waits, pids = all_waits(look), {each.pid for each in mine}
    by_root = sorted(
        roots(waits).items(), key=lambda each: -sum(wait.pid in pids for wait in below(waits, each[0]))
    )
    for root, first in ((root, held[0]) for root, held in by_root):
        behind = [wait for wait in below(waits, root) if wait.pid in pids]
        if not behind:
            continue
        text = (
            f": {len(behind)} of its {len(mine)} connections stand behind {_who(first.blocker_application_name, look)} (pid {root}), which holds "
            f"{first.subject or first.kind} for {spent(first.blocker_in_transaction_s)} and is {first.blocker_state}"
            f"{_routes(wait.application_name for wait in behind)}. It last ran: {statement_shape(first.blocker_statement)}"
        )
        longest_s = max(each.waited_s for each in behind)
        return text, (cure_of(look, first, is_safe=longest_s >= critical_s),)
    return None


def _forgotten(mine: list[Session]) -> Cause | None:
    """Transactions that stay open while the code does something else. Nothing at the server gives their places back to the pool."""
    open_ = [each for each in mine if each.state.startswith("idle in transaction")]
    if not open_:
        return None
    first = max(open_, key=lambda each: each.in_state_s)
    text = (
        f": {len(open_)} of its {len(mine)} connections sit in an open transaction, the longest for {spent(first.in_state_s)}"
        f"{_routes(each.application_name for each in open_)}. It last ran: {statement_shape(first.statement)}"
    )
    return text, (
        Cure(
            explanation="A place comes back when the code that holds it goes on, or its process is replaced: look what that route waits for while its "
            "transaction is open. To end the session frees its locks (see connections), not its place in the pool."
        ),
    )


def _busy(look: Look, mine: list[Session]) -> Cause | None:
    """Statements that take long, or simply more work than connections."""
    active = [each for each in mine if each.state == "active"]
    if not active:
        return None
    first = max(active, key=lambda each: each.statement_s)
    text = (
        f": {len(active)} of its {len(mine)} connections are at work, the longest statement for {spent(first.statement_s)}"
        f"{_routes(each.application_name for each in active)}. It runs: {statement_shape(first.statement)}"
    )
    return text, (cancel(look, first, is_safe=is_cancelled_without_harm(first)),)


def _who(application_name: str, look: Look) -> str:
    route = route_of(application_name)
    return (
        f"route {route} of {look.application}"
        if route and look.belongs_to_application(application_name)
        else application_name or "a nameless session"
    )


def _routes(names: Iterable[str]) -> str:
    counted = Counter(route for each in names if (route := route_of(each))).most_common(4)
    return f"; routes: {', '.join(f'{route} {count}' for route, count in counted)}" if counted else ""


CHECK = PoolWaits()
