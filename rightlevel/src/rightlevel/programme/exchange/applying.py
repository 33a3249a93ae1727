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
from rightlevel.programme.permissions import Actor, require

_queries = load_queries(__package__ or "", "previewing.sql")
MOST_FILES: Final = 8
"""So many files that were looked at are kept; then the one that has waited longest goes."""


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
