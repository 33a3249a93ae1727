"""Applying what was looked at: the file of a dry run, which was kept for it, is imported as it was said then."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Conflict, NotFound
from rightlevel.programme.exchange.fields import Kind
from rightlevel.programme.exchange.model import NewRun
from rightlevel.programme.exchange.previewing import PREVIEWED_FOR
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, Role, require

_queries = load_queries(__package__ or "", "previewing.sql")
MOST_FILES: Final = 8
"""So many files that were looked at are kept; then the one that has waited longest goes."""
MOST_ATTEMPTS: Final = 3
"""So often a process may end over a file before nobody begins with it again."""


class ImportNotApplicable(Conflict):
    """This is no dry run that could be applied."""

    code = "import_not_applicable"


class ImportHasFaults(Conflict):
    """Rows of this file are wrong: mend them and send it again, or say that they are to be left out."""

    code = "import_has_faults"


class ImportAppliedBefore(Conflict):
    """This dry run was applied already, or is being applied."""

    code = "import_applied_before"


class ImportFileGone(Conflict):
    """The file of this dry run is not kept any more: it is for a day, and as one of the last eight. Send it again."""

    code = "import_file_gone"


class HowToApply(msgspec.Struct, frozen=True):
    """Whether rows that are wrong are left out (and kept, to be mended) and all others saved."""

    leaves_bad_rows: bool = False


class _Found(msgspec.Struct, frozen=True):
    id: str
    kind: Kind
    filename: str
    state: str
    is_dry_run: bool
    bytes_total: int
    mapping: str
    source: str
    file: str
    faults: int
    has_preview: bool
    leaves_bad_rows: bool
    is_applied: bool


class ClaimedRun(msgspec.Struct, frozen=True):
    """An import that a dead process left and that is begun again: all that was said of it, and who said it."""

    id: str
    kind: Kind
    filename: str
    is_dry_run: bool
    bytes_total: int
    leaves_bad_rows: bool
    mapping: str
    source: str
    undoes: str | None
    applies: str | None
    file: str
    address: str
    started_at: datetime
    person_id: int
    username: str
    display_name: str
    role: Role
    language: str

    def as_new(self) -> NewRun:
        """What is to be done, as it was asked."""
        return NewRun(
            self.kind,
            self.filename,
            self.is_dry_run,
            self.bytes_total,
            leaves_bad_rows=self.leaves_bad_rows,
            mapping=self.mapping,
            source=self.source,
            undoes=self.undoes,
            applies=self.applies,
            file=self.file,
            address=self.address,
        )


async def run_to_apply(session: Session, actor: Actor, run_id: str, how: HowToApply) -> NewRun:
    """What is to be done to apply a dry run.

    *Errors*: Forbidden, NotFound, ImportNotApplicable, ImportHasFaults, ImportAppliedBefore, ImportFileGone.
    """
    require(actor, "run", "import")
    if not is_uuid(run_id):
        raise NotFound
    found = await session.fetch_one(_queries["run_to_apply"], {"id": run_id}, into=_Found)
    if found is None:
        raise NotFound
    if not found.is_dry_run or not found.has_preview:
        raise ImportNotApplicable
    if found.is_applied:
        raise ImportAppliedBefore
    if not found.file:
        raise ImportFileGone
    leaves_bad_rows = how.leaves_bad_rows or found.leaves_bad_rows
    if found.faults and not leaves_bad_rows:
        raise ImportHasFaults
    return NewRun(
        found.kind,
        found.filename,
        is_dry_run=False,
        bytes_total=found.bytes_total,
        leaves_bad_rows=leaves_bad_rows,
        mapping=found.mapping,
        source=found.source,
        applies=found.id,
        file=found.file,
    )


async def take_file(session: Session, new: NewRun) -> None:
    """Takes the file of what was looked at for the import that applies it. *Errors*: ImportAppliedBefore, where another took it."""
    values = {"applies": new.applies, "file": new.file}
    if new.applies is not None and not await session.execute(_queries["take_file"], values):
        raise ImportAppliedBefore


async def let_files_go(session: Session, now: datetime) -> int:
    """Forgets the files that nobody needs any more; how many."""
    return await session.execute(
        _queries["let_files_go"], {"before": now - PREVIEWED_FOR, "most": MOST_FILES}
    )


class _File(msgspec.Struct, frozen=True):
    file: str


async def files_in_use(session: Session, files: list[str]) -> set[str]:
    """Which of these files somebody needs."""
    found = await session.fetch_all(_queries["files_in_use"], {"files": files}, into=_File)
    return {each.file for each in found}


class _Owner(msgspec.Struct, frozen=True):
    owner: str


async def claim_runs(
    session: Session, owner: str, dead: list[str], files: list[str], rows: int
) -> list[ClaimedRun]:
    """Takes over at most so many imports of dead processes, those that came first first; what finds no room is said to be alive."""
    values = {"owner": owner, "dead": dead, "files": files, "rows": rows, "most": MOST_ATTEMPTS}
    claimed = await session.fetch_all(_queries["claim_runs"], values, into=ClaimedRun)
    return sorted(claimed, key=lambda run: (run.started_at, run.id))


async def keep_left_runs(session: Session, dead: list[str], files: list[str]) -> set[str]:
    """Which dead processes have left something that is begun again once there is room for it; it is said to be alive."""
    values = {"dead": dead, "files": files, "most": MOST_ATTEMPTS}
    found = await session.fetch_all(_queries["keep_left_runs"], values, into=_Owner)
    return {each.owner for each in found}


async def try_to_hold_run(session: Session, run_id: str) -> bool:
    """Whether nobody else is at work on this import, and from here to the transaction's end nobody will be."""
    return await session.fetch_value(_queries["try_to_hold_run"], {"id": run_id})
