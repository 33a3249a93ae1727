"""The log of writes (WAL): what it takes, who makes the server keep it, and whether it reaches its archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.catalog import queries
from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined, Severity
from flatwater.doctor.processes import in_words
from flatwater.doctor.quoting import literal
from flatwater.doctor.sessions import spent

NAME: Final = "wal_and_slots"


class _Kept(Struct, frozen=True):
    size_bytes: int
    max_wal_bytes: int
    slots_are_unbounded: bool


class _Archiver(Struct, frozen=True):
    is_on: bool
    failed: int
    last_failed: str
    is_failing: bool
    since_archived_s: float


class _Slot(Struct, frozen=True):
    name: str
    kind: str
    plugin: str
    is_active: bool
    is_temporary: bool
    status: str
    held_bytes: int
    inactive_s: float
    database: str
    from_lsn: str


class WalAndSlots(Struct, frozen=True):
    """*Source*: any slot that nobody reads, as PgHero has it; critical when it is about to lose, or lost, what it kept
    (wal_status), or holds 5 GiB, check_postgres' critical for bloat. More than twice max_wal_size on disk is our own level:
    a healthy server keeps to about once."""

    slot_bytes: int = 5 << 30
    times_max_wal: float = 2.0
    name: str = NAME
    title: str = "Log of writes and slots"
    why: str = "What a forgotten reader holds is kept until the disk is full, and then the server stops."

    def look(self, look: Look) -> Iterator[Finding]:
        query = queries["replication_slots"].plus("since" if look.version >= 170_000 else "no_since")
        slots = look.rows(query, into=_Slot)
        archiver = look.rows(queries["archiver"], into=_Archiver)[0]
        found = [each for slot in slots for each in self._slot(slot)]
        found.extend(self._archiver(archiver))
        yield from found
        try:
            kept = look.rows(queries["wal_kept"], into=_Kept)[0]
        except NotExamined as reason:
            raise NotExamined(
                f"{len(slots)} slots were looked at; what the log takes was not: {reason}"
            ) from reason
        look.remember("wal_and_slots/bytes", kept.size_bytes)
        yield from self._kept(kept, slots, is_quiet=not found)

    def _slot(self, slot: _Slot) -> Iterator[Finding]:
        if slot.is_active and slot.status not in {"unreserved", "lost"} and slot.held_bytes < self.slot_bytes:
            return
        is_bad = slot.status in {"unreserved", "lost"} or slot.held_bytes >= self.slot_bytes
        severity: Severity = "critical" if is_bad else "warning"
        since = f" for {spent(slot.inactive_s)}" if slot.inactive_s else ""
        state = "is read" if slot.is_active else f"is read by nobody{since}"
        again = f"pg_create_logical_replication_slot({literal(slot.name)}, {literal(slot.plugin)})"
        if slot.kind == "physical":
            again = f"pg_create_physical_replication_slot({literal(slot.name)}, true)"
        drop = Cure(
            sql="select pg_drop_replication_slot(s.slot_name) from pg_replication_slots s "  # noqa: S608  names are quoted
            f"where s.slot_name = {literal(slot.name)} and not s.active and coalesce(s.restart_lsn::text, '') = {literal(slot.from_lsn)};",
            undo=f"select {again};",
            explanation="When its reader will not come back; does nothing if it was read since. A slot made again begins now: a reader that comes back then needs a new copy"
            + (" and the undo works in database " + slot.database if slot.database else "")
            + ".",
        )
        yield Finding(
            check=NAME,
            key=f"{NAME}/slot {slot.name}",
            severity=severity,
            saw=f"Slot {slot.name} ({slot.kind}) {state} and keeps {in_words(slot.held_bytes)} of the log; its state is {slot.status or 'reserved from its first use'}.",
            why=self.why,
            cures=(Cure(explanation="Bring its reader up to date."),) if slot.is_active else (drop,),
            numbers={
                "held_bytes": slot.held_bytes,
                "status": slot.status,
                "inactive_s": round(slot.inactive_s),
            },
        )

    def _archiver(self, archiver: _Archiver) -> Iterator[Finding]:
        if archiver.is_on and archiver.is_failing:
            yield Finding(
                check=NAME,
                key=f"{NAME}/archive",
                severity="critical",
                saw=f"The archive refuses {archiver.last_failed}; {archiver.failed} attempts failed, the last success was {spent(archiver.since_archived_s)} ago.",
                why="The log is kept until it is archived, so the disk fills; and backups end where the archive ends.",
                cures=(
                    Cure(
                        explanation="Run archive_command by hand as the server's user with that file; the server's log has what it said."
                    ),
                ),
                numbers={"failed": archiver.failed},
            )

    def _kept(self, kept: _Kept, slots: list[_Slot], *, is_quiet: bool) -> Iterator[Finding]:
        numbers: dict[str, float | int | str] = {"size_bytes": kept.size_bytes, "slots": len(slots)}
        if slots and kept.slots_are_unbounded:
            is_quiet = False
            yield Finding(
                check=NAME,
                key=f"{NAME}/unbounded",
                severity="notice",
                saw=f"{len(slots)} slots may each make the server keep the log without bound.",
                why=self.why,
                cures=(
                    Cure(
                        sql="alter system set max_slot_wal_keep_size = '10GB';",
                        undo="alter system reset max_slot_wal_keep_size;",
                        explanation="By what the disk can spare. A reader that falls behind further needs a new copy.",
                    ),
                    Cure(
                        sql="select pg_reload_conf();",
                        explanation="Makes the setting hold; no restart is needed.",
                    ),
                ),
                numbers=numbers,
            )
        if kept.size_bytes > kept.max_wal_bytes * self.times_max_wal:
            is_quiet = False
            yield Finding(
                check=NAME,
                key=f"{NAME}/size",
                severity="warning",
                saw=f"The log takes {in_words(kept.size_bytes)}; max_wal_size is {in_words(kept.max_wal_bytes)}.",
                why=self.why,
                cures=(
                    Cure(
                        explanation="Look who holds it: a slot, the archive, wal_keep_size, or a checkpoint that can't keep up."
                    ),
                ),
                numbers=numbers,
            )
        if is_quiet:
            yield Finding(
                NAME,
                f"{NAME}/all",
                "ok",
                f"The log takes {in_words(kept.size_bytes)} of {in_words(kept.max_wal_bytes)}; {len(slots)} slots, none of them left behind.",
                self.why,
                numbers=numbers,
            )


CHECK = WalAndSlots()
