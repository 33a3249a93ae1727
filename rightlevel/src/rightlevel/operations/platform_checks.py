"""What the doctor must know of this platform beside what it knows of any PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from flatwater.doctor.check import Check
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined, Severity
from flatwater.queries import load_queries
from flatwater.supervisor import MISSED_TURNS
from rightlevel.database.migrations import known_migrations
from rightlevel.operations.reconcile import Reconciliation
from rightlevel.operations.table_bounds import BOUNDS, MEGABYTE

_queries = load_queries(__package__ or "", "platform_checks.sql")

LATE_S: Final = 26 * 3_600
"""The clean-up runs at 02:00 each day, and so should a backup; two hours' grace."""
SILENT_S: Final = 180.0
"""A process tells how its loops fare each minute; three times without a word is silence."""
LOST_S: Final = 7 * 86_400
"""A week of a round can be tested again by nobody."""


class _Number(msgspec.Struct, frozen=True):
    number: int


class _Age(msgspec.Struct, frozen=True):
    age_s: float


class _Admins(msgspec.Struct, frozen=True):
    admins: int
    without_factor: int
    is_needed: bool
    is_demonstration: bool


class _Backup(msgspec.Struct, frozen=True):
    name: str
    size_bytes: int
    age_s: float


class _Overlap(msgspec.Struct, frozen=True):
    school_id: int
    kind: str
    other_kind: str
    starts_on: str
    ends_on: str


class _CleanUp(msgspec.Struct, frozen=True):
    age_s: float
    is_ended: bool
    removed: int


class _Size(msgspec.Struct, frozen=True):
    table_name: str
    size_bytes: int


class _Host(msgspec.Struct, frozen=True):
    name: str
    version: str
    has_sign: bool


class _Loop(msgspec.Struct, frozen=True):
    host: str
    process_id: int
    name: str
    period_s: float | None
    state: str
    failures_in_a_row: int
    missed_turns: int
    last_error: str
    silent_s: float
    is_replaced: bool

    @property
    def needs_attention(self) -> bool:
        return self.state == "dead" or max(self.missed_turns, self.failures_in_a_row) >= MISSED_TURNS


class _Stuck(msgspec.Struct, frozen=True):
    stuck: int


class SchemaUpToDate:
    """Whether the database is at this program's schema."""

    name = "schema_up_to_date"
    title = "Schema"
    why = "A program over another schema writes what the next one can't read."

    def look(self, look: Look) -> Iterator[Finding]:
        known = known_migrations()[-1].number
        there = look.rows(_queries["newest_migration"], into=_Number)[0].number
        if there == known:
            yield Finding(
                self.name,
                f"{self.name}/schema",
                "ok",
                f"The schema is at step {there}, this program's own.",
                self.why,
            )
            return
        saw = f"The schema is at step {there}, this program knows {known}."
        cure = Cure(
            command="rightlevel serve", explanation="Starting the newer program brings the schema to it."
        )
        yield Finding(
            check=self.name,
            key=f"{self.name}/schema",
            severity="critical",
            saw=saw,
            why=self.why,
            cures=(cure,),
            numbers={"there": there, "known": known},
        )


class AdminsSecondFactor:
    """Whether admins sign in with more than a password."""

    name = "admins_second_factor"
    title = "Admins' second factor"
    why = "One password that was seen over a shoulder opens every child's record."

    def look(self, look: Look) -> Iterator[Finding]:
        found = look.rows(_queries["admins"], into=_Admins)[0]
        if found.admins == 0:
            cure = Cure(
                command="rightlevel person add --role admin --username NAME",
                explanation="Makes one; its password is shown once.",
            )
            yield Finding(
                check=self.name,
                key=f"{self.name}/none",
                severity="warning",
                saw="There is no admin in use.",
                why=self.why,
                cures=(cure,),
            )
            return
        numbers: dict[str, float | int | str] = {"admins": found.admins, "without": found.without_factor}
        lacking = f"{found.without_factor} of {found.admins} admins have no second factor"
        if not found.is_needed:
            is_grave = found.without_factor and not found.is_demonstration
            severity: Severity = "warning" if is_grave else "notice"
            whose = "as in every demonstration" if found.is_demonstration else "by this programme's own rule"
            saw = f"Admins may sign in with a password alone, {whose}; {lacking}."
            cure = Cure(
                explanation="An admin with a second factor switches the rule on under Account → Second factor; the others enrol when they next sign in."
            )
            yield Finding(
                check=self.name,
                key=f"{self.name}/rule",
                severity=severity,
                saw=saw,
                why=self.why,
                cures=(cure,),
                numbers=numbers,
            )
        elif found.without_factor:
            saw = f"{lacking}; they must enrol when they next sign in, and until then their password alone leads that far."
            cure = Cure(
                explanation="Ask them to sign in and enrol, or deactivate those who no longer work here."
            )
            yield Finding(
                check=self.name,
                key=f"{self.name}/missing",
                severity="notice",
                saw=saw,
                why=self.why,
                cures=(cure,),
                numbers=numbers,
            )
        else:
            yield Finding(
                self.name,
                f"{self.name}/all",
                "ok",
                f"All {found.admins} admins have a second factor.",
                self.why,
                numbers=numbers,
            )


