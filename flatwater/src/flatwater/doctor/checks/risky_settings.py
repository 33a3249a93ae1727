"""Settings that trade rows for speed, or that hide a kind of plan from the planner for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, Severity
from flatwater.doctor.quoting import literal
from flatwater.doctor.relations import well

NAME: Final = "risky_settings"


class _Setting(Struct, frozen=True):
    name: str
    value: str
    context: str


class _Risk(Struct, frozen=True):
    wanted: str
    severity: Severity
    why: str


SMALL_WAL_MB: Final = 512
"""Half the server's own default. *Source*: our own level; pg-extras and PgHero have none."""
RISKS: Final[dict[str, _Risk]] = {
    "fsync": _Risk("on", "critical", "After a crash of the machine the database can be beyond mending."),
    "full_page_writes": _Risk("on", "critical", "A page half written at a crash can't be mended."),
    "synchronous_commit": _Risk(
        "on", "notice", "The last moments of commits are lost in a crash, though they were answered."
    ),
    "zero_damaged_pages": _Risk("off", "critical", "A damaged page is emptied without a word."),
    "ignore_checksum_failure": _Risk("off", "critical", "Damaged rows are given out as good ones."),
    "data_checksums": _Risk("on", "notice", "A disk that changes what was written is not noticed."),
    "track_activities": _Risk("on", "warning", "Nobody can see what a session does, this program included."),
    "random_page_cost": _Risk(
        "",
        "notice",
        "On SSD and in memory, a page out of order costs about what one in order does; at 4 the planner reads whole tables instead.",
    ),
    "password_encryption": _Risk(
        "scram-sha-256",
        "warning",
        "A password kept as md5 is as good as the password itself to whoever reads it; PostgreSQL 18 gives md5 up.",
    ),
    "log_min_duration_statement": _Risk(
        "250",
        "warning",
        "Every statement is written to the log with its values: a disk's time for each one, and the log holds what people typed.",
    ),
    "max_wal_size": _Risk(
        "1024",
        "warning",
        "So little log is full within moments, and a checkpoint is forced each time; each writes whole pages again.",
    ),
    "log_lock_waits": _Risk("on", "notice", "Who waited for whom can't be told afterwards."),
}
"""*Source*: fsync critical and planner features as pganalyze has them; random_page_cost = 4 as pg-extras' diagnose has it (1.1 is what
the field uses on SSD); the rest is the PostgreSQL manual's own warning at each setting."""


class RiskySettings(Struct, frozen=True):
    name: str = NAME
    title: str = "Risky settings"
    why: str = "They hold for everybody, and are seen only when it is too late."

    def look(self, look: Look) -> Iterator[Finding]:
        settings = look.rows(queries["risky_settings"], into=_Setting)
        found = [each for each in map(self._finding, settings) if each is not None]
        yield from found
        if not found:
            yield well(
                self,
                f"{len(settings)} settings looked at; all are as they should be.",
                settings=len(settings),
            )

    def _finding(self, setting: _Setting) -> Finding | None:
        risk = RISKS.get(
            setting.name,
            _Risk(
                "on",
                "warning",
                "The planner can't choose what it would choose: plans of other statements are hurt.",
            ),
        )
        wanted = risk.wanted
        if setting.name == "log_min_duration_statement":
            wanted = risk.wanted if setting.value == "0" else setting.value
        if setting.name == "max_wal_size":
            wanted = risk.wanted if int(setting.value) < SMALL_WAL_MB else setting.value
        if setting.name == "random_page_cost":
            wanted = "1.1" if setting.value == "4" else setting.value
        if setting.value == wanted or (
            setting.name == "synchronous_commit" and setting.value.startswith("remote")
        ):
            return None
        if setting.name == "data_checksums":
            cure = Cure(
                command='pg_checksums --enable --pgdata="$PGDATA"',
                undo='pg_checksums --disable --pgdata="$PGDATA"',
                explanation="With the server stopped; it reads every page once.",
            )
            return Finding(
                check=NAME,
                key=f"{NAME}/{setting.name}",
                severity=risk.severity,
                saw=f"{setting.name} is {setting.value}.",
                why=risk.why,
                cures=(cure,),
            )
        return Finding(
            check=NAME,
            key=f"{NAME}/{setting.name}",
            severity=risk.severity,
            saw=f"{setting.name} is {setting.value}; {wanted} is right for nearly everybody.",
            why=risk.why,
            cures=(
                Cure(
                    sql=f"alter system set {setting.name} = {literal(wanted)};",
                    undo=f"alter system set {setting.name} = {literal(setting.value)};",
                    explanation="Where it came from the server's own command line, change it there. A role or a transaction that wants it otherwise can set it for itself.",
                ),
                Cure(
                    sql="select pg_reload_conf();",
                    explanation="Makes the setting hold; no restart is needed.",
                ),
            ),
            numbers={"value": setting.value},
        )


CHECK = RiskySettings()
