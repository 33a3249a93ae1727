"""Importing a file: read, judge everything, then save all of it or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import IO, Final, NamedTuple

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.accounts import require_still
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Forbidden, NotFound
from rightlevel.programme.exchange import deed_rows, result_rows, store
from rightlevel.programme.exchange.applying import take_file
from rightlevel.programme.exchange.binding import HeadersInvalid, bind
from rightlevel.programme.exchange.fault_file import MOST_KEPT, FaultFile
from rightlevel.programme.exchange.fields import DEED_KINDS, RIGHTS, Kind, Terms
from rightlevel.programme.exchange.left_rows import TooMuchLeft, chunks_of, left_rows
from rightlevel.programme.exchange.mapping import ColumnMapping, mapping_by_headers
from rightlevel.programme.exchange.model import (
    ImportCollided,
    ImportFault,
    ImportOutcome,
    ImportRun,
    ImportSource,
    LeftRow,
    NewRun,
    Progress,
    RunState,
)
from rightlevel.programme.exchange.opening import OpeningFault
from rightlevel.programme.exchange.previewing import count_preview, preview_rows, preview_wrong
from rightlevel.programme.exchange.row_deeds import Asking
from rightlevel.programme.exchange.row_plan import Block, RowPlan
from rightlevel.programme.exchange.sheets import Sheet, SheetFault
from rightlevel.programme.exchange.undoing import undo_import
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.students import changing, tell_today
from rightlevel.programme.webhooks import tell_webhooks

KEEP_FAULTS: Final = timedelta(days=30)
SHOWN_IGNORED: Final = 20
COUNTS: Final = ("added", "changed", "unchanged", "faults", "left_out", "skipped")


class ImportInterrupted(Conflict):
    """Nothing was heard of this import for two minutes, so it was told that it is interrupted, and nothing of it was saved. Import it again."""

    code = "import_interrupted"


async def start_run(
    session: Session,
    actor: Actor | None,
    new: NewRun,
    clock: Clock,
    *,
    is_waiting: bool = False,
) -> str:
    """Writes down that an import begins, or waits for its turn; its id. `actor` is None only for the command line.

    *Errors*: Forbidden, ImportAppliedBefore.
    """
    if actor is not None:
        require(actor, "run", "import")
        for action, resource in RIGHTS.get(new.kind, ()):
            require(actor, action, resource)
        new = msgspec.structs.replace(new, address=actor.address)
    await store.forget_old_faults(session, clock.now() - KEEP_FAULTS)
    if new.source and new.mapping:
        await store.remember_source(session, new, clock.now())
    await take_file(session, new)
    person_id = actor.person_id if actor else None
    state = "waiting" if is_waiting else "reading"
    return await store.start_run(session, new, person_id=person_id, state=state, now=clock.now())


async def import_sheet(
    session: Session,
    actor: Actor | None,
    run_id: str,
    new: NewRun,
    sheet: Sheet,
    mapping: ColumnMapping | None,
    progress: Progress,
    clock: Clock,
    *,
    reopen: Callable[[], Sheet] | None = None,
) -> ImportOutcome:
    """Imports every row of the sheet in the session's transaction, or none when there is a fault; ends the run.

    Where `new.leaves_bad_rows` says so, rows that are wrong are left out and kept with the run, and all others are saved; `reopen`
    gives the same sheet again for them.

    Rows are matched by key: a school by its code, a child by its school's code and its own. All faults are found
    before anything is saved; they are kept with the run. Without a mapping the headers' own words are used.
    Whoever lost the right to import while it ran, or the account, imports nothing: that is asked before rows are saved and once more, held, at the end.
    *Errors*: Forbidden, ImportCollided, ImportInterrupted. *Cost*: memory that does not grow with the file; one COPY, then a few
    statements over all rows. Counts are locked only while rows are saved, after all reading and judging.
    """
    await _require_importer(session, actor)
    faults = FaultFile()
    try:
        await store.make_staging(session, new.kind)
        terms = await store.read_terms(session, today(clock))
        try:
            if mapping is None or mapping.is_partial:
                mapping = mapping_by_headers(new.kind, sheet, mapping)
            plan = bind(mapping, sheet, terms)
        except HeadersInvalid as invalid:
            for fault in invalid.faults:
                faults.add_of_file(*fault)
            await store.copy_faults(session, faults)
            outcome = _faulty(new, faults, progress)
        else:
            await _copy(session, new.kind, plan=plan, sheet=sheet, faults=faults, progress=progress)
            await _require_importer(session, actor)
            saving = _Saving(
                actor=actor,
                run_id=run_id,
                new=new,
                plan=plan,
                terms=terms,
                clock=clock,
                sheet=sheet,
                reopen=reopen,
            )
            outcome = await _judge_and_save(session, saving, mapping, faults, progress)
    finally:
        faults.close()
    await _end(session, actor, run_id=run_id, new=new, outcome=outcome, clock=clock)
    await _require_importer(session, actor, hold=True)
    return outcome


async def _require_importer(session: Session, actor: Actor | None, *, hold: bool = False) -> None:
    """Passes for the command line, and for who may import now, whatever they might when the file was handed over. *Errors*: Forbidden."""
    if actor is not None:
        require(actor, "run", "import")
        await require_still(session, actor, "run", "import", hold=hold)


async def undo_run(
    session: Session, actor: Actor | None, run_id: str, new: NewRun, progress: Progress, clock: Clock
) -> ImportOutcome:
    """Undoes an import and ends the run that does; what stands on it is kept as that run's faults. *Errors*: those of `undo_import`, Forbidden."""
    await _require_importer(session, actor)
    outcome = await undo_import(session, actor, new, progress, clock)
    await _end(session, actor, run_id=run_id, new=new, outcome=outcome, clock=clock)
    await _require_importer(session, actor, hold=True)
    return outcome


