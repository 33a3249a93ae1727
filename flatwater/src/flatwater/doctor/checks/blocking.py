"""Blocking: who waits for whom, since when and on what, as a tree from each one who holds everybody up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.quoting import HOLDS_SOMEBODY_UP, Seen, on_session, statement_shape
from flatwater.doctor.sessions import NO_UNDO, spent

NAME: Final = "blocking"
MAX_LINES: Final = 12
"""Lines of a tree in a finding; what stands below is counted."""


class Wait(Struct, frozen=True):
    """One session that waits and one that it waits for."""

    pid: int
    application_name: str
    statement: str
    waited_s: float
    kind: str
    mode: str
    subject: str
    blocker_pid: int
    blocker_started: str
    blocker_application_name: str
    blocker_role: str
    blocker_state: str
    blocker_in_state_s: float
    blocker_in_transaction_s: float
    blocker_statement: str
    blocker_state_changed: str


def all_waits(look: Look) -> list[Wait]:
    """Every wait for a lock, the longest first. *Cost*: one moment of the lock manager for each waiter, at most 50.

    *Errors*: NotExamined.
    """
    return look.rows(
        queries["blocked_sessions"].plus("from_14" if look.version >= 140_000 else "before_14"), into=Wait
    )


def roots(waits: list[Wait]) -> dict[int, list[Wait]]:
    """The waits of each session that blocks and does not wait itself; a ring counts from its lowest pid."""
    waiting = {each.pid for each in waits}
    found: dict[int, list[Wait]] = {}
    for each in waits:
        if each.blocker_pid not in waiting:
            found.setdefault(each.blocker_pid, []).append(each)
    if not found and waits:
        lowest = min(each.blocker_pid for each in waits)
        found[lowest] = [each for each in waits if each.blocker_pid == lowest]
    return found


def below(waits: list[Wait], root: int) -> list[Wait]:
    """Every wait behind a session, directly or through others, each session once."""
    found: dict[int, Wait] = {}
    ahead = [root]
    while ahead:
        pid = ahead.pop()
        for each in waits:
            if each.blocker_pid == pid and each.pid not in found and each.pid != root:
                found[each.pid] = each
                ahead.append(each.pid)
    return list(found.values())


def tree(waits: list[Wait], root: int) -> list[str]:
    """Who waits below a session, one line each, further in the further down."""
    lines: list[str] = []
    seen = {root}

    def below(pid: int, depth: int) -> None:
        for each in waits:
            if each.blocker_pid == pid and each.pid not in seen:
                seen.add(each.pid)
                on = f" on {each.subject}" if each.subject else f" ({each.kind})"
                lines.append(
                    f"{'  ' * depth}└ {each.application_name or 'nameless'} (pid {each.pid}) "
                    f"for {spent(each.waited_s)}{on}, {each.mode}: {statement_shape(each.statement)}"
                )
                below(each.pid, depth + 1)

    below(root, 0)
    return lines


class Blocking(Struct, frozen=True):
    """*Source*: the guard's lock time-out of 5 s: a wait over it has no time-out; five waiters are a pool's whole target."""

    warning_s: float = 1.0
    critical_s: float = 5.0
    many: int = 5
    name: str = NAME
    title: str = "Blocking"
    why: str = "Everybody who waits holds a connection meanwhile; a pool is empty after as many waiters as it has connections."

    def look(self, look: Look) -> Iterator[Finding]:
        waits = all_waits(look)
        by_root = roots(waits)
        for pid in by_root:
            yield self._finding(look, waits, pid, by_root[pid][0])
        if not by_root:
            yield Finding(
                NAME, f"{NAME}/all", "ok", "0 sessions wait for a lock.", self.why, numbers={"waiting": 0}
            )

    def _finding(self, look: Look, waits: list[Wait], root: int, first: Wait) -> Finding:
        lines = tree(waits, root)
        longest_s = max(each.waited_s for each in waits if each.blocker_pid == root)
        severity: Severity = "notice"
        if longest_s >= self.critical_s or len(lines) >= self.many:
            severity = "critical"
        elif longest_s >= self.warning_s:
            severity = "warning"
        shown = lines[:MAX_LINES] + ([f"and {len(lines) - MAX_LINES} more"] if len(lines) > MAX_LINES else [])
        name = first.blocker_application_name or first.blocker_role or "nameless"
        head = (
            f"{name} (pid {root}), {first.blocker_state} for {spent(first.blocker_in_state_s)}, in a transaction for "
            f"{spent(first.blocker_in_transaction_s)}, holds up {len(lines)}; its last statement: "
            f"{statement_shape(first.blocker_statement)}"
        )
        return Finding(
            check=NAME,
            key=f"{NAME}/{name}",
            severity=severity,
            saw="\n".join([head, *shown]),
            why=self.why,
            cures=(cure_of(look, first, is_safe=longest_s >= self.critical_s),),
            numbers={
                "waiting": len(lines),
                "longest_s": round(longest_s, 1),
                "blocker_pid": root,
                "subject": first.subject,
            },
        )


def cure_of(look: Look, wait: Wait, *, is_safe: bool) -> Cure:
    """What lets those go on who wait for the blocker of this wait; it does nothing when nobody waits for it any more.

    `is_safe` where they waited long enough for it to be ended without thought, if it forgot its transaction. A lock that the session
    itself holds (an advisory one) outlives its statement and its transaction: only the session's end frees it, and that is a person's
    decision, for whoever leads by such a lock is idle and well.
    """
    if not wait.blocker_started:
        return Cure(
            explanation="The blocker is no session but a prepared transaction left behind: prepared_transactions names it, with the statement that ends it.",
        )
    seen = Seen(
        wait.blocker_pid,
        wait.blocker_started,
        wait.blocker_application_name,
        wait.blocker_role,
        wait.blocker_state,
        state_changed=wait.blocker_state_changed,
    )
    forgot = wait.blocker_state.startswith("idle in transaction")
    outlives = wait.kind == "advisory" or wait.blocker_state == "idle"
    deed = "pg_terminate_backend" if forgot or outlives else "pg_cancel_backend"
    explanation = "Cancels what it does; those behind go on."
    if outlives:
        explanation = (
            "Ends the session: it may hold the lock for itself, beyond its transaction, and then nothing less frees it. "
            "Ask first whether it is meant to (a leader, a job that runs once)."
        )
    elif forgot:
        explanation = "Ends the session that forgot its transaction."
    return Cure(
        sql=on_session(deed, seen, HOLDS_SOMEBODY_UP),
        undo=NO_UNDO if deed == "pg_terminate_backend" else "none; the statement was rolled back",
        # Who works is asked first: only one that forgot its transaction is ended without anybody's thought.
        is_safe=is_safe
        and forgot
        and not outlives
        and look.belongs_to_application(wait.blocker_application_name),
        checks_itself=True,
        explanation=explanation,
    )


CHECK = Blocking()
