"""The server's version, what it misses, and settings that wait for a restart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.quoting import literal
from flatwater.doctor.relations import well

NAME: Final = "version_and_restart"
BEGAN_AND_ENDS: Final[dict[int, tuple[date, date]]] = {
    13: (date(2020, 9, 24), date(2025, 11, 13)),
    14: (date(2021, 9, 30), date(2026, 11, 12)),
    15: (date(2022, 10, 13), date(2027, 11, 11)),
    16: (date(2023, 9, 14), date(2028, 11, 9)),
    17: (date(2024, 9, 26), date(2029, 11, 8)),
    18: (date(2025, 9, 25), date(2030, 11, 14)),
}
"""*Source*: the project's page of versions: the day of .0 and of the last release of each."""


class _Pending(Struct, frozen=True):
    name: str
    value: str
    unit: str


class _Started(Struct, frozen=True):
    started_at: datetime
    version: str


class VersionAndRestart(Struct, frozen=True):
    """*Source*: the project's promise of a release on the second Thursday of February, May, August and November. So how many there
    must have been is known without a network; releases out of turn are not counted, so it is at least that many."""

    late_releases: int = 3
    name: str = NAME
    title: str = "Version and pending restarts"
    why: str = "Releases within a version only mend: security, lost rows, wrong answers. After its end there are none."

    def look(self, look: Look) -> Iterator[Finding]:
        pending = look.rows(queries["pending_restarts"], into=_Pending)
        started = look.rows(queries["server_started"], into=_Started)[0]
        found = [*self._version(look.version, look.at.date()), *map(self._pending, pending)]
        yield from found
        if not found:
            yield well(
                self,
                f"PostgreSQL {started.version} is kept up, runs since {started.started_at:%Y-%m-%d %H:%M}, and 0 settings wait for a restart.",
                version=look.version,
            )

    def _version(self, number: int, today: date) -> Iterator[Finding]:
        major, minor = divmod(number, 10_000)
        known = BEGAN_AND_ENDS.get(major)
        if known is None:
            newest = max(BEGAN_AND_ENDS)
            if major < min(BEGAN_AND_ENDS):
                yield self._ended(major, None, newest)
            return
        began, ends = known
        if today >= ends:
            yield self._ended(major, ends, max(BEGAN_AND_ENDS))
        behind = releases_since(began, min(today, ends)) - minor
        if behind > 0:
            yield Finding(
                check=NAME,
                key=f"{NAME}/minor",
                severity="warning" if behind >= self.late_releases else "notice",
                saw=f"PostgreSQL {major}.{minor} is at least {behind} releases behind: {major}.{minor + behind} is out.",
                why=self.why,
                cures=(
                    Cure(
                        explanation=f"Install the newest {major} from where this one came from and restart; files stay as they are. Read the notes of each for a reindex."
                    ),
                ),
                numbers={"behind": behind, "version": number},
            )
        if timedelta() < ends - today <= timedelta(days=180):
            yield Finding(
                check=NAME,
                key=f"{NAME}/ending",
                severity="notice",
                saw=f"PostgreSQL {major} gets its last release on {ends:%Y-%m-%d}, in {(ends - today).days} days.",
                why=self.why,
                cures=(
                    Cure(explanation="Plan the move to a newer version: pg_upgrade, or a logical replica."),
                ),
                numbers={"days": (ends - today).days},
            )

    def _ended(self, major: int, ended: date | None, newest: int) -> Finding:
        since = "" if ended is None else f" since {ended:%Y-%m-%d}"
        return Finding(
            check=NAME,
            key=f"{NAME}/ended",
            severity="warning",
            saw=f"PostgreSQL {major} gets no more releases{since}.",
            why=self.why,
            cures=(
                Cure(
                    explanation=f"Move to a newer version (up to {newest} is known here): pg_upgrade with a backup and a trial, or a logical replica for a short stop."
                ),
            ),
            numbers={"major": major},
        )

    def _pending(self, setting: _Pending) -> Finding:
        unit = f" {setting.unit}" if setting.unit else ""
        return Finding(
            check=NAME,
            key=f"{NAME}/{setting.name}",
            severity="notice",
            saw=f"{setting.name} was changed and waits for a restart; it is still {setting.value}{unit}.",
            why="What the file says is not what runs, and the next restart, which may be a crash, changes it unlooked for.",
            cures=(
                Cure(
                    command="pg_ctl restart -m fast",
                    undo=f"alter system set {setting.name} = {literal(setting.value)};",
                    explanation="By whatever keeps the server running (its unit, its operator), in a quiet hour. The undo keeps the value that "
                    "runs, after select pg_reload_conf(); alter system reset alone leaves the mark.",
                ),
            ),
        )


def releases_since(began: date, today: date) -> int:
    """How many planned releases there were between the first one of a version and a week ago (packages take some days)."""
    count = 0
    for year in range(began.year, today.year + 1):
        for month in (2, 5, 8, 11):
            first = date(year, month, 1)
            # Thursday is 3; the second one is a week after the first.
            second_thursday = first + timedelta(days=(3 - first.weekday()) % 7 + 7)
            if began < second_thursday <= today - timedelta(days=7):
                count += 1
    return count


CHECK = VersionAndRestart()
