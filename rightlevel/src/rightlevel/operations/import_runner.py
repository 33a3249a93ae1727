"""Imports in a running platform: uploaded files wait in a short queue and are imported one after another.

The file itself is the only thing that waits; nothing of it is read before its turn. All that is to be done with it stands in its run, so what a
stopped or killed program left behind is begun again by the next one on this machine, or by another that is running: nothing of it was saved,
because a whole import is one transaction. What lies on another machine's disk is marked interrupted. Several processes may import beside
each other: each says every few seconds that its runs are alive, and none touches another's.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
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
from rightlevel.programme.errors import Conflict, ProgrammeError
from rightlevel.programme.exchange import (
    MOST_ATTEMPTS,
    ClaimedRun,
    ColumnMapping,
    ImportFileGone,
    ImportOutcome,
    ImportRun,
    NewRun,
    Progress,
    SheetFault,
    claim_runs,
    end_left_runs,
    fail_run,
    files_in_use,
    import_sheet,
    keep_left_runs,
    keep_runs,
    let_files_go,
    note_progress,
    open_table,
    read_mapping,
    read_run,
    refuse_file,
    start_run,
    try_to_hold_run,
    undo_run,
)
from rightlevel.programme.permissions import Actor, Scope, require

log = logging.getLogger("rightlevel.operations.imports")

MOST_WAITING: Final = 4
IMPORT_S: Final = 3_600.0
SHORT_S: Final = 10.0
NOTE_EVERY_S: Final = 1.0
MARK_EVERY_S: Final = 15.0
UNSEEN_S: Final = 120.0
"""So long nobody may have said that a run is alive before it counts as left: eight missed marks, by the database's clock."""
MOST_UNMARKED: Final = 100
HELD_WITHIN_S: Final = 120.0
"""So long an import that is begun again waits for what the killed process's last statement still does."""
LOOK_EVERY_S: Final = 0.25
YOUNG_S: Final = 600.0
"""A file that nobody needs goes when it is older: a younger one may be on its way to its run."""
UNEXPECTED: Final = "Something went wrong on our side, and nothing of this file was saved."


Mark = Callable[[Session], Awaitable[None]]


class ImportsBusy(Refused):
    """Several imports are waiting already. Please try again in a minute."""

    code = "imports_busy"
    retry_after_s = 60.0


class ImportStillRunning(Conflict):
    """Another process is still at work on this import, so it was not begun again. See whether it was saved, and import it again if not."""

    code = "import_still_running"


class ImportRequest(msgspec.Struct, frozen=True):
    """A file to import: where it lies, what it is, who asks (None for the command line).

    Without a path an earlier import is undone (`new.undoes`), or one that was looked at is applied (`new.applies`).
    """

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
        async with _much_in_one(database) as session:
            await _hold(session, run_id)
            return await undo_run(
                session, request.actor, run_id=run_id, new=new, progress=progress, clock=clock
            )
    try:
        sheet = await asyncio.to_thread(open_table, path, new.kind, mapping)
    except SheetFault as fault:
        async with database.transaction(deadline_s=SHORT_S) as session:
            return await refuse_file(session, request.actor, run_id=run_id, new=new, fault=fault, clock=clock)
    with sheet:
        progress.bytes_done, progress.bytes_total = sheet.progress()
        async with _much_in_one(database) as session:
            await _hold(session, run_id)
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
async def _much_in_one(database: Database) -> AsyncIterator[Session]:
    """One transaction on a connection that ends with it: what a server's process has kept of everything that was asked before is room that this needs,
    and what it keeps of this nobody needs after.
    """
    await database.renew()
    try:
        async with database.transaction(deadline_s=IMPORT_S) as session:
            yield session
    finally:
        await database.renew()