async def refuse_file(
    session: Session, actor: Actor | None, run_id: str, new: NewRun, fault: SheetFault, clock: Clock
) -> ImportOutcome:
    """Ends the run of a file that can't be opened as a sheet, with that one fault."""
    faults = FaultFile()
    try:
        await store.make_staging(session, new.kind)
        offers = fault.offers if isinstance(fault, OpeningFault) else ()
        faults.add_of_file(fault.row or 0, "", "", fault.message)
        for offer in offers:
            faults.add_of_file(fault.row or 0, "", offer.value, offer.rule, offer.line)
        await store.copy_faults(session, faults)
        outcome = _faulty(new, faults, Progress())
    finally:
        faults.close()
    await _end(session, actor, run_id=run_id, new=new, outcome=outcome, clock=clock)
    return outcome


async def _copy(
    session: Session, kind: Kind, plan: RowPlan, sheet: Sheet, faults: FaultFile, progress: Progress
) -> None:
    """Reads and converts in a thread while the block before is on its way to the database."""
    blocks = _Ahead(plan.blocks(sheet, faults))
    try:
        async with store.copy_rows(session, kind) as copy:
            while (block := await blocks.next()) is not None:
                await copy.write(block.text)
                progress.rows += block.rows
                progress.bytes_done, progress.bytes_total = sheet.progress()
    finally:
        await blocks.close()
    progress.rows += faults.left_out


class _Ahead:
    """Blocks of an iterator, the next one always being made in a thread of its own. At most two are in memory."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._thread = ThreadPoolExecutor(1, "import")
        self._coming = self._begin()

    def _begin(self) -> asyncio.Future[Block | None]:
        return asyncio.get_running_loop().run_in_executor(self._thread, next, self._blocks, None)

    async def next(self) -> Block | None:
        block = await asyncio.shield(self._coming)
        if block is not None:
            self._coming = self._begin()
        return block

    async def close(self) -> None:
        """Waits for the thread, which reads the file that is closed next."""
        await asyncio.wait([self._coming])
        if not self._coming.cancelled():
            self._coming.exception()
        self._thread.shutdown()


class _Saving(NamedTuple):
    """One import that was read whole: who imports what, by which plan and settings."""

    actor: Actor | None
    run_id: str
    new: NewRun
    plan: RowPlan
    terms: Terms
    clock: Clock
    sheet: Sheet
    reopen: Callable[[], Sheet] | None

    @property
    def asking(self) -> Asking:
        """Who does what the rows say. *Errors*: Forbidden for the command line."""
        return Asking(_somebody(self.actor), self.clock, self.terms, self.plan.mapped)


async def _judge_and_save(
    session: Session, saving: _Saving, mapping: ColumnMapping, faults: FaultFile, progress: Progress
) -> ImportOutcome:
    new, plan = saving.new, saving.plan
    progress.state = "saving"
    await store.copy_faults(session, faults)
    columns = {name: " + ".join(source.columns) for name, source in mapping.sources.items() if source.columns}
    place = [label for name, label in columns.items() if name.startswith("place.")]
    labels = columns | {"place": ", ".join(place) or "place"}
    if new.kind == "results":
        found = await result_rows.find_faults(session, _somebody(saving.actor), columns, saving.clock)
    elif new.kind in DEED_KINDS:
        with closing(FaultFile()) as refused:
            found = await deed_rows.judge(session, new.kind, saving.asking, columns, refused)
            await store.copy_faults(session, refused)
            found += refused.count
    else:
        found = await store.find_faults(session, new.kind, plan.mapped, labels, saving.terms.grades)
    wrong = found + faults.count
    skipped = 0
    if wrong and new.is_dry_run and not _is_past_help(faults, found):
        await preview_wrong(session, new.kind, saving.run_id)
    if wrong:
        left = await _leave_out(session, saving, faults, found)
        if left is None:
            return await _faulty_rows(session, saving, faults, progress, found)
        skipped = left
    preview: dict[str, int] | None = None
    not_compared = 0
    if new.is_dry_run:
        seen = await preview_rows(session, new.kind, saving.run_id, plan.mapped, today(saving.clock))
        saved, not_compared = seen.saved, seen.not_compared
        preview = await count_preview(session, saving.run_id)
    else:
        try:
            saved = await _save(session, saving)
        except ConstraintViolated as violated:
            raise ImportCollided from violated
    unchanged = progress.rows - faults.left_out - skipped - saved.added - saved.changed
    return ImportOutcome(
        rows=progress.rows,
        added=saved.added,
        changed=saved.changed,
        unchanged=unchanged,
        faults=faults.count + found,
        is_dry_run=new.is_dry_run,
        message=_told(saving, saved, not_compared),
        left_out=faults.left_out,
        skipped=skipped,
        preview=preview,
    )


def _somebody(actor: Actor | None) -> Actor:
    """Who answers for results; the command line is nobody. *Errors*: Forbidden."""
    if actor is None:
        raise Forbidden
    return actor


def _is_past_help(faults: FaultFile, found: int) -> bool:
    """Whether what is wrong is wrong with the whole file, or more than is kept row by row."""
    return faults.is_of_file or faults.count + faults.left_out + found > MOST_KEPT


async def _faulty_rows(
    session: Session, saving: _Saving, faults: FaultFile, progress: Progress, found: int
) -> ImportOutcome:
    """A file that isn't saved since rows of it are wrong; a dry run tells what would become of the others all the same."""
    new = saving.new
    outcome = _faulty(new, faults, progress, found)
    if not new.is_dry_run or _is_past_help(faults, found):
        return outcome
    await store.drop_bad_rows(session, new.kind)
    await preview_rows(session, new.kind, saving.run_id, saving.plan.mapped, today(saving.clock))
    return msgspec.structs.replace(outcome, preview=await count_preview(session, saving.run_id))


