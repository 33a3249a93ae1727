"""What the doctor must know of this platform beside what it knows of any PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from flatwater.doctor.look import Look
from flatwater.doctor.model import Check, Cure, Finding, Severity
from flatwater.queries import load_queries
from rightlevel.database.migrations import known_migrations
from rightlevel.operations.reconcile import Reconciliation

_queries = load_queries(__package__ or "", "platform_checks.sql")

LATE_S: Final = 26 * 3_600
"""The clean-up runs at 02:00 each day, and so should a backup; two hours' grace."""
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
            self.name,
            f"{self.name}/schema",
            "critical",
            saw,
            self.why,
            (cure,),
            {"there": there, "known": known},
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
                self.name, f"{self.name}/none", "warning", "There is no admin in use.", self.why, (cure,)
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
            yield Finding(self.name, f"{self.name}/rule", severity, saw, self.why, (cure,), numbers)
        elif found.without_factor:
            saw = f"{lacking}; they must enrol when they next sign in, and until then their password alone leads that far."
            cure = Cure(
                explanation="Ask them to sign in and enrol, or deactivate those who no longer work here."
            )
            yield Finding(self.name, f"{self.name}/missing", "notice", saw, self.why, (cure,), numbers)
        else:
            yield Finding(
                self.name, f"{self.name}/all", "ok", f"All {found.admins} admins have a second factor.", self.why, numbers=numbers
            )  # fmt: skip


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
                self.name, f"{self.name}/{each.school_id}/{each.kind}", "warning", saw, self.why, (cure,)
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
            yield Finding(self.name, f"{self.name}/late", "warning", saw, self.why, (cure,), {"age_s": age_s})
        elif found and not found[0].is_ended and age_s > 3_600:
            saw = f"A clean-up began {hours:.1f} hours ago and did not end."
            yield Finding(
                self.name, f"{self.name}/unfinished", "warning", saw, self.why, (cure,), {"age_s": age_s}
            )
        else:
            saw = (
                f"The last clean-up began {hours:.1f} hours ago and removed {found[0].removed:,} rows."
                if found
                else "None was due yet."
            )
            yield Finding(self.name, f"{self.name}/ran", "ok", saw, self.why)


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
                self.name,
                f"{self.name}/stuck",
                "warning",
                f"{stuck} imports began over an hour ago and have not ended.",
                self.why,
                (cure,),
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
        yield Finding(self.name, f"{self.name}/old", severity, saw, self.why, (cure,), {"age_s": age_s})


PLATFORM_CHECKS: Final[tuple[Check, ...]] = (
    SchemaUpToDate(), AdminsSecondFactor(), RoundsOverlap(), CleanUpLate(), ImportsStuck(), BackupsFresh(),
)  # fmt: skip


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
        name, f"{name}/different", "critical", saw, why, (cure,), {"different": reconciliation.different}
    )
