"""Checkpoints: by the clock, or too often because the log of writes was full before its time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.processes import in_words
from flatwater.doctor.relations import well

NAME: Final = "checkpoints"


class _Counted(Struct, frozen=True):
    timed: int
    requested: int
    since_at: datetime
    max_wal_bytes: int
    timeout_s: float


class Checkpoints(Struct, frozen=True):
    """*Source*: more than half of them asked for, as the exporter's alerts have it; ten of them, so that a backup and a restart
    don't count as a habit (our own)."""

    share: float = 0.5
    least: int = 10
    name: str = NAME
    title: str = "Checkpoints"
    why: str = "Each checkpoint writes every changed page, and after it each page is logged whole at its first change: too many of them double the writing."

    def look(self, look: Look) -> Iterator[Finding]:
        counted = look.rows(
            queries["checkpoints_17" if look.version >= 170_000 else "checkpoints"], into=_Counted
        )[0]
        total = counted.timed + counted.requested
        numbers: dict[str, float | int | str] = {"timed": counted.timed, "requested": counted.requested}
        saw = f"{counted.requested} of {total} checkpoints since {counted.since_at:%Y-%m-%d %H:%M} were asked for, not by the clock"
        if total < self.least:
            raise NotExamined(f"{saw}; {self.least} are wanted to judge by.")
        if counted.requested / total <= self.share:
            yield well(self, f"{saw}.", **numbers)
            return
        # The default's next sizes up are doublings; past 64 GiB the disk should be asked first.
        larger_mb = min(counted.max_wal_bytes * 2, 64 << 30) >> 20
        yield Finding(
            check=NAME,
            key=f"{NAME}/all",
            severity="warning",
            saw=f"{saw}; max_wal_size is {in_words(counted.max_wal_bytes)}.",
            why=self.why,
            cures=(
                Cure(
                    sql=f"alter system set max_wal_size = '{larger_mb}MB';",
                    undo="alter system reset max_wal_size;",
                    explanation="Where the disk has that much room beside. Backups and create database ask for checkpoints too.",
                ),
                Cure(
                    sql="select pg_reload_conf();",
                    explanation="Makes the setting hold; no restart is needed.",
                ),
            ),
            numbers=numbers,
        )


CHECK = Checkpoints()
