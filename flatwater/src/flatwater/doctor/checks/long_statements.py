"""Long statements: what has been running for too long, and for which route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.quoting import statement_shape
from flatwater.doctor.sessions import (
    MAX_CURES,
    Session,
    all_sessions,
    cancel,
    hidden,
    is_cancelled_without_harm,
    spent,
    who,
)

NAME: Final = "long_statements"


class LongStatements(Struct, frozen=True):
    """*Source*: the guard (a statement active over 10 s is a warning, 30 s is the time-out that should have ended it)."""

    warning_s: float = 10.0
    critical_s: float = 30.0
    name: str = NAME
    title: str = "Long statements"
    why: str = (
        "A statement that runs for long holds a connection, its locks and its memory, and holds back vacuum."
    )

    def look(self, look: Look) -> Iterator[Finding]:
        sessions = all_sessions(look)
        active = [each for each in sessions if each.state == "active"]
        long = sorted(
            (each for each in active if each.statement_s >= self.warning_s), key=lambda s: -s.statement_s
        )
        by_name: dict[str, list[Session]] = {}
        for each in long:
            by_name.setdefault(each.application_name or each.role, []).append(each)
        for name, group in by_name.items():
            yield self._finding(look, name, group)
        unseen = hidden(look, NAME, sessions)
        if not long and not unseen:
            longest_s = max((each.statement_s for each in active), default=0.0)
            yield Finding(
                NAME,
                f"{NAME}/all",
                "ok",
                f"{len(active)} statements run, the longest for {spent(longest_s)}.",
                self.why,
                numbers={"active": len(active), "longest_s": round(longest_s, 1)},
            )
        yield from unseen

    def _finding(self, look: Look, name: str, group: list[Session]) -> Finding:
        first = group[0]
        severity: Severity = "critical" if first.statement_s >= self.critical_s else "warning"
        waits = (
            f" It waits for {first.waits_for_kind} {first.waits_for}."
            if first.waits_for_kind not in {"", "Client"}
            else ""
        )
        role = first.role
        return Finding(
            check=NAME,
            key=f"{NAME}/{name}",
            severity=severity,
            saw=f"{who(first)} has been running for {spent(first.statement_s)}: {statement_shape(first.statement)}.{waits}",
            why=self.why,
            cures=(
                *(cancel(look, each, is_safe=is_cancelled_without_harm(each)) for each in group[:MAX_CURES]),
                Cure(
                    explanation=f"Give the operation a time-out of its own, and the role {role} one for all (see timeouts_unset)."
                ),
            ),
            numbers={"statements": len(group), "longest_s": round(first.statement_s, 1), "pid": first.pid},
        )


CHECK = LongStatements()