async def _leave_out(session: Session, saving: _Saving, faults: FaultFile, found: int) -> int | None:
    """Takes the rows that are wrong out of what is to be saved and keeps them; how many, or None where that can't be or wasn't asked."""
    new = saving.new
    if not new.leaves_bad_rows or saving.reopen is None or _is_past_help(faults, found):
        return None
    wanted = await store.list_bad_rows(session)

    def read_again(reopen: Callable[[], Sheet]) -> IO[bytes]:
        with reopen() as sheet:
            return left_rows(sheet, saving.run_id, wanted)

    try:
        file = await asyncio.to_thread(read_again, saving.reopen)
    except TooMuchLeft:
        return None
    with file:
        await store.copy_left_rows(session, chunks_of(file))
    await store.drop_bad_rows(session, new.kind)
    return len(wanted)


async def _save(session: Session, saving: _Saving) -> store.Saved:
    actor, new, clock = saving.actor, saving.new, saving.clock
    audited = {
        "person_id": actor.person_id if actor else None,
        "role": actor.role if actor else None,
        "address": actor.address if actor else None,
        "filename": new.filename[:200],
        "run_id": saving.run_id,
    }
    if new.kind == "schools":
        return await store.apply_schools(session, saving.plan.mapped, clock.now(), audited)
    if new.kind == "results":
        await store.let_counts_wait(session)
        matched = await result_rows.apply_results(session, _somebody(actor), saving.run_id, clock)
        await store.add_waiting_counts(session)
        return store.Saved(matched.rows_new, matched.rows_changed)
    if new.kind in DEED_KINDS:
        counted = await deed_rows.apply(session, new.kind, saving.asking, saving.run_id)
        return store.Saved(counted.added, counted.changed)
    await changing(session, actor, "import", new.filename)
    await tell_today(session, today(clock))
    return await store.apply_students(session, saving.plan.mapped, clock.now(), audited)


def _faulty(new: NewRun, faults: FaultFile, progress: Progress, found: int = 0) -> ImportOutcome:
    return ImportOutcome(
        progress.rows, faults=faults.count + found, is_dry_run=new.is_dry_run, left_out=faults.left_out
    )


