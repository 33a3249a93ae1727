"""The queue of imports, which is the table of imports itself: who waits, who has one in hand, what is taken over and what is to stop.

Any host takes what waits, one at a time; what a host had in hand that is no longer heard of goes on elsewhere. Saved is saved once: whoever imports
holds a lock of the import's name to the end of the transaction in which the import ends.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.errors import Refused
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict
from rightlevel.programme.exchange import store
from rightlevel.programme.exchange.fields import Kind
from rightlevel.programme.exchange.model import ImportRun, NewRun, Progress
from rightlevel.programme.permissions import Actor, Role, require

_queries = load_queries(__package__ or "", "queue.sql")

QUEUE: Final = "imports"
"""By this name every host hears that something waits."""
MOST_ATTEMPTS: Final = 3
"""So often a process may end over a file before nobody begins with it again."""
STOPPED: Final = "This import was stopped, as somebody asked; nothing of it was saved."


class ImportsBusy(Refused):
    """Several imports are waiting already. Please try again in a minute."""

    code = "imports_busy"
    retry_after_s = 60.0


class ImportEndedBefore(Conflict):
    """This import has ended already."""

    code = "import_ended_before"


class ClaimedRun(msgspec.Struct, frozen=True):
    """An import that this host took in hand: all that was said of it, and who said it."""

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
    attempts: int
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


async def require_room(session: Session, most: int, *, hold: bool = False) -> None:
    """Passes while fewer than so many imports wait. `hold`: and lets nobody else queue one before this transaction ends. *Errors*: ImportsBusy."""
    if hold:
        await session.fetch_value(_queries["hold_queue"], {})
    if await count_waiting(session) >= most:
        raise ImportsBusy


async def count_waiting(session: Session) -> int:
    """How many imports wait for their turn, on all hosts together."""
    return await session.fetch_value(_queries["count_waiting"], {})


def tell_queue(session: Session) -> None:
    """Every host looks at the queue once this transaction is committed."""
    session.invalidate(QUEUE)


class Unseen(msgspec.Struct, frozen=True):
    """So long nobody may have heard of an import before another host takes it over; of those that `gone` hosts had in hand, by their ids, `gone_s`."""

    unseen_s: float
    gone: tuple[str, ...] = ()
    gone_s: float = 0.0


async def claim_run(session: Session, owner: str, unseen: Unseen) -> ClaimedRun | None:
    """Takes the next import in hand; None where there is none to take. *Cost*: one statement; waits for nobody."""
    values = {"owner": owner, "most": MOST_ATTEMPTS, "unseen_s": unseen.unseen_s}
    values |= {"gone": list(unseen.gone), "gone_s": unseen.gone_s}
    return await session.fetch_one(_queries["claim_run"], values, into=ClaimedRun)


async def try_to_hold_run(session: Session, run_id: str) -> bool:
    """Whether nobody else is at work on this import, and from here to the transaction's end nobody will be."""
    return await session.fetch_value(_queries["try_to_hold_run"], {"id": run_id})


async def is_in_hand(session: Session, run_id: str, owner: str | None) -> bool:
    """Whether an import is still this host's to do; asked by who holds it, so that it stays true to the transaction's end."""
    return await session.fetch_value(_queries["is_in_hand"], {"id": run_id, "owner": owner})


class _Noted(msgspec.Struct, frozen=True):
    is_to_stop: bool


async def note_progress(session: Session, run_id: str, owner: str | None, progress: Progress) -> bool:
    """Writes down how far a run is, and that it is alive; whether somebody asked that it ends."""
    values = {"id": run_id, "owner": owner, "state": progress.state, "rows_read": progress.rows}
    sizes = {"bytes_done": progress.bytes_done, "bytes_total": progress.bytes_total}
    noted = await session.fetch_one(_queries["note_progress"], values | sizes, into=_Noted)
    return noted is not None and noted.is_to_stop


async def give_run_back(
    session: Session, run_id: str | None, owner: str, *, in_order: bool, now: datetime
) -> int:
    """Lets an import that a host has in hand (all of them, where none is named) wait again for any host, unless it was to stop; how many.

    How one ended that has ended stays. `in_order`: this counts as no attempt.
    """
    values = {"id": run_id, "owner": owner, "in_order": in_order, "now": now, "message": STOPPED}
    tell_queue(session)
    return await session.execute(_queries["give_run_back"], values)


async def stop_run(session: Session, actor: Actor, run_id: str, clock: Clock) -> ImportRun:
    """Asks that an import ends, on whichever host it is: one that waits has ended at once, one at work within seconds, and then nothing of it is saved.

    Whoever comes too late finds it done. *Errors*: Forbidden, NotFound, ImportEndedBefore.
    """
    require(actor, "run", "import")
    before = await store.find_run(session, run_id)
    values = {"id": run_id, "now": clock.now(), "message": STOPPED}
    if not await session.execute(_queries["ask_to_stop"], values):
        raise ImportEndedBefore
    told = {"kind": before.kind, "filename": before.filename, "state": before.state}
    await write_audit(session, actor, "run", "import", run_id, after={"is_to_stop": True}, before=told)
    tell_queue(session)
    return await store.find_run(session, run_id)


async def keep_waiting_runs(session: Session, every_s: float) -> None:
    """Says of what waits that it is not lost."""
    await session.execute(_queries["keep_waiting_runs"], {"every_s": every_s, "most": MOST_ATTEMPTS})


async def end_left_runs(session: Session, unseen_s: float, now: datetime) -> int:
    """Marks as interrupted what nobody was heard of for so long and nobody goes on with; how many."""
    values = {"unseen_s": unseen_s, "now": now, "most": MOST_ATTEMPTS, "stopped": STOPPED}
    return await session.execute(_queries["end_left_runs"], values)
