"""Time-outs in the wrong order: the inner one has to end first, or the outer one leaves it at work for nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.quoting import identifier
from flatwater.doctor.relations import well

NAME: Final = "timeouts_order"
OUTER: Final = {"FLATWATER_CLIENT_TIMEOUT_S": "the client", "FLATWATER_BALANCER_TIMEOUT_S": "the balancer"}
"""The variables that say after how many seconds whoever waits for an answer gives up; no server can see that."""


class _Role(Struct, frozen=True):
    role: str
    database: str
    statement_ms: float
    lock_ms: float
    transaction_ms: float


class TimeoutsOrder(Struct, frozen=True):
    """*Source*: the PostgreSQL manual says of lock_timeout that it is rather pointless at or above statement_timeout, and of
    transaction_timeout that a longer statement_timeout is ignored; that the outer wait is the longer one is arithmetic."""

    name: str = NAME
    title: str = "Time-outs in order"
    why: str = "When the outer one ends first, the inner goes on: a statement works for somebody who has left, and holds its connection and its locks."

    def look(self, look: Look) -> Iterator[Finding]:
        query = queries["timeouts_in_order"]
        roles = look.rows(query.plus("from_files") if look.is_superuser else query, into=_Role)
        outer, unreadable = _outer()
        found = [each for role in roles for each in self._of_role(role, outer)]
        yield from found
        if not found:
            if not any(each.statement_ms or each.lock_ms or each.transaction_ms for each in roles):
                raise NotExamined(
                    "No connected role begins with a time-out of the server's (see timeouts_unset), so there is no order to judge."
                )
            told = ", ".join(f"{who} {ms / 1000:g} s" for who, ms in outer) or "of nobody who waits"
            yield well(
                self,
                f"{len(roles)} roles begin with time-outs in order; known besides: {told}.",
                roles=len(roles),
            )
        if unreadable:
            raise NotExamined(f"{unreadable} is no number of seconds.")
        if len(outer) < len(OUTER):
            missing = " and ".join(name for name in OUTER if OUTER[name] not in dict(outer))
            raise NotExamined(
                f"How long those wait who ask is not known here: put the seconds into {missing}, and they are compared too."
            )

    def _of_role(self, role: _Role, outer: list[tuple[str, float]]) -> Iterator[Finding]:
        if role.statement_ms and role.lock_ms >= role.statement_ms:
            yield self._finding(
                role,
                "lock",
                f"lock_timeout ({role.lock_ms / 1000:g} s) is not shorter than statement_timeout ({role.statement_ms / 1000:g} s), so it never holds",
                "lock_timeout",
                role.statement_ms / 2,
            )
        if role.transaction_ms and role.statement_ms >= role.transaction_ms:
            yield self._finding(
                role,
                "transaction",
                f"statement_timeout ({role.statement_ms / 1000:g} s) is not shorter than transaction_timeout "
                f"({role.transaction_ms / 1000:g} s), which ends the connection instead of the statement",
                "statement_timeout",
                role.transaction_ms / 2,
            )
        shorter = [(who, ms) for who, ms in outer if role.statement_ms and ms <= role.statement_ms]
        if shorter:
            who, least = min(shorter, key=lambda each: each[1])
            yield self._finding(
                role,
                "waiting",
                f"{who} gives up after {least / 1000:g} s, and a statement may run for {role.statement_ms / 1000:g} s",
                "statement_timeout",
                least * 0.8,
            )

    def _finding(self, role: _Role, about: str, saw: str, setting: str, ms: float) -> Finding:
        whose = f"role {identifier(role.role)} in database {identifier(role.database)}"
        return Finding(
            check=NAME,
            key=f"{NAME}/{role.role}/{role.database}/{about}",
            severity="warning",
            saw=f"{role.role} in {role.database}: {saw}.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"alter {whose} set {setting} = '{max(round(ms), 1)}ms';",
                    undo=f"alter {whose} reset {setting};",
                    # It changes the role for every program that uses it, so it wants a person's yes.
                    explanation="For sessions that begin after it.",
                ),
            ),
            numbers={
                "statement_ms": role.statement_ms,
                "lock_ms": role.lock_ms,
                "transaction_ms": role.transaction_ms,
            },
        )


def _outer() -> tuple[list[tuple[str, float]], str]:
    """Who waits, with milliseconds, as far as it was said; and the variable that can't be read, if one can't."""
    told: list[tuple[str, float]] = []
    for name, who in OUTER.items():
        value = os.environ.get(name)
        if value is None:
            continue
        try:
            told.append((who, float(value) * 1000))
        except ValueError:
            return told, name
    return told, ""


CHECK = TimeoutsOrder()
