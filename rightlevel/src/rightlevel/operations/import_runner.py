"""Imports in a running platform: uploaded files wait in a short queue and are imported one after another.

The file itself is the only thing that waits; nothing of it is read before its turn. A run that a stopped program left
behind is marked interrupted: nothing of it was saved, because a whole import is one transaction. Several processes may
import beside each other: each says every few seconds that its runs are alive, and none touches another's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.errors import Refused
from flatwater.pool import Database
from flatwater.supervisor import Supervisor, TaskLoop
from flatwater.transaction import Session
from rightlevel.operations.spool import Spool
from rightlevel.programme.errors import ProgrammeError
from rightlevel.programme.exchange import (
    ColumnMapping,
    ImportOutcome,
    ImportRun,
    NewRun,
    Progress,
    SheetFault,
    end_left_runs,
    fail_run,
    import_sheet,
    keep_runs,
    note_progress,
    open_table,
    read_run,
    refuse_file,
    start_run,
    undo_run,
)
from rightlevel.programme.permissions import Actor, require

log = logging.getLogger("rightlevel.operations.imports")

MOST_WAITING: Final = 4
IMPORT_S: Final = 3_600.0
SHORT_S: Final = 10.0
NOTE_EVERY_S: Final = 1.0
MARK_EVERY_S: Final = 15.0
UNSEEN_S: Final = 120.0
"""So long nobody may have said that a run is alive before it counts as left: eight missed marks, by the database's clock."""
MOST_UNMARKED: Final = 100
UNEXPECTED: Final = "Something went wrong on our side, and nothing of this file was saved."


Mark = Callable[[Session], Awaitable[None]]


class ImportsBusy(Refused):
    """Several imports are waiting already. Please try again in a minute."""

    code = "imports_busy"
    retry_after_s = 60.0


class ImportRequest(msgspec.Struct, frozen=True):
    """A file to import: where it lies, what it is, who asks (None for the command line). Without a path an earlier import is undone."""

    new: NewRun
    path: Path | None
    mapping: ColumnMapping | None = None
    actor: Actor | None = None


async def begin_import(
    database: Database,
    clock: Clock,
    request: ImportRequest,
    *,
    is_waiting: bool = False,
    owner: str | None = None,
    keep: Callable[[Session, ImportRun], Awaitable[None]] | None = None,
) -> str:
    """Writes down that an import begins, in a transaction of its own, in which `keep` comes last; its id. *Errors*: Forbidden."""

    async def begin(session: Session) -> str:
        run_id = await start_run(
            session, request.actor, request.new, clock, is_waiting=is_waiting, owner=owner
        )
        if keep is not None and request.actor is not None:
            await keep(session, await read_run(session, request.actor, run_id))
        return run_id

    return await database.run(begin, deadline_s=SHORT_S)


async def perform_import(
    database: Database,
    clock: Clock,
    run_id: str,
    request: ImportRequest,
    progress: Progress,
    *,
    supervisor: Supervisor | None = None,
    keep_mark: Callable[[Mark], object] | None = None,
) -> ImportOutcome:
    """Imports the file in one transaction and ends its run, also when it fails.

    When not even that can be written down, `keep_mark` is given what writes it later. *Errors*: ProgrammeError and Refused, after
    the run was marked failed; OSError when the file can't be read.
    """
    async with _noting(database, run_id, progress, supervisor or Supervisor(clock)):
        try:
            return await _import(database, clock, run_id, request, progress)
        except Exception as error:
            message = str(error) if isinstance(error, ProgrammeError | Refused) else UNEXPECTED

            async def fail(session: Session) -> None:
                await fail_run(
                    session,
                    request.actor,
                    run_id=run_id,
                    new=request.new,
                    rows=progress.rows,
                    message=message,
                    clock=clock,
                )

            try:
                await database.run(fail, deadline_s=SHORT_S, idempotent=True)
            except Exception as unwritten:  # noqa: BLE001  the error that ended the import is the one to be raised
                log.error("it could not be written down that import %s failed: %s", run_id, unwritten)
                if keep_mark is not None:
                    keep_mark(fail)
            raise


async def _import(
    database: Database, clock: Clock, run_id: str, request: ImportRequest, progress: Progress
) -> ImportOutcome:
    mapping, new, path = request.mapping, request.new, request.path
    if path is None:
        await database.renew()
        async with database.transaction(deadline_s=IMPORT_S) as session:
            return await undo_run(
                session, request.actor, run_id=run_id, new=new, progress=progress, clock=clock
            )
    try:
        sheet = await asyncio.to_thread(open_table, path, new.kind, mapping)
    except SheetFault as fault:
        async with database.transaction(deadline_s=SHORT_S) as session:
            return await refuse_file(session, request.actor, run_id=run_id, new=new, fault=fault, clock=clock)
    # What a backend has kept of everything that was asked before is 6 MB each, which the import's own needs.
    await database.renew()
    with sheet:
        progress.bytes_done, progress.bytes_total = sheet.progress()
        async with database.transaction(deadline_s=IMPORT_S) as session:
            return await import_sheet(
                session,
                request.actor,
                run_id=run_id,
                new=new,
                sheet=sheet,
                mapping=mapping,
                progress=progress,
                clock=clock,
                reopen=lambda: open_table(path, new.kind, mapping),
            )


