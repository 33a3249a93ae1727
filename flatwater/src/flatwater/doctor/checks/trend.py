"""Trend: whether connections, memory and the database grow from look to look, with an interval."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.processes import in_words
from flatwater.doctor.trends import FEWEST, Slope, theil_sen

NAME: Final = "trend"
DAY_S: Final = 86_400.0


class _Size(Struct, frozen=True):
    size_bytes: int


class Grows(Struct, frozen=True):
    """One number that is followed, and from what growth a day it matters."""

    key: str
    what: str
    daily: float
    is_bytes: bool


FOLLOWED: Final = (
    Grows("trend/connections", "Connections", 5, is_bytes=False),
    Grows("trend/server_pss_bytes", "The server's memory", 50 * (1 << 20), is_bytes=True),
    Grows("trend/application_pss_bytes", "The application's memory", 50 * (1 << 20), is_bytes=True),
    Grows("trend/database_bytes", "The database", 1 << 30, is_bytes=True),
)
"""*Source*: a tenth of the guard's 500 MB a day is its critical 2 GB within a month; a target's worth of connections a day."""


class Trend(Struct, frozen=True):
    """*Source*: minutes are no day: under an hour of looks what grows is a notice at most (our own level; a healthy server under pgbench
    filled its caches for two minutes and would have been a warning, benchmarks/healthy.py)."""

    least_s: float = 3_600.0
    followed: tuple[Grows, ...] = FOLLOWED
    name: str = NAME
    title: str = "Trend"
    why: str = "A level says how it is; a slope says whether it will last. What grows slowly is found before it hurts."

    def look(self, look: Look) -> Iterator[Finding]:
        look.remember("trend/database_bytes", look.rows(queries["database_size"], into=_Size)[0].size_bytes)
        for each in self.followed:
            if each.key in look.remembered:
                yield self._finding(look, each, look.remembered[each.key])

    def _finding(self, look: Look, follow: Grows, now: float) -> Finding:
        points = [(s.at.timestamp(), s.numbers[follow.key]) for s in look.history if follow.key in s.numbers]
        points.append((look.at.timestamp(), now))
        slope = theil_sen(points)
        key = f"{NAME}/{follow.key.removeprefix('trend/')}"
        shown = in_words(now) if follow.is_bytes else f"{now:.0f}"
        if slope is None:
            return Finding(
                NAME,
                key,
                "not_examined",
                f"{follow.what}: {shown} now; {len(points)} of the {FEWEST} looks that a slope takes (look again, or --watch).",
                self.why,
                numbers={"now": now, "looks": len(points)},
            )
        severity = _severity(slope, follow)
        if severity == "warning" and points[-1][0] - min(at for at, _ in points) < self.least_s:
            severity = "notice"
        return Finding(
            check=NAME,
            key=key,
            severity=severity,
            saw=f"{follow.what}: {shown} now, {_a_day(slope.slope, follow)} a day (95 % between {_a_day(slope.low, follow)} and "
            f"{_a_day(slope.high, follow)}) over {slope.points} looks.",
            why=self.why,
            cures=(
                Cure(
                    explanation="Find what grows: largest tables (growth), backend_memory, application_memory."
                ),
            )
            if severity != "ok"
            else (),
            numbers={
                "now": now,
                "daily": slope.slope * DAY_S,
                "daily_low": slope.low * DAY_S,
                "daily_high": slope.high * DAY_S,
            },
        )


def _severity(slope: Slope, follow: Grows) -> Severity:
    if not slope.grows:
        return "ok"
    # Only what grows for certain at more than its rate is a warning; the lower end of the interval decides.
    return "warning" if slope.low * DAY_S >= follow.daily else "notice"


def _a_day(slope: float, follow: Grows) -> str:
    daily = slope * DAY_S
    sign = "+" if daily >= 0 else "-"
    return sign + (in_words(abs(daily)) if follow.is_bytes else f"{abs(daily):.1f}")


CHECK = Trend()