class RoundsOverlap:
    """Whether a school's own dates make two rounds run there at once."""

    name = "rounds_overlap"
    title = "Rounds that overlap"
    why = "A result on a day of two rounds may be entered into the wrong one."

    def look(self, look: Look) -> Iterator[Finding]:
        found = look.rows(_queries["overlapping_dates"], into=_Overlap)
        if not found:
            yield Finding(
                self.name, f"{self.name}/none", "ok", "No school's own dates overlap another round.", self.why
            )
        for each in found:
            saw = f"At school {each.school_id} the {each.kind} ({each.starts_on} to {each.ends_on}) overlaps the {each.other_kind}."
            cure = Cure(
                explanation=f"Change the school's dates on the round's page, under school {each.school_id}."
            )
            yield Finding(
                check=self.name,
                key=f"{self.name}/{each.school_id}/{each.kind}",
                severity="warning",
                saw=saw,
                why=self.why,
                cures=(cure,),
            )


class CleanUpLate:
    """Whether the clean-up of rate limits ran since yesterday."""

    name = "clean_up_late"
    title = "Clean-up"
    why = "Rows that nobody takes out make every look into the table slower, and one day fill the disk."

    def look(self, look: Look) -> Iterator[Finding]:
        found = look.rows(_queries["clean_up_standing"], into=_CleanUp)
        age_s = found[0].age_s if found else look.rows(_queries["platform_age"], into=_Age)[0].age_s
        hours = age_s / 3_600
        cure = Cure(
            command="rightlevel clean-up",
            explanation="Sweeps in batches that hold nobody up; can be run at any time.",
        )
        if age_s > LATE_S:
            saw = (
                f"The last clean-up began {hours:.0f} hours ago."
                if found
                else f"There was no clean-up in {hours:.0f} hours."
            )
            yield Finding(
                check=self.name,
                key=f"{self.name}/late",
                severity="warning",
                saw=saw,
                why=self.why,
                cures=(cure,),
                numbers={"age_s": age_s},
            )
        elif found and not found[0].is_ended and age_s > 3_600:
            saw = f"A clean-up began {hours:.1f} hours ago and did not end."
            yield Finding(
                check=self.name,
                key=f"{self.name}/unfinished",
                severity="warning",
                saw=saw,
                why=self.why,
                cures=(cure,),
                numbers={"age_s": age_s},
            )
        else:
            saw = (
                f"The last clean-up began {hours:.1f} hours ago and removed {found[0].removed:,} rows."
                if found
                else "None was due yet."
            )
            yield Finding(self.name, f"{self.name}/ran", "ok", saw, self.why)