async def _hold(session: Session, run_id: str) -> None:
    """Waits until nobody else is at work on this import: the database may not have noticed yet that a process was killed."""
    until = time.monotonic() + HELD_WITHIN_S
    while not await try_to_hold_run(session, run_id):
        if time.monotonic() > until:
            raise ImportStillRunning
        await asyncio.sleep(LOOK_EVERY_S)


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
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
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
        """Whether a file is being imported or waits to be: what a stop would have begun again."""
        return self._is_importing or self._taken > 0

    async def start(self) -> None:
        """Goes on with what a stopped program left, and begins to take files."""
        await asyncio.to_thread(self._spool.open)
        await self._take_over()
        self._loops = [
            self._supervisor.keep("imports", self._work),
            self._supervisor.every("import marks", self._keep_marks, period_s=MARK_EVERY_S),
        ]

    async def stop(self) -> None:
        """Ends the import that runs, which saves nothing; whoever runs next begins it, and those that wait, again."""
        if not self._loops:
            return
        for loop in self._loops:
            await loop.stop()
        self._loops = []
        await asyncio.to_thread(self._spool.close, leaves=bool(self._in_hand))

    async def submit(
        self, request: ImportRequest, keep: Callable[[Session, ImportRun], Awaitable[None]] | None = None
    ) -> ImportRun:
        """Takes over the file (it is moved away), or what is to be undone or applied, and queues it; `keep` is done where its run is written down.

        *Errors*: ImportsBusy, Forbidden, ImportAppliedBefore, ImportFileGone (it lies on another machine).
        """
        actor = request.actor
        if actor is None:
            raise TypeError("only a person submits a file to a running platform")
        require(actor, "run", "import")
        if self._taken >= MOST_WAITING:
            raise ImportsBusy
        self._taken += 1
        new, sent = request.new, request.path
        if sent is not None:
            new = msgspec.structs.replace(new, file=str(uuid.uuid4()))
        path = self._spool.files / new.file if new.file else None
        try:
            if sent is None and path is not None and not path.exists():
                raise ImportFileGone
            if sent is not None and path is not None:
                await asyncio.to_thread(shutil.move, sent, path)
            own = msgspec.structs.replace(request, new=new, path=path)
            run_id = await begin_import(
                self._database, self._clock, own, is_waiting=True, owner=self._spool.owner, keep=keep
            )
        except BaseException:
            self._taken -= 1
            if sent is not None and path is not None:
                path.unlink(missing_ok=True)
            raise
        self._in_hand.add(run_id)
        self._queue.put_nowait(_Waiting(run_id, own))
        async with self._database.read(deadline_s=SHORT_S) as session:
            return await read_run(session, actor, run_id)

    async def wait_until_idle(self) -> None:
        """Waits until every file taken so far is imported; for tests and for stopping gently."""
        await self._queue.join()

    async def _work(self, loop: TaskLoop) -> None:
        while True:
            waiting = await self._queue.get()
            self._taken -= 1
            self._is_importing = True
            try:
                await self._import_one(waiting, loop)
                # Not where this loop is stopped: what it had in hand is begun again by whoever comes next.
                self._in_hand.discard(waiting.run_id)
                await self._let_files_go([waiting.request.new.file] if waiting.request.new.file else [])
            finally:
                self._is_importing = False
                self._queue.task_done()

    async def _import_one(self, waiting: _Waiting, loop: TaskLoop) -> None:
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

    async def _keep_marks(self) -> None:
        """Says that this process's runs are alive, and writes down how others ended that could not be, or whose process is gone."""
        while self._unmarked:
            await self._database.run(self._unmarked[0], deadline_s=SHORT_S, idempotent=True)
            self._unmarked.popleft()
        await self._take_over()
        await self._let_files_go(await asyncio.to_thread(self._old_files))

    async def _take_over(self) -> None:
        """Goes on with what dead processes of this machine left, as far as there is room; what can't be begun again is marked as interrupted.

        What nobody has said to be alive for long is marked, too: a run that was written down, of which its process was not told (the
        connection ended first), is in nobody's hand.
        """
        dead = await asyncio.to_thread(self._spool.dead)
        files = await asyncio.to_thread(self._spool.waiting) if dead else []
        room = max(0, MOST_WAITING - self._taken)

        async def take(session: Session) -> tuple[list[ClaimedRun], set[str]]:
            await keep_runs(session, sorted(self._in_hand))
            claimed = await claim_runs(session, self._spool.owner, dead=dead, files=files, rows=room)
            kept = await keep_left_runs(session, dead, files)
            over = [each for each in dead if each not in kept]
            await end_left_runs(session, over, UNSEEN_S, self._clock.now(), most_attempts=MOST_ATTEMPTS)
            return claimed, kept

        claimed, kept = await self._database.run(take, deadline_s=SHORT_S)
        for run in claimed:
            log.info("import %s is begun again: the process that had it is gone", run.id)
            self._taken += 1
            self._in_hand.add(run.id)
            self._queue.put_nowait(_Waiting(run.id, self._again(run)))
        await asyncio.to_thread(self._spool.forget, [each for each in dead if each not in kept])

    def _again(self, run: ClaimedRun) -> ImportRequest:
        """What was asked, as its run tells it; who asked is judged anew when it is done."""
        actor = Actor(
            run.person_id,
            run.role,
            run.username,
            run.display_name,
            language=run.language,
            scope=Scope(is_everything=True),
            address=run.address,
        )
        mapping = read_mapping(run.mapping, run.kind) if run.mapping.strip() else None
        path = self._spool.files / run.file if run.file else None
        return ImportRequest(run.as_new(), path, mapping, actor)

    def _old_files(self) -> list[str]:
        """The files here that are no longer on their way to their run."""
        before = time.time() - YOUNG_S
        return [each for each in self._spool.waiting() if self._spool.written_at(each) < before]

    async def _let_files_go(self, files: list[str]) -> None:
        """Removes those of these files that nobody needs any more: their import has ended, or what was looked at is a day old."""

        async def let_go(session: Session) -> set[str]:
            await let_files_go(session, self._clock.now())
            return await files_in_use(session, files) if files else set()

        in_use = await self._database.run(let_go, deadline_s=SHORT_S, idempotent=True)
        for each in files:
            if each not in in_use:
                await asyncio.to_thread((self._spool.files / each).unlink, missing_ok=True)
