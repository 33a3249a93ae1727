"""Runs the checks through one look, each with its time, and gives the report."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct

from flatwater.clock import Clock, SystemClock
from flatwater.doctor.acknowledged import Acknowledged, quiet
from flatwater.doctor.check import Check
from flatwater.doctor.checks import ALL
from flatwater.doctor.look import CouldNotLook, Look
from flatwater.doctor.model import RANK, Finding, NotExamined, Severity, Snapshot

BUDGET_S: Final = 15.0
"""All checks together. Forty checks of the three probes that most take, at a fifth of the 400 ms that one may."""
SLOW_S: Final = 1.5
"""A check that took this long is left out of the looks that follow: it costs the server more than it tells."""
REST_S: Final = 3_600.0
"""So long a check is left out: what was refused or slow once may be neither by now."""
_ON_PID: Final = re.compile(r"\bpid = (\d+)")
MAX_FINDINGS: Final = 50
"""Findings of one check; what it finds beyond them is counted when those are cured."""


class Report(Struct, frozen=True):
    """What one look found. *Shape*: the worst first. *Units*: milliseconds in `took_ms`, by check."""

    at: datetime
    database: str
    server_version: int
    application: str | None
    findings: tuple[Finding, ...]
    acknowledged: tuple[Finding, ...]
    took_ms: dict[str, float]

    @property
    def worst(self) -> Severity:
        """The worst that was found; "not_examined" only when nothing could be looked at."""
        examined: list[Severity] = [
            each.severity for each in self.findings if each.severity != "not_examined"
        ]
        if not examined and not self.acknowledged:
            return "not_examined"
        worst: Severity = "ok"
        for severity in examined:
            worst = severity if RANK[severity] > RANK[worst] else worst
        return worst

    @property
    def exit_code(self) -> int:
        """0 for ok and notice, 1 for warning, 2 for critical, 3 when nothing could be looked at."""
        return {"ok": 0, "notice": 0, "warning": 1, "critical": 2, "not_examined": 3}[self.worst]


class Doctor:
    """Runs the checks again and again and remembers which of them were refused or too slow, so that they rest for an hour."""

    def __init__(
        self,
        checks: Iterable[Check] = ALL,
        *,
        budget_s: float = BUDGET_S,
        clock: Clock | None = None,
        resting: Mapping[str, str] | None = None,
    ) -> None:
        """`resting`: what another doctor remembered, for one that looks in a process of its own each time."""
        self._checks = tuple(checks)
        self._budget_s = budget_s
        self._clock = clock or SystemClock()
        rests_until = self._clock.monotonic() + REST_S
        self._off = {name: (reason, rests_until) for name, reason in (resting or {}).items()}

    @property
    def resting(self) -> dict[str, str]:
        """The checks that are left out of the next looks, and why."""
        return {name: reason for name, (reason, _) in self._off.items()}

    def _leave_out(self, name: str, reason: str) -> None:
        self._off[name] = reason, self._clock.monotonic() + REST_S

    def examine(self, look: Look, acknowledged: tuple[Acknowledged, ...] = ()) -> Report:
        """What every check says about this moment. *Cost*: at most the budget, one connection, one probe at a time.

        *Errors*: none of a check's own: what a check could not do stands in the report as not examined.
        """
        until = self._clock.monotonic() + self._budget_s
        hang_up = look.within(self._budget_s + 2.0)
        found: list[Finding] = []
        took_ms: dict[str, float] = {}
        try:
            for check in self._checks:
                found.extend(self._one(check, look, until, took_ms))
        finally:
            hang_up.cancel()
        found = told_once(found)
        now = self._clock.now()
        loud = [each for each in found if not quiet(each, acknowledged, now)]
        return Report(
            at=look.at,
            database=look.database,
            server_version=look.version,
            application=look.application,
            findings=tuple(sorted(loud, key=lambda each: -RANK[each.severity])),
            acknowledged=tuple(each for each in found if quiet(each, acknowledged, now)),
            took_ms=took_ms,
        )

    def _one(self, check: Check, look: Look, until: float, took_ms: dict[str, float]) -> list[Finding]:
        reason, rests_until = self._off.get(check.name, ("", 0.0))
        if reason and self._clock.monotonic() < rests_until:
            return [_not_examined(check, f"Switched off: {reason}")]
        self._off.pop(check.name, None)
        if self._clock.monotonic() > until:
            return [
                _not_examined(check, f"The {self._budget_s:.0f} s that a look may take were over before it.")
            ]
        began = time.perf_counter()
        found: list[Finding] = []
        try:
            found.extend(islice(check.look(look), MAX_FINDINGS))
            if not found:
                found.append(_not_examined(check, "The check said nothing, which is not the same as well."))
        except NotExamined as refusal:
            found.append(_not_examined(check, str(refusal)))
            if look.has_probe_trouble:
                self._leave_out(check.name, str(refusal))
        except CouldNotLook as reason:
            found.append(_not_examined(check, str(reason)))
        except Exception as error:  # noqa: BLE001  one broken check must not hide what the others see; it is told
            found.append(_not_examined(check, f"The check itself is broken: {type(error).__name__}: {error}"))
        took_s = time.perf_counter() - began
        took_ms[check.name] = round(took_s * 1000, 1)
        if took_s > SLOW_S:
            self._leave_out(check.name, f"it took {took_s:.1f} s in an earlier look.")
        return found


def told_once(found: list[Finding]) -> list[Finding]:
    """The findings with each session's illness told by the first check that saw it, as gravely as any did; the others point there.

    Two findings speak of one illness where their first cures act on the same sessions, which a statement names by pid and start.
    """
    first: dict[tuple[str, ...], int] = {}
    told: list[Finding] = []
    for each in found:
        sessions = _sessions_of(each)
        if not sessions or each.severity in {"ok", "not_examined"}:
            told.append(each)
            continue
        at = first.setdefault(sessions, len(told))
        if at == len(told):
            told.append(each)
            continue
        kept = told[at]
        worst = each.severity if RANK[each.severity] > RANK[kept.severity] else kept.severity
        told[at] = msgspec.structs.replace(kept, severity=worst)
        told.append(
            msgspec.structs.replace(
                each, severity="ok", cures=(), saw=f"{each.saw} (Told with its cure as {kept.key}.)"
            )
        )
    return told


def _sessions_of(finding: Finding) -> tuple[str, ...]:
    return tuple(sorted({pid for cure in finding.cures[:1] for pid in _ON_PID.findall(cure.sql)}))


def take_snapshot(look: Look) -> Snapshot:
    """The numbers that this look leaves for the next."""
    return Snapshot(look.at, dict(look.remembered))


def _not_examined(check: Check, reason: str) -> Finding:
    return Finding(check.name, f"{check.name}/not examined", "not_examined", reason, check.why)