class BackgroundLoops:
    """Whether everything that runs in the background still does, by each loop's own period."""

    name = "background_loops"
    title = "In the background"
    why = "What stands still in the background is noticed last: nothing is swept, sealed, told or kept any more, and the pages look as ever."

    def look(self, look: Look) -> Iterator[Finding]:
        found = look.rows(_queries["loops"], into=_Loop)
        if not found:
            raise NotExamined(
                "No running service has told how its loops fare; it does within a minute of its start."
            )
        silent = {(each.host, each.process_id): each for each in found if each.silent_s > SILENT_S}
        for each in silent.values():
            if not each.is_replaced:
                yield self._silent(each)
        heard = [each for each in found if each.silent_s <= SILENT_S]
        ailing = [each for each in heard if each.needs_attention]
        for each in ailing:
            yield self._ailing(each)
        if heard and not ailing:
            processes = len({(each.host, each.process_id) for each in heard})
            yield Finding(
                self.name,
                f"{self.name}/all",
                "ok",
                f"All {len(heard)} loops of {processes} process{'' if processes == 1 else 'es'} turn.",
                self.why,
                numbers={"loops": len(heard), "processes": processes},
            )
        if not heard and all(each.is_replaced for each in silent.values()):
            raise NotExamined("No running service has told how its loops fare for three minutes.")

    def _silent(self, each: _Loop) -> Finding:
        minutes = each.silent_s / 60
        cure = Cure(
            command="rightlevel serve",
            explanation="Start it again if it has ended; if it runs, its log says why it can't tell.",
        )
        return Finding(
            check=self.name,
            key=f"{self.name}/silent {each.host}",
            severity="warning",
            saw=f"Process {each.process_id} on {each.host} has told nothing of its loops for {minutes:.0f} minutes, and did not say that it ends.",
            why=self.why,
            cures=(cure,),
            numbers={"silent_s": round(each.silent_s)},
        )

    def _ailing(self, each: _Loop) -> Finding:
        missed = f"missed {each.missed_turns} turns" + (
            f" of {each.period_s:g} s" if each.period_s is not None else ""
        )
        failed = f"failed {each.failures_in_a_row} times in a row"
        how = (
            "stands still"
            if each.state == "dead"
            else " and ".join(
                text
                for text, count in ((missed, each.missed_turns), (failed, each.failures_in_a_row))
                if count >= MISSED_TURNS
            )
        )
        cause = f" Its last error: {each.last_error}" if each.last_error else ""
        cure = Cure(
            explanation="It tries again by itself: mend what the error names. The log has the whole of it; restart the service where a loop stands still."
        )
        return Finding(
            check=self.name,
            key=f"{self.name}/{each.name}",
            severity="warning",
            saw=f"“{each.name}” of process {each.process_id} on {each.host} {how}.{cause}",
            why=self.why,
            cures=(cure,),
            numbers={"missed_turns": each.missed_turns, "failures_in_a_row": each.failures_in_a_row},
        )


class TableBudgets:
    """Whether every table keeps to the room it may take, and is one that we know."""

    name = "table_budgets"
    title = "Tables within their bounds"
    why = "Each table has something that takes its rows away or holds them; one that outgrows its budget says that this no longer works."

    def look(self, look: Look) -> Iterator[Finding]:
        bounds = {each.table: each for each in BOUNDS}
        found = look.rows(_queries["table_sizes"], into=_Size)
        over = [
            each
            for each in found
            if (bound := bounds.get(each.table_name)) is not None
            and each.size_bytes > bound.budget_megabytes * MEGABYTE
        ]
        for each in over:
            bound = bounds[each.table_name]
            saw = (
                f"{each.table_name} takes {each.size_bytes / MEGABYTE:,.0f} MB, over its budget of {bound.budget_megabytes:,} MB. "
                f"Added by: {bound.adds}. Taken away by: {bound.removes}."
            )
            cure = Cure(
                explanation="See whether what takes its rows away runs (background_loops, clean_up_late); a programme larger than a country of a million children over five years needs more: acknowledge it then."
            )
            yield Finding(
                check=self.name,
                key=f"{self.name}/{each.table_name}",
                severity="warning",
                saw=saw,
                why=self.why,
                cures=(cure,),
                numbers={"size_bytes": each.size_bytes},
            )
        unknown = sorted(each.table_name for each in found if each.table_name not in bounds)
        if unknown:
            yield Finding(
                self.name,
                f"{self.name}/unknown",
                "notice",
                f"Tables that are not the platform's: {', '.join(unknown[:10])}.",
                "Nobody here knows what takes their rows away.",
                numbers={"tables": len(unknown)},
            )
        if not over:
            yield Finding(
                self.name,
                f"{self.name}/all",
                "ok",
                f"{len(found) - len(unknown)} tables are within their budgets.",
                self.why,
                numbers={"tables": len(found) - len(unknown)},
            )


class ImportsStuck:
    """Whether an import has been running for an hour."""

    name = "imports_stuck"
    title = "Imports"
    why = "Whoever sent the file waits for an answer that may never come."

    def look(self, look: Look) -> Iterator[Finding]:
        stuck = look.rows(_queries["stuck_imports"], into=_Stuck)[0].stuck
        if stuck:
            cure = Cure(
                explanation="Restart the service: what was not finished is given up whole and can be sent again."
            )
            yield Finding(
                check=self.name,
                key=f"{self.name}/stuck",
                severity="warning",
                saw=f"{stuck} imports began over an hour ago and have not ended.",
                why=self.why,
                cures=(cure,),
            )
        else:
            yield Finding(
                self.name, f"{self.name}/none", "ok", "No import has been running for an hour.", self.why
            )


