"""Imports in a running platform: uploaded files wait in the database's queue, and whichever host is free takes the next.

The queue is the table of imports, the files lie where all hosts see them, and nothing of a file is read before its turn. A whole import is one
transaction, so of what a stopped or killed host had in hand nothing was saved: another goes on with it from the start. A host that stops in
order gives it back at once; of one that was killed nobody hears, and after a minute the others take it over.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.errors import CommitUnknown, DatabaseUnavailable, Refused, RetriesExhausted
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
    Unseen,
    claim_run,
    end_left_runs,
    fail_run,
    files_in_use,
    give_run_back,
    import_sheet,
    is_in_hand,
    keep_waiting_runs,
    let_files_go,
    note_progress,
    open_table,
    read_mapping,
    read_run,
    refuse_file,
    require_room,
    start_run,
    tell_queue,
    try_to_hold_run,
    undo_run,
)
from rightlevel.programme.permissions import Actor, Scope, require
from rightlevel.programme.scales import KeptScales, learn_scales

log = logging.getLogger("rightlevel.operations.imports")
_random = random.Random()  # noqa: S311  spreads those who collided, guards no secret

MOST_WAITING: Final = 4
"""For each host that is alive."""
IMPORT_S: Final = 3_600.0
SHORT_S: Final = 10.0
NOTE_EVERY_S: Final = 1.0
LOOK_AT_QUEUE_S: Final = 5.0
"""A host that is free hears of what waits; whatever it did not hear, it sees by then."""
MARK_EVERY_S: Final = 15.0
TAKEN_OVER_AFTER_S: Final = 60.0
"""So long nobody may have heard of an import before another host takes it over; an import under way is heard of every second."""
GONE_S: Final = 5.0
"""Where that host is known to be gone: whoever came in its place has its name, or no other can be. Five notes that did not come."""
UNSEEN_S: Final = 120.0
"""So long nobody may have said that a run is alive before it counts as left where nobody goes on with it."""
MOST_UNMARKED: Final = 100
HELD_WITHIN_S: Final = 120.0
"""So long an import that is begun again waits for what the killed process's last statement still does."""
LOOK_EVERY_S: Final = 0.25
MOST_COLLISIONS: Final = 5
"""So often one import or undoing may collide with what others save before it gives up."""
COLLIDED_PAUSE_S: Final = 1.0
"""The longest pause after the first collision; twice as long after each."""
YOUNG_S: Final = 600.0
"""A file that nobody needs goes when it is older: a younger one may be on its way to its run."""
UNEXPECTED: Final = "Something went wrong on our side, and nothing of this file was saved."


Mark = Callable[[Session], Awaitable[None]]


class ImportStillRunning(Conflict):
    """Another process is still at work on this import, so it was not begun again. See whether it was saved, and import it again if not."""

    code = "import_still_running"


class ImportStopped(Conflict):
    """This import was stopped, as somebody asked; nothing of it was saved."""

    code = "import_stopped"


class ImportFileLost(Conflict):
    """The file of this import is not there any more, so nothing of it was saved. Please send it again."""

    code = "import_file_lost"


class ImportTakenOver(Conflict):
    """Another host has this import in hand, or has ended it."""

    code = "import_taken_over"


class ImportRequest(msgspec.Struct, frozen=True):
    """A file to import: where it lies, what it is, who asks (None for the command line).

    Without a path an earlier import is undone (`new.undoes`), or one that was looked at is applied (`new.applies`).
    """

    new: NewRun
    path: Path | None
    mapping: ColumnMapping | None = None
    actor: Actor | None = None


async def begin_import(database: Database, clock: Clock, request: ImportRequest) -> str:
    """Writes down that an import begins here and now, in a transaction of its own; its id. *Errors*: Forbidden."""

    async def begin(session: Session) -> str:
        return await start_run(session, request.actor, request.new, clock)

    return await database.run(begin, deadline_s=SHORT_S)


async def perform_import(
    database: Database,
    clock: Clock,
    run_id: str,
    request: ImportRequest,
    progress: Progress,
    *,
    owner: str | None = None,
    supervisor: Supervisor | None = None,
    keep_mark: Callable[[Mark], object] | None = None,
) -> ImportOutcome:
    """Imports the file in one transaction and ends its run, also when it fails. `owner`: the host that has it in hand, where one has.

    When not even that can be written down, `keep_mark` is given what writes it later. *Errors*: ProgrammeError and Refused, after
    the run was marked failed; DatabaseUnavailable and CommitUnknown, of which a host decides itself; ImportStopped where somebody asked that it
    ends; ImportTakenOver; OSError when the file can't be read.
    """
    importing = _Importing(database, clock, run_id, request, progress, owner=owner)
    noting = _Noting(database, run_id, owner, progress)
    try:
        async with noting.running(supervisor or Supervisor(clock)):
            return await importing.save()
    except ImportTakenOver:
        raise  # another has it in hand, and says how it ends
    except Exception as error:
        is_to_begin_again = isinstance(error, DatabaseUnavailable | CommitUnknown) and owner is not None
        if not is_to_begin_again:
            await importing.fail(error, keep_mark)
        raise


