"""Temporary files: sorts and joins that did not fit into work_mem and went to the disk."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding
from flatwater.doctor.processes import in_words
from flatwater.doctor.relations import graded, well

NAME: Final = "temp_files"


class Counts(Struct, frozen=True):
    """What the database counted since its statistics began."""

    commits: int
    rollbacks: int
    deadlocks: int
    temp_files: int
    temp_bytes: int
    broken_pages: int
    conflicts: int
    since_at: datetime
    work_mem: str
    temp_file_limit: str


class TempFiles(Struct, frozen=True):
    """*Source*: no tool has a level (check_pgactivity wants one given); ours is 1 GiB an hour, which is a hundred sorts of the
    size that work_mem's default lets spill at once, and ten times it for a warning. Judged since the look before, where there was one."""

    notice_bytes_an_hour: float = 1 << 30
    warning_bytes_an_hour: float = 10 << 30
    least_s: float = 60.0
    name: str = NAME
    title: str = "Temporary files"
    why: str = "They make a statement as slow as the disk, and without a limit one of them fills it."

    def look(self, look: Look) -> Iterator[Finding]:
        counts = look.rows(queries["database_counts"], into=Counts)[0]
        look.remember(f"{NAME}/bytes", counts.temp_bytes)
        since_at, written, window = counts.since_at, counts.temp_bytes, "since the statistics began"
        before = None if look.previous is None else look.previous.numbers.get(f"{NAME}/bytes")
        if look.previous is not None and before is not None and before <= counts.temp_bytes:
            since_at, written, window = (
                look.previous.at,
                counts.temp_bytes - int(before),
                "since the look before",
            )
        # A burst in the first minutes of a window is not held for a rate.
        hours = max((look.at - since_at).total_seconds(), self.least_s) / 3600
        rate = written / max(hours, 1.0)
        severity = graded(rate, notice=self.notice_bytes_an_hour, warning=self.warning_bytes_an_hour)
        numbers: dict[str, float | int | str] = {
            "bytes": written,
            "hours": round(hours, 2),
            "files": counts.temp_files,
        }
        saw = f"{in_words(written)} of temporary files were written {window} ({hours:.1f} h; {counts.temp_files} files in all); work_mem is {counts.work_mem}"
        if severity == "ok":
            yield well(self, f"{saw}.", **numbers)
            return
        no_limit = counts.temp_file_limit == "-1"
        cures = [
            Cure(
                explanation="Find them: alter system set log_temp_files = '10MB' and reload, or pg_stat_statements by temp_blks_written. Then give "
                "work_mem to that role or that transaction alone (set local work_mem), never to the whole server: it is taken per sort and per connection."
            )
        ]
        if no_limit:
            cures.append(
                Cure(
                    explanation="So that they can't fill the disk: alter system set temp_file_limit = '20GB', by what the disk has, a ceiling for each process; "
                    "then select pg_reload_conf(). It ends the statement that needs more, and makes none smaller.",
                )
            )
        yield Finding(
            check=NAME,
            key=f"{NAME}/all",
            severity=severity,
            saw=f"{saw}{'; nothing limits them' if no_limit else ''}.",
            why=self.why,
            cures=tuple(cures),
            numbers=numbers,
        )


CHECK = TempFiles()
