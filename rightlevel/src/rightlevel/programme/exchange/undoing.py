"""Undoing an import: what it added is removed, what it changed is put back, all of it or nothing.

It is refused where later work stands on what the import did, and each such thing is named. What the import did is kept for
thirty days, by id and with the values from before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from flatwater.clock import Clock, today
from flatwater.queries import load_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Forbidden, NotFound
from rightlevel.programme.exchange import deed_rows, store
from rightlevel.programme.exchange.fault_file import MOST_KEPT, FaultFile
from rightlevel.programme.exchange.fields import DEED_KINDS, PLACE_KINDS, Kind
from rightlevel.programme.exchange.model import ImportOutcome, NewRun, Progress
from rightlevel.programme.exchange.row_deeds import Asking
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.students import changing, tell_today

_queries = load_queries(__package__ or "", "undoing.sql")
UNDONE_WITHIN: Final = timedelta(days=30)
LEVELS_OF_PLACES: Final = len(PLACE_KINDS)
WHY_MOVED_BACK: Final = "Import undone"
WHY_PUT_BACK: Final = "Import undone"


class ImportNotUndoable(Conflict):
    """This import saved nothing that could be undone."""

    code = "import_not_undoable"


class ImportUndoneBefore(Conflict):
    """This import is undone already, or is being undone."""

    code = "import_undone_before"


class ImportTooOld(Conflict):
    """What this import did is not kept any more: it can be undone for 30 days, and not once a child of it was erased."""

    code = "import_too_old"


class UndoCollided(Conflict):
    """Somebody worked with the same schools or children while this import was being undone, so nothing of it was. Try again."""

    code = "undo_collided"


class Undoable(msgspec.Struct, frozen=True):
    """An import as it stands before it is undone."""

    id: str
    kind: Kind
    filename: str
    state: str
    is_dry_run: bool
    ended_at: datetime | None
    is_undoing: bool
    undone_at: datetime | None
    kept_added: int
    kept_changed: int
    added: int
    changed: int

    def is_undoable(self, now: datetime) -> bool:
        """Whether it may be undone as far as it itself tells."""
        return self.refusal(now) is None

    def refusal(self, now: datetime) -> Conflict | None:
        """Why it can't be undone, if it can't."""
        if self.undone_at is not None:
            return ImportUndoneBefore()
        is_saved = self.state == "done" and not self.is_dry_run and not self.is_undoing
        if not is_saved or self.ended_at is None or self.added + self.changed == 0:
            return ImportNotUndoable()
        is_whole = (self.kept_added, self.kept_changed) == (self.added, self.changed)
        return None if is_whole and now - self.ended_at <= UNDONE_WITHIN else ImportTooOld()


async def run_to_undo(session: Session, actor: Actor, run_id: str, clock: Clock) -> NewRun:
    """What is to be done to undo an import. *Errors*: Forbidden, NotFound, ImportNotUndoable, ImportUndoneBefore, ImportTooOld."""
    require(actor, "undo", "import")
    found = await _find(session, run_id)
    refusal = found.refusal(clock.now())
    if refusal is not None:
        raise refusal
    return NewRun(found.kind, found.filename, is_dry_run=False, bytes_total=0, undoes=found.id)


async def is_undoable(session: Session, run_id: str, clock: Clock) -> bool:
    """Whether an import may be undone as far as it itself tells; what stands on it is looked for when it is undone."""
    return (await _find(session, run_id)).is_undoable(clock.now())


async def undo_import(
    session: Session, actor: Actor | None, new: NewRun, progress: Progress, clock: Clock
) -> ImportOutcome:
    """Undoes an import in the session's transaction, or finds what stands on it; faults are left for the run that does it.

    *Errors*: NotFound, ImportUndoneBefore, ImportTooOld, UndoCollided. *Cost*: a few statements over all that was done, children in batches of 5,000.
    """
    run_id = new.undoes or ""
    found = await _find(session, run_id, hold=True)
    refusal = found.refusal(clock.now())
    if refusal is not None:
        raise refusal
    progress.state = "saving"
    values: dict[str, Any] = {
        "id": run_id,
        "ended_at": found.ended_at,
        "now": clock.now(),
        "most": MOST_KEPT,
        "filename": new.filename[:200],
        "person_id": actor.person_id if actor else None,
        "role": actor.role if actor else None,
        "address": actor.address if actor else None,
        "reason": WHY_MOVED_BACK,
        "added": found.added,
        "changed": found.changed,
    }
    await session.execute(_queries["drop_undone"], {})
    await store.make_fault_table(session)
    undo = _UNDO[new.kind]
    try:
        outcome = await undo(session, actor, new, values, clock)
        if not outcome.faults and not await session.execute(_queries["mark_run_undone"], values):
            raise ImportUndoneBefore
    except ConstraintViolated as violated:
        raise UndoCollided from violated
    await write_audit(
        session,
        actor,
        "undo",
        "import",
        run_id,
        after={"removed": outcome.added, "put_back": outcome.changed, "faults": outcome.faults},
        outcome="failed" if outcome.faults else "done",
    )
    return outcome


async def _undo_children(
    session: Session, actor: Actor | None, new: NewRun, values: dict[str, Any], clock: Clock
) -> ImportOutcome:
    await session.execute(_queries["make_undone_child"], {})
    await session.execute(_queries["stage_added_children"], values)
    await session.execute(_queries["analyze_undone_child"], {})
    await session.fetch_value(_queries["hold_undone"], values)
    faults = 0
    for name in ("find_what_stands_on_added_children", "find_what_stands_on_changed_children"):
        faults += await session.fetch_value(_queries[name], values)
    if faults:
        return ImportOutcome(0, faults=faults)
    await store.let_counts_wait(session)
    await changing(session, actor, "undo_import", new.filename)
    await tell_today(session, today(clock))
    await session.execute(_queries["audit_children_put_back"], values)
    # What closed the year that they left goes first, so that they stand in it as before; what going back writes goes after.
    await session.execute(_queries["forget_stints"], values)
    back = await session.execute(_queries["put_children_back"], values)
    await session.execute(_queries["forget_stints"], values)
    children = await session.fetch_value(_queries["count_undone_children"], {})
    removed = 0
    for after in range(0, children, store.ROWS_PER_STATEMENT):
        some = values | {"after": after, "up_to": after + store.ROWS_PER_STATEMENT}
        removed += await session.fetch_value(_queries["remove_added_children"], some)
    await session.fetch_value(_queries["remove_added_classes"], values)
    await store.add_waiting_counts(session)
    return ImportOutcome(removed + back, added=removed, changed=back)


async def _undo_schools(
    session: Session, actor: Actor | None, new: NewRun, values: dict[str, Any], clock: Clock
) -> ImportOutcome:
    await session.execute(_queries["make_undone_school"], {})
    await session.execute(_queries["stage_added_schools"], values)
    await session.fetch_value(_queries["hold_undone_schools"], values)
    await store.hold_rolls(session)
    faults = 0
    for name in ("find_what_stands_on_added_schools", "find_what_stands_on_changed_schools"):
        faults += await session.fetch_value(_queries[name], values)
    if faults:
        return ImportOutcome(0, faults=faults)
    await store.say_who_moves(session, values["person_id"], clock.now())
    await session.execute(_queries["audit_schools_put_back"], values)
    back = await session.execute(_queries["put_schools_back"], values)
    await session.execute(_queries["say_why_put_back"], values)
    await session.execute(_queries["leave_added_schools"], values)
    removed = await session.execute(_queries["remove_added_schools"], values)
    for _ in range(LEVELS_OF_PLACES):
        if not await session.fetch_value(_queries["remove_added_places"], values):
            break
    return ImportOutcome(removed + back, added=removed, changed=back)


async def _undo_results(
    session: Session, actor: Actor | None, new: NewRun, values: dict[str, Any], clock: Clock
) -> ImportOutcome:
    await session.execute(_queries["hold_writers_of_results"], {})
    await session.execute(_queries["make_undone_result"], {})
    await session.execute(_queries["stage_undone_results"], values)
    await session.execute(_queries["analyze_undone_result"], {})
    await session.fetch_value(_queries["hold_undone_results"], values)
    faults = await session.fetch_value(_queries["find_what_stands_on_results"], values)
    if faults:
        return ImportOutcome(0, faults=faults)
    await store.let_counts_wait(session)
    results = await session.fetch_value(_queries["count_undone_results"], {})
    removed = back = 0
    for after in range(0, results, store.ROWS_PER_STATEMENT):
        some = values | {"after": after, "up_to": after + store.ROWS_PER_STATEMENT, "reason": WHY_PUT_BACK}
        back += await session.fetch_value(_queries["put_results_back"], some)
        removed += await session.fetch_value(_queries["remove_added_results"], some)
    await store.add_waiting_counts(session)
    return ImportOutcome(removed + back, added=removed, changed=back)


async def _undo_deeds(
    session: Session, actor: Actor | None, new: NewRun, values: dict[str, Any], clock: Clock
) -> ImportOutcome:
    if actor is None:
        raise Forbidden
    terms = await store.read_terms(session, today(clock))
    asking = Asking(actor, clock, terms, since=values["ended_at"])
    with closing(FaultFile()) as refused:
        await deed_rows.undo(session, asking, values["id"], refused)
        await store.copy_faults(session, refused)
        if refused.count:
            return ImportOutcome(0, faults=refused.count)
    return ImportOutcome(
        values["added"] + values["changed"], added=values["added"], changed=values["changed"]
    )


_UNDO: Final[dict[Kind, Callable[..., Awaitable[ImportOutcome]]]] = {
    "schools": _undo_schools,
    "students": _undo_children,
    "results": _undo_results,
    **dict.fromkeys(DEED_KINDS, _undo_deeds),
}


async def _find(session: Session, run_id: str, *, hold: bool = False) -> Undoable:
    if not is_uuid(run_id):
        raise NotFound
    query = _queries["run_to_undo"].plus("hold") if hold else _queries["run_to_undo"]
    found = await session.fetch_one(query, {"id": run_id}, into=Undoable)
    if found is None:
        raise NotFound
    return found