class _Importing:
    """One import: saving it whole, and saying that it failed."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        run_id: str,
        request: ImportRequest,
        progress: Progress,
        *,
        owner: str | None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._run_id = run_id
        self._request = request
        self._progress = progress
        self._owner = owner

    async def save(self) -> ImportOutcome:
        """Imports the file, or undoes what it undoes, and ends the run in the same transaction; from the start where others' work came in between.

        A deadlock takes back the whole transaction, so nothing is done twice. *Errors*: RetriesExhausted after five collisions.
        """
        for collisions in range(MOST_COLLISIONS):
            try:
                return await self._save_once()
            except RetriesExhausted as collided:
                # The transaction that says so was begun once: nothing has tried it again yet.
                if collisions == MOST_COLLISIONS - 1:
                    raise
                log.warning("import %s collided and begins again: %s", self._run_id, collided.__cause__)
            self._progress.state, self._progress.rows = "reading", 0
            await asyncio.sleep(_random.uniform(0, COLLIDED_PAUSE_S * 2**collisions))
        raise RetriesExhausted

    async def _save_once(self) -> ImportOutcome:
        path, new, mapping = self._request.path, self._request.new, self._request.mapping
        if path is None:
            async with _much_in_one(self._database) as session:
                await self._hold(session)
                return await undo_run(
                    session,
                    self._request.actor,
                    run_id=self._run_id,
                    new=new,
                    progress=self._progress,
                    clock=self._clock,
                )
        try:
            sheet = await asyncio.to_thread(open_table, path, new.kind, mapping)
        except SheetFault as fault:
            return await self._refuse(fault)
        except FileNotFoundError as error:
            raise ImportFileLost from error
        with sheet:
            self._progress.bytes_done, self._progress.bytes_total = sheet.progress()
            async with _much_in_one(self._database) as session:
                await self._hold(session)
                return await import_sheet(
                    session,
                    self._request.actor,
                    run_id=self._run_id,
                    new=new,
                    sheet=sheet,
                    mapping=mapping,
                    progress=self._progress,
                    clock=self._clock,
                    reopen=lambda: open_table(path, new.kind, mapping),
                )

    async def _refuse(self, fault: SheetFault) -> ImportOutcome:
        async with self._database.transaction(deadline_s=SHORT_S) as session:
            await self._hold(session)
            return await refuse_file(
                session,
                self._request.actor,
                run_id=self._run_id,
                new=self._request.new,
                fault=fault,
                clock=self._clock,
            )

    async def _hold(self, session: Session) -> None:
        """Waits until nobody else is at work on this import: the database may not have noticed yet that a process was killed.

        *Errors*: ImportStillRunning; ImportTakenOver when whoever was waited for ended it, or a third took it meanwhile.
        """
        until = time.monotonic() + HELD_WITHIN_S
        while not await try_to_hold_run(session, self._run_id):
            if time.monotonic() > until:
                raise ImportStillRunning
            await asyncio.sleep(LOOK_EVERY_S)
        if not await is_in_hand(session, self._run_id, self._owner):
            raise ImportTakenOver
        # What rounds are measured by may have changed since this process last knew.
        await learn_scales(session, KeptScales())

    async def fail(self, error: Exception, keep_mark: Callable[[Mark], object] | None = None) -> None:
        """Writes down that the import failed, unless it has ended or is another's."""
        message = str(error) if isinstance(error, ProgrammeError | Refused) else UNEXPECTED

        async def fail(session: Session) -> None:
            if await is_in_hand(session, self._run_id, self._owner):
                await fail_run(
                    session,
                    self._request.actor,
                    run_id=self._run_id,
                    new=self._request.new,
                    rows=self._progress.rows,
                    message=message,
                    clock=self._clock,
                    state="interrupted" if isinstance(error, ImportStopped) else "failed",
                )

        try:
            await self._database.run(fail, deadline_s=SHORT_S, idempotent=True)
        except Exception as unwritten:  # noqa: BLE001  the error that ended the import is the one to be raised
            log.error("it could not be written down that import %s failed: %s", self._run_id, unwritten)
            if keep_mark is not None:
                keep_mark(fail)


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