class BackupsFresh:
    """Whether there is a recent backup that `rightlevel backup` made."""

    name = "backups_fresh"
    title = "Backups"
    why = "What is not backed up is lost with the disk."

    def look(self, look: Look) -> Iterator[Finding]:
        found = look.rows(_queries["newest_backup"], into=_Backup)
        age_s = found[0].age_s if found else look.rows(_queries["platform_age"], into=_Age)[0].age_s
        days = age_s / 86_400
        if age_s <= LATE_S:
            saw = (
                f"The last backup, {found[0].name}, is {age_s / 3_600:.1f} hours old."
                if found
                else "None was due yet."
            )
            yield Finding(self.name, f"{self.name}/fresh", "ok", saw, self.why, numbers={"age_s": age_s})
            return
        cure = Cure(
            command="rightlevel backup --into /another/disk/rightlevel",
            explanation="Can be run while the service goes on; each night by cron or a systemd timer. Where something else backs this server up, acknowledge this.",
        )
        saw = (
            f"The last backup is {days:.1f} days old."
            if found
            else f"There was no backup in {days:.1f} days."
        )
        severity: Severity = "critical" if age_s > LOST_S else "warning"
        yield Finding(
            check=self.name,
            key=f"{self.name}/old",
            severity=severity,
            saw=saw,
            why=self.why,
            cures=(cure,),
            numbers={"age_s": age_s},
        )


class HostsAgree:
    """Whether the hosts of a database are of one version, and all known to keep their files in one place."""

    name = "hosts_agree"
    title = "Hosts"
    why = "Whoever asks again is answered by another host: what the two do otherwise looks like a fault that comes and goes."

    def look(self, look: Look) -> Iterator[Finding]:
        found = look.rows(_queries["hosts"], into=_Host)
        if not found:
            raise NotExamined("No running service has told of itself within a minute.")
        versions = sorted({each.version for each in found})
        apart = [each.name for each in found if not each.has_sign] if len(found) > 1 else []
        if len(versions) > 1:
            told = ", ".join(f"{each.name} is {each.version}" for each in found)
            yield self._finding(
                "versions",
                f"The hosts are of {len(versions)} versions: {told}.",
                "Restart those that are older.",
            )
        if apart:
            yield self._finding(
                "files",
                f"Whether {', '.join(apart)} keeps files where the other hosts do is not known.",
                "Restart it once the folder or the store of files can be reached: it looks when it starts, and its log says what it could not do.",
            )
        if len(versions) == 1 and not apart:
            saw = f"{len(found)} host{'' if len(found) == 1 else 's'}, of version {versions[0]}."
            yield Finding(self.name, f"{self.name}/all", "ok", saw, self.why, numbers={"hosts": len(found)})

    def _finding(self, what: str, saw: str, how: str) -> Finding:
        return Finding(
            self.name, f"{self.name}/{what}", "warning", saw, self.why, cures=(Cure(explanation=how),)
        )


PLATFORM_CHECKS: Final[tuple[Check, ...]] = (
    SchemaUpToDate(),
    AdminsSecondFactor(),
    RoundsOverlap(),
    CleanUpLate(),
    BackgroundLoops(),
    HostsAgree(),
    TableBudgets(),
    ImportsStuck(),
    BackupsFresh(),
)


def finding_of(reconciliation: Reconciliation) -> Finding:
    """What a reconciliation says, as the doctor says it."""
    name, why = (
        "aggregates_reconcile",
        "Figures are read from kept counts; a count that drifts is a wrong figure in a ministry.",
    )
    if reconciliation.different == 0:
        return Finding(
            name, f"{name}/same", "ok", f"All {reconciliation.compared:,} kept counts equal their rows.", why
        )
    cure = Cure(
        command="rightlevel reconcile --repair",
        explanation="Rewrites the counts from the rows in one transaction.",
    )
    saw = f"{reconciliation.different:,} of {reconciliation.compared:,} kept counts differ: {'; '.join(reconciliation.differences[:3])}"
    return Finding(
        check=name,
        key=f"{name}/different",
        severity="critical",
        saw=saw,
        why=why,
        cures=(cure,),
        numbers={"different": reconciliation.different},
    )