@asynccontextmanager
async def _noting(
    database: Database, run_id: str, progress: Progress, supervisor: Supervisor
) -> AsyncIterator[None]:
    """Writes the progress down every second while the block runs, over the connection kept apart."""

    async def note() -> None:
        async with database.operations(deadline_s=SHORT_S, writes=True) as session:
            await note_progress(session, run_id, progress)

    loop = supervisor.every("import progress", note, period_s=NOTE_EVERY_S)
    try:
        yield
    finally:
        await loop.stop()


class _Waiting(msgspec.Struct, frozen=True):
    run_id: str
    request: ImportRequest


class ImportRunner:
    """Takes files over and imports them one after another, in the order in which they came."""

    def __init__(
        self, database: Database, clock: Clock, folder: Path, supervisor: Supervisor | None = None
    ) -> None:
        self._database = database
        self._supervisor = supervisor or Supervisor(clock)
        self._clock = clock
        self._spool = Spool(folder)
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(MOST_WAITING)
        self._taken = 0
        self._is_importing = False
        self._in_hand: set[str] = set()
        self._loops: list[TaskLoop] = []
        self._unmarked: deque[Mark] = deque(maxlen=MOST_UNMARKED)

    @property
    def waiting(self) -> int:
        """How many files were taken and are not imported yet, the one at work among them; at most MOST_WAITING."""
        return self._taken

    @property
    def is_at_work(self) -> bool:
        """Whether a file is being imported or waits to be: what a stop would mark as interrupted."""
        return self._is_importing or self._taken > 0

    async def start(self) -> None:
        """Clears away what a stopped program left, then begins to take files."""
        await self._mark_left(await asyncio.to_thread(self._spool.open))
        self._loops = [
            self._supervisor.keep("imports", self._work),
            self._supervisor.every("import marks", self._keep_marks, period_s=MARK_EVERY_S),
        ]

    async def stop(self) -> None:
        """Ends the import that runs, which saves nothing, and marks it and those that wait as interrupted."""
        if not self._loops:
            return
        for loop in self._loops:
            await loop.stop()
        self._loops = []
        with contextlib.suppress(Refused):
            await self._mark_left([self._spool.owner])
        await asyncio.to_thread(self._spool.close)

    async def submit(
        self, request: ImportRequest, keep: Callable[[Session, ImportRun], Awaitable[None]] | None = None
    ) -> ImportRun:
        """Takes over the file (it is moved away), or what is to be undone, and queues it; `keep` is done where its run is written down.

        *Errors*: ImportsBusy, Forbidden.
        """
        if request.actor is not None:
            require(request.actor, "run", "import")
        if self._taken >= MOST_WAITING:
            raise ImportsBusy
        self._taken += 1
        kept = None if request.path is None else self._spool.folder / uuid.uuid4().hex
        try:
            if request.path is not None and kept is not None:
                await asyncio.to_thread(shutil.move, request.path, kept)
            own = msgspec.structs.replace(request, path=kept)
            run_id = await begin_import(
                self._database, self._clock, own, is_waiting=True, owner=self._spool.owner, keep=keep
            )
            async with self._database.read(deadline_s=SHORT_S) as session:
                run = await read_run(session, request.actor, run_id) if request.actor else None
        except BaseException:
            self._taken -= 1
            if kept is not None:
                kept.unlink(missing_ok=True)
            raise
        self._in_hand.add(run_id)
        self._queue.put_nowait(_Waiting(run_id, own))
        if run is None:
            raise TypeError("only a person submits a file to a running platform")
        return run

    async def wait_until_idle(self) -> None:
        """Waits until every file taken so far is imported; for tests and for stopping gently."""
        await self._queue.join()

    async def _work(self, loop: TaskLoop) -> None:
        while True:
            waiting = await self._queue.get()
            self._taken -= 1
            self._is_importing = True
            try:
                await perform_import(
                    self._database,
                    self._clock,
                    waiting.run_id,
                    waiting.request,
                    Progress(),
                    supervisor=self._supervisor,
                    keep_mark=self._unmarked.append,
                )
            except (ProgrammeError, Refused) as error:
                log.warning("import %s failed: %s", waiting.run_id, error)
                loop.turned()  # that a file is not taken is this loop's work done
            except Exception as error:  # noqa: BLE001  told and counted; the next file is none the worse for it
                log.warning("import %s failed unexpectedly", waiting.run_id)
                loop.failed(error)
            else:
                loop.turned()
            finally:
                self._is_importing = False
                self._in_hand.discard(waiting.run_id)
                if waiting.request.path is not None:
                    waiting.request.path.unlink(missing_ok=True)
                self._queue.task_done()

    async def _keep_marks(self) -> None:
        """Says that this process's runs are alive, and writes down how others ended that could not be, or whose process is gone."""
        while self._unmarked:
            await self._database.run(self._unmarked[0], deadline_s=SHORT_S, idempotent=True)
            self._unmarked.popleft()
        await self._mark_left([])

    async def _mark_left(self, dead: list[str]) -> None:
        """Marks what these processes left, and what nobody has said to be alive for long; what this process has in hand is kept first.

        A run that was written down, of which its process was not told (the connection ended first), is in nobody's hand and is left, too.
        """

        async def mark(session: Session) -> int:
            await keep_runs(session, sorted(self._in_hand))
            return await end_left_runs(session, dead, UNSEEN_S, self._clock.now())

        await self._database.run(mark, deadline_s=SHORT_S, idempotent=True)