class _Noting:
    """Writes the progress of one import down every second over the connection kept apart, and ends it when somebody asks."""

    def __init__(self, database: Database, run_id: str, owner: str | None, progress: Progress) -> None:
        self._database = database
        self._run_id = run_id
        self._owner = owner
        self._progress = progress
        self._bound = asyncio.timeout(None)

    @asynccontextmanager
    async def running(self, supervisor: Supervisor) -> AsyncIterator[None]:
        """While the block runs. *Errors*: ImportStopped."""
        loop = supervisor.every("import progress", self._note, period_s=NOTE_EVERY_S)
        try:
            async with self._bound:
                yield
        except TimeoutError as error:
            if not self._bound.expired():
                raise
            raise ImportStopped from error
        finally:
            await loop.stop()

    async def _note(self) -> None:
        async with self._database.operations(deadline_s=SHORT_S, writes=True) as session:
            is_to_stop = await note_progress(session, self._run_id, self._owner, self._progress)
        if is_to_stop:
            with suppress(RuntimeError):  # it ended in this very moment, or ends already
                self._bound.reschedule(asyncio.get_running_loop().time())


class ImportRunner:
    """This host's hand in the queue: takes files over, and imports what waits one after another, whichever host was sent it.

    `owner` is this host's id, `hosts` tells how many there are, `gone` in whose place this one came. `is_alone`: no other can be, so what somebody
    else had in hand was left.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        folder: Path,
        supervisor: Supervisor | None = None,
        *,
        owner: str | None = None,
        hosts: Callable[[], int] = lambda: 1,
        gone: Callable[[], tuple[str, ...]] = tuple,
        is_alone: bool = False,
    ) -> None:
        self.owner = owner or str(uuid.uuid4())
        self._database = database
        self._supervisor = supervisor or Supervisor(clock)
        self._clock = clock
        self._spool = Spool(folder)
        self._hosts = hosts
        self._gone = gone
        self._taken_over_after_s = GONE_S if is_alone else TAKEN_OVER_AFTER_S
        self._word = asyncio.Event()
        self._looked = 0
        self._in_hand: str | None = None
        self._is_claiming = False
        self._loops: list[TaskLoop] = []
        self._unmarked: deque[Mark] = deque(maxlen=MOST_UNMARKED)

    @property
    def most_waiting(self) -> int:
        """So many files may wait, on all hosts together."""
        return MOST_WAITING * max(1, self._hosts())

    @property
    def is_at_work(self) -> bool:
        """Whether a file is being imported here: what a stop would have begun again."""
        return self._in_hand is not None

    def hear(self) -> None:
        """Something may wait: looks at once when free."""
        self._word.set()

    async def start(self) -> None:
        """Begins to take files, and what waits or was left."""
        await asyncio.to_thread(self._spool.open)
        self._loops = [
            self._supervisor.keep("imports", self._work),
            self._supervisor.every(
                "import marks", self._keep_marks, period_s=MARK_EVERY_S, first_after_s=0.0
            ),
        ]

    async def stop(self) -> None:
        """Ends the import that runs, which saves nothing, and gives it back: any host begins it again, and does what waits."""
        if not self._loops:
            return
        for loop in self._loops:
            await loop.stop()
        self._loops = []
        if self._in_hand is not None or self._is_claiming:
            self._in_hand, self._is_claiming = None, False
            with suppress(Refused):  # then it is taken over when nobody has heard of it for long enough
                await self._database.run(self._giving_back(None, in_order=True), deadline_s=SHORT_S)

    async def submit(
        self, request: ImportRequest, keep: Callable[[Session, ImportRun], Awaitable[None]] | None = None
    ) -> ImportRun:
        """Takes over the file (it is moved away), or what is to be undone or applied, and queues it; `keep` is done where its run is written down.

        *Errors*: ImportsBusy, Forbidden, ImportAppliedBefore, ImportFileGone.
        """
        actor, new, sent = request.actor, request.new, request.path
        if actor is None:
            raise TypeError("only a person submits a file to a running platform")
        require(actor, "run", "import")
        async with self._database.read(deadline_s=SHORT_S) as session:
            await require_room(session, self.most_waiting)
        if sent is not None:
            new = msgspec.structs.replace(new, file=str(uuid.uuid4()))
            await asyncio.to_thread(self._spool.take, sent, new.file)
        elif new.file and not await asyncio.to_thread(self._spool.path_of(new.file).exists):
            raise ImportFileGone

        async def begin(session: Session) -> ImportRun:
            await require_room(session, self.most_waiting, hold=True)
            run_id = await start_run(session, actor, new, self._clock, is_waiting=True)
            run = await read_run(session, actor, run_id)
            if keep is not None:
                await keep(session, run)
            tell_queue(session)
            return run

        try:
            run = await self._database.run(begin, deadline_s=SHORT_S)
        except CommitUnknown:
            raise  # it may wait, and needs its file then; else that goes when it is old
        except Exception:
            if sent is not None:
                self._spool.remove(new.file)
            raise
        self.hear()
        return run

    async def wait_until_idle(self) -> None:
        """Waits until this host finds nothing more to take; for tests and for stopping gently."""
        until = self._looked + 2  # the look that is under way may have begun before what is waited for
        while self._looked < until:
            self.hear()
            await asyncio.sleep(0.01)

    async def _work(self, loop: TaskLoop) -> None:
        while True:
            self._word.clear()
            self._is_claiming = (
                True  # until its answer is here: a stop in between gives back what was claimed
            )
            run = await self._claim()
            self._in_hand, self._is_claiming = None if run is None else run.id, False
            if run is None:
                self._looked += 1
                loop.turned()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_AT_QUEUE_S):
                        await self._word.wait()
            else:
                await self._import_one(run, loop)

    async def _claim(self) -> ClaimedRun | None:
        # On the connection kept apart, so that a host at rest keeps no other open for it.
        async with self._database.operations(deadline_s=SHORT_S, writes=True) as session:
            return await claim_run(
                session, self.owner, Unseen(self._taken_over_after_s, self._gone(), GONE_S)
            )

    async def _import_one(self, run: ClaimedRun, loop: TaskLoop) -> None:
        if run.attempts > 1:
            log.info("import %s is begun again, for the %d. time", run.id, run.attempts)
        try:
            await perform_import(
                self._database,
                self._clock,
                run.id,
                self._asked(run),
                Progress(),
                owner=self.owner,
                supervisor=self._supervisor,
                keep_mark=self._unmarked.append,
            )
        except (DatabaseUnavailable, CommitUnknown) as error:
            log.warning("import %s could not go on: %s", run.id, error)
            loop.turned()
            await self._let_wait_again(run, error)
        except (ProgrammeError, Refused) as error:
            log.warning("import %s failed: %s", run.id, error)
            loop.turned()  # that a file is not taken is this loop's work done
        except Exception as error:  # noqa: BLE001  told and counted; the next file is none the worse for it
            log.warning("import %s failed unexpectedly", run.id)
            loop.failed(error)
        else:
            loop.turned()
        # Not where this loop is stopped: `stop` gives back what was in hand.
        self._in_hand = None
        await self._let_files_go([run.file] if run.file else [])

    async def _let_wait_again(self, run: ClaimedRun, error: Exception) -> None:
        """The database went away under an import: it was saved, or is begun again, unless that happened too often."""
        if run.attempts >= MOST_ATTEMPTS:
            failing = _Importing(
                self._database, self._clock, run.id, self._asked(run), Progress(), owner=self.owner
            )
            await failing.fail(error, self._unmarked.append)
            return
        give_back = self._giving_back(run.id, in_order=False)
        try:
            await self._database.run(give_back, deadline_s=SHORT_S, idempotent=True)
        except Refused:
            self._unmarked.append(give_back)

    def _giving_back(self, run_id: str | None, *, in_order: bool) -> Mark:
        """Lets an import wait again, or whatever this host has in hand."""

        async def give_back(session: Session) -> None:
            await give_run_back(session, run_id, self.owner, in_order=in_order, now=self._clock.now())

        return give_back

    async def _keep_marks(self) -> None:
        """Writes down how imports ended that could not be, and which nobody goes on with, and removes files that nobody needs."""
        while self._unmarked:
            await self._database.run(self._unmarked[0], deadline_s=SHORT_S, idempotent=True)
            self._unmarked.popleft()
        async with self._database.operations(deadline_s=SHORT_S, writes=True) as session:
            await keep_waiting_runs(session, MARK_EVERY_S)
            await end_left_runs(session, UNSEEN_S, self._clock.now())
        await self._let_files_go(await asyncio.to_thread(self._spool.old, time.time() - YOUNG_S))

    def _asked(self, run: ClaimedRun) -> ImportRequest:
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
        return ImportRequest(
            run.as_new(), self._spool.path_of(run.file) if run.file else None, mapping, actor
        )

    async def _let_files_go(self, files: list[str]) -> None:
        """Removes those of these files that nobody needs any more: their import has ended, or what was looked at is a day old."""
        async with self._database.operations(deadline_s=SHORT_S, writes=True) as session:
            await let_files_go(session, self._clock.now())
            in_use = await files_in_use(session, files) if files else set[str]()
        for each in files:
            if each not in in_use:
                await asyncio.to_thread(self._spool.remove, each)
