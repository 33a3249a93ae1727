"""Slow and frequent statements: from pg_stat_statements where it is; where not, by the application's own times and three samples."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.application_numbers import ApplicationNumbers
from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.quoting import statement_shape
from flatwater.doctor.relations import graded
from flatwater.statement_times import QueryTimes

NAME: Final = "slow_statements"
SAMPLES: Final = 3
BETWEEN_S: Final = 0.1
ENABLE: Final = "Keep statistics of statements: add pg_stat_statements to shared_preload_libraries, restart, then create extension pg_stat_statements."
NO_SUCH: Final = "This server has no pg_stat_statements to switch on."
EXPLAIN: Final = (
    "Look at its plan: explain (generic_plan) from PostgreSQL 16, or explain with real values; add analyze and buffers only where it may "
    "run. Then missing_indexes, stale_statistics, blocking, and whether so many rows are asked for."
)


class _Statement(Struct, frozen=True):
    id: str
    statement: str
    calls: int
    mean_ms: float
    spread_ms: float
    longest_ms: float
    total_ms: float
    share: float
    rows: int
    temp_bytes: int


class _Running(Struct, frozen=True):
    pid: int
    started: str
    application_name: str
    age_ms: float
    statement: str


class SlowStatements(Struct, frozen=True):
    """*Source*: the guard's levels for the 95th of a hundred (500 ms, 2 s, 5 s) put on the mean, which is below it, so nothing is
    called slow that is not; 20 calls, so that one night's report is no service level. One statement with a third of all time
    as pg-extras' diagnose has it."""

    notice_ms: float = 500.0
    warning_ms: float = 2_000.0
    critical_ms: float = 5_000.0
    least_calls: int = 20
    share: float = 0.33
    least_total_ms: float = 60_000.0
    """Time below which a share of it says nothing: a minute of the server."""
    name: str = NAME
    title: str = "Slow and frequent statements"
    why: str = "A slow statement keeps its connection, and those who wait for one queue behind it."

    def look(self, look: Look) -> Iterator[Finding]:
        if look.has_pg_stat_statements:
            yield from self._kept(look)
            return
        told = look.own_numbers()
        if told is None or not told.statements:
            yield from self._sampled(look)
            return
        yield from self._running_now(look)
        yield from self._told(told, has_none_to_install=not look.offers_pg_stat_statements)

    def _told(self, told: ApplicationNumbers, *, has_none_to_install: bool) -> Iterator[Finding]:
        """By the times that the application took of its own statements: what others ask of the server is not among them."""
        found = [each for each in map(self._of_its_own, told.statements) if each is not None]
        yield from found
        if not found:
            often = sorted(told.statements, key=lambda each: -each.calls)[:3]
            calls = "; ".join(
                f"{each.calls} calls, {each.mean_s * 1000:.1f} ms each: {each.name}" for each in often
            )
            why_not = (
                NO_SUCH
                if has_none_to_install
                else "The server keeps no statistics of statements (pg_stat_statements)."
            )
            yield Finding(
                NAME,
                f"{NAME}/all",
                "ok",
                f"{len(told.statements)} statements looked at by the times that the application itself took of them for "
                f"{told.for_s / 3600:.1f} hours; none is slow by its mean. Most frequent: {calls}. {why_not} What other programs ask is not among them.",
                self.why,
                numbers={"statements": len(told.statements)},
            )

    def _of_its_own(self, each: QueryTimes) -> Finding | None:
        if each.calls < self.least_calls:
            return None
        mean_ms = each.mean_s * 1000
        severity = graded(mean_ms, notice=self.notice_ms, warning=self.warning_ms, critical=self.critical_ms)
        if severity == "ok":
            return None
        return Finding(
            check=NAME,
            key=f"{NAME}/{each.name}",
            severity=severity,
            saw=f"{mean_ms:.0f} ms on average (longest {each.longest_s * 1000:.0f} ms) in {each.calls} calls, as the application itself timed it: {each.name}",
            why=self.why,
            cures=(Cure(explanation=EXPLAIN),),
            numbers={
                "mean_ms": round(mean_ms, 1),
                "calls": each.calls,
                "total_ms": round(each.total_s * 1000),
            },
        )

    def _kept(self, look: Look) -> Iterator[Finding]:
        statements = look.rows(queries["slow_statements"], into=_Statement)
        often = look.rows(queries["most_called_statements"], into=_Statement)
        hidden = [each for each in statements if each.statement == "<insufficient privilege>"]
        shown = [each for each in statements if each not in hidden]
        found = [each for each in map(self._finding, shown) if each is not None]
        yield from found
        if not found:
            calls = "; ".join(
                f"{each.calls} calls, {each.mean_ms:.1f} ms each: {statement_shape(each.statement)}"
                for each in often
            )
            yield Finding(
                NAME,
                f"{NAME}/all",
                "ok",
                f"{len(shown)} statements looked at; none is slow by its mean. Most frequent: {calls or 'none'}.",
                self.why,
                numbers={"statements": len(shown)},
            )
        if hidden:
            raise NotExamined(
                f"The text of {len(hidden)} statements of other roles is hidden (pg_read_all_stats shows it)."
            )

    def _finding(self, each: _Statement) -> Finding | None:
        severity = "ok"
        if each.calls >= self.least_calls:
            severity = graded(
                each.mean_ms, notice=self.notice_ms, warning=self.warning_ms, critical=self.critical_ms
            )
        takes_most = each.share >= self.share and each.total_ms >= self.least_total_ms
        if severity == "ok" and not takes_most:
            return None
        most = f", {each.share:.0%} of all time" if takes_most else ""
        return Finding(
            check=NAME,
            key=f"{NAME}/{each.id}",
            severity="notice" if severity == "ok" else severity,
            saw=f"{each.mean_ms:.0f} ms on average (longest {each.longest_ms:.0f} ms) in {each.calls} calls{most}, "
            f"{each.rows / max(each.calls, 1):.0f} rows each: {statement_shape(each.statement)}",
            why=self.why,
            cures=(
                Cure(
                    explanation=f"{EXPLAIN} Means are since the counts began: after a cure, forget the old ones with "
                    "select pg_stat_statements_reset(), and look again."
                ),
            ),
            numbers={
                "mean_ms": round(each.mean_ms, 1),
                "calls": each.calls,
                "share": round(each.share, 3),
                "total_ms": round(each.total_ms),
            },
        )

    def _running_now(self, look: Look) -> Iterator[Finding]:
        yield from self._slow_of(look, self._samples(look))

    def _samples(self, look: Look) -> list[list[_Running]]:
        samples: list[list[_Running]] = []
        for turn in range(SAMPLES):
            if turn:
                time.sleep(BETWEEN_S)
            samples.append(look.rows(queries["statements_now"], into=_Running))
        return samples

    def _slow_of(self, look: Look, samples: list[list[_Running]]) -> Iterator[Finding]:
        still = {(each.pid, each.started): each for each in samples[-1]}
        shapes: dict[str, list[_Running]] = {}
        for each in still.values():
            if each.age_ms >= self.notice_ms:
                shapes.setdefault(statement_shape(each.statement), []).append(each)
        cures = (
            Cure(explanation=EXPLAIN),
            *((Cure(explanation=ENABLE),) if look.offers_pg_stat_statements else ()),
        )
        for shape, runs in shapes.items():
            longest = max(each.age_ms for each in runs)
            names = ", ".join(sorted({each.application_name or "a nameless program" for each in runs})[:5])
            yield Finding(
                check=NAME,
                key=f"{NAME}/sampled {shape[:60]}",
                severity=graded(
                    longest, notice=self.notice_ms, warning=self.warning_ms, critical=self.critical_ms
                ),
                saw=f"{len(runs)} sessions ({names}) run this at the moment, the longest for {longest:.0f} ms: {shape}",
                why=self.why,
                cures=cures,
                numbers={"sessions": len(runs), "longest_ms": round(longest)},
            )

    def _sampled(self, look: Look) -> Iterator[Finding]:
        samples = self._samples(look)
        yield from self._slow_of(look, samples)
        seen = len({(each.pid, each.started) for sample in samples for each in sample})
        slow = len({(each.pid, each.started) for each in samples[-1] if each.age_ms >= self.notice_ms})
        raise NotExamined(
            f"No statistics of statements are kept (pg_stat_statements); {SAMPLES} own samples saw {seen} statements at work, "
            f"{slow} of them for over {self.notice_ms:.0f} ms. {ENABLE if look.offers_pg_stat_statements else NO_SUCH}"
        )


CHECK = SlowStatements()
