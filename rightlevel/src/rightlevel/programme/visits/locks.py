"""Locks on submitted visits: one, many at once, or all of a school in a time; with a reason, and unlocking too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from flatwater.clock import Clock
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.results import LockAnswer
from rightlevel.programme.visits import store
from rightlevel.programme.visits.model import MAX_LOCKS, reason_faults


async def lock_visits(
    session: Session,
    actor: Actor,
    visit_ids: Sequence[str],
    *,
    reason: str,
    clock: Clock,
    is_lock: bool = True,
) -> list[LockAnswer]:
    """What became of each, in order: `locked` (or `unlocked`), `already`, or `not_found`, also for a draft.

    *Errors*: Forbidden, Invalid. *Cost*: three statements.
    """
    require(actor, "lock", "visit")
    faults = reason_faults(reason)
    if not 1 <= len(visit_ids) <= MAX_LOCKS:
        faults.append(Fault("visit_ids", f"Between 1 and {MAX_LOCKS} at once", str(len(visit_ids))))
    faults += [
        Fault(f"visit_ids.{number}", "A UUID", given[:60])
        for number, given in enumerate(visit_ids[:MAX_LOCKS])
        if not is_uuid(given)
    ]
    if faults:
        raise Invalid(faults=tuple(faults))
    wanted = sorted({str(UUID(given)) for given in visit_ids})
    found = {each.id: each for each in await store.visits_to_lock(session, rows=MAX_LOCKS, visit_ids=wanted)}
    changing = [visit_id for visit_id, each in found.items() if each.is_locked != is_lock]
    await _write(session, actor, changing, reason=reason, clock=clock, is_lock=is_lock)
    done = "locked" if is_lock else "unlocked"
    codes = {visit_id: done if visit_id in changing else "already" for visit_id in found}
    return [LockAnswer(given, codes.get(str(UUID(given)), "not_found")) for given in visit_ids]


async def lock_visits_of_school(
    session: Session,
    actor: Actor,
    *,
    school_id: int,
    from_on: date,
    to_on: date,
    reason: str,
    clock: Clock,
    is_lock: bool = True,
) -> int:
    """Locks (or unlocks) a school's submitted visits in a time; how many changed. *Errors*: Forbidden, Invalid. *Cost*: three statements."""
    require(actor, "lock", "visit")
    faults = reason_faults(reason)
    if to_on < from_on:
        faults.append(Fault("to_on", "Not before the first day", str(to_on)))
    if faults:
        raise Invalid(faults=tuple(faults))
    found = await store.visits_to_lock(
        session, rows=MAX_LOCKS + 1, school_id=school_id, from_on=from_on, to_on=to_on
    )
    if len(found) > MAX_LOCKS:
        raise Invalid(faults=(Fault("to_on", "More than 1000 visits: choose fewer days"),))
    changing = [each.id for each in found if each.is_locked != is_lock]
    await _write(session, actor, changing, reason=reason, clock=clock, is_lock=is_lock)
    return len(changing)


async def _write(
    session: Session, actor: Actor, visit_ids: list[str], *, reason: str, clock: Clock, is_lock: bool
) -> None:
    if not visit_ids:
        return
    said = reason.strip()
    await store.set_locks(
        session, visit_ids, person_id=actor.person_id, reason=said, now=clock.now(), is_lock=is_lock
    )
    action = "lock" if is_lock else "unlock"
    after = {"count": len(visit_ids), "visits": visit_ids}
    await write_audit(session, actor, action, "visit", visit_ids[0], after=after, reason=said)