def _told(saving: _Saving, saved: store.Saved, not_compared: int = 0) -> str | None:
    """What whoever imports should know beside the counts."""
    plan = saving.plan
    said: list[str] = list(saving.sheet.told)
    if saved.moved and saving.new.kind == "schools":
        said.append(
            f"{saved.moved} schools stand in another place from now on; rounds whose roll is fixed stay counted where they stood."
        )
    elif saved.moved:
        said.append(
            f"Of the changed children {saved.moved} have another school year, grade, class or sex; what they had is kept."
        )
    if saved.went_on:
        said.append(
            f"{saved.went_on} go on into a later school year, and keep their place in the rounds of the year they leave."
        )
        if saved.open_rounds:
            said.append(f"{saved.open_rounds} rounds of that year are open, and go on with them.")
    if saved.went_back:
        said.append(f"{saved.went_back} go back into an earlier school year.")
    if not_compared:
        said.append(
            f"{not_compared} new children were not compared with the others of their school: look for possible duplicates there."
        )
    if plan.ignored:
        more = f" and {len(plan.ignored) - SHOWN_IGNORED} more" if len(plan.ignored) > SHOWN_IGNORED else ""
        said.append(f"Columns not used: {', '.join(plan.ignored[:SHOWN_IGNORED])}{more}.")
    return " ".join(said) or None


async def _end(
    session: Session, actor: Actor | None, run_id: str, new: NewRun, outcome: ImportOutcome, clock: Clock
) -> None:
    if outcome.faults or outcome.left_out:
        await store.keep_faults(session, run_id)
    state = "done" if outcome.is_saved else "faulty"
    if not await store.end_run(session, run_id, state, outcome, clock.now()):
        raise ImportInterrupted
    told = {"kind": new.kind, "filename": new.filename, "rows": outcome.rows, "is_dry_run": new.is_dry_run}
    counts = {name: getattr(outcome, name) for name in COUNTS}
    await write_audit(
        session,
        actor,
        "run",
        "import",
        run_id,
        after=told | counts,
        outcome="done" if outcome.is_saved else "failed",
    )
    if outcome.is_saved and not new.is_dry_run:
        what = {"id": new.undoes or run_id, "kind": new.kind, "rows": outcome.rows} | counts
        await tell_webhooks(
            session, "import.undone" if new.undoes else "import.done", {"import": what}, clock.now()
        )


async def fail_run(
    session: Session,
    actor: Actor | None,
    run_id: str,
    new: NewRun,
    rows: int,
    message: str,
    clock: Clock,
    *,
    state: RunState = "failed",
) -> None:
    """Ends a run that could not go on, in a transaction of its own; how one ended that has ended already stays."""
    ended = ImportOutcome(rows, message=message[:500])
    if not await store.end_run(session, run_id, state, ended, clock.now()):
        return
    after = {"kind": new.kind, "filename": new.filename, "rows": rows}
    await write_audit(
        session, actor, "run", "import", run_id, after=after, outcome="failed", reason=message[:500]
    )


async def read_terms(session: Session, actor: Actor, clock: Clock) -> Terms:
    """What rows are judged by today: grades, school years, the one country. *Errors*: Forbidden."""
    require(actor, "run", "import")
    return await store.read_terms(session, today(clock))


async def list_runs(session: Session, actor: Actor, page: PageRequest) -> Page[ImportRun]:
    """Imports, newest first. *Errors*: Forbidden."""
    require(actor, "run", "import")
    return await store.page_of_runs(session, page)


async def read_run(session: Session, actor: Actor, run_id: str) -> ImportRun:
    """One import. *Errors*: Forbidden, NotFound."""
    require(actor, "run", "import")
    return await store.find_run(session, run_id)


async def list_faults(session: Session, actor: Actor, run_id: str, page: PageRequest) -> Page[ImportFault]:
    """The faults of an import in the order of its rows. *Errors*: Forbidden, NotFound."""
    require(actor, "run", "import")
    await store.find_run(session, run_id)
    return await store.page_of_faults(session, run_id, page)


async def list_left_rows(session: Session, actor: Actor, run_id: str, page: PageRequest) -> Page[LeftRow]:
    """The rows that an import left out because they are wrong, the headers first. *Errors*: Forbidden, NotFound."""
    require(actor, "run", "import")
    await store.find_run(session, run_id)
    return await store.page_of_left_rows(session, run_id, page)


async def list_sources(session: Session, actor: Actor) -> list[ImportSource]:
    """Whose files were imported with a mapping, the one used last first; at most 200. *Errors*: Forbidden."""
    require(actor, "run", "import")
    return await store.list_sources(session)


async def said_of_file(session: Session, actor: Actor, run_id: str) -> store.SaidOfFile:
    """What was said of an import's file, to send the next one with. *Errors*: Forbidden, NotFound."""
    require(actor, "run", "import")
    found = await store.find_said(session, run_id)
    if found is None:
        raise NotFound
    return found


async def mapping_of_source(session: Session, actor: Actor, kind: Kind, name: str) -> str:
    """The mapping that was used for a source's last file; empty when there is none. *Errors*: Forbidden."""
    require(actor, "run", "import")
    found = await store.find_source(session, kind, name)
    return found.mapping if found is not None else ""
