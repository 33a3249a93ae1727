"""Locks on results: one, many at once, or all of a school in a round; with a reason, and unlocking too."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flatwater.clock import Clock
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import SUBJECTS, Actor, require
from rightlevel.programme.results import store
from rightlevel.programme.results.model import MAX_REASON, LockAnswer

MAX_LOCKS = 1_000
"""A big school's results in one subject; more is a lock of the school in the round."""


async def lock_results(
    session: Session, actor: Actor, result_ids: Sequence[str], *, reason: str, clock: Clock
) -> list[LockAnswer]:
    """What became of each, in order: `locked`, `already` or `not_found`. *Errors*: Forbidden, Invalid. *Cost*: three statements."""
    return await _set(session, actor, result_ids, reason=reason, clock=clock, is_lock=True)


async def unlock_results(
    session: Session, actor: Actor, result_ids: Sequence[str], *, reason: str, clock: Clock
) -> list[LockAnswer]:
    """What became of each, in order: `unlocked`, `already` or `not_found`. *Errors*: Forbidden, Invalid. *Cost*: three statements."""
    return await _set(session, actor, result_ids, reason=reason, clock=clock, is_lock=False)


async def lock_results_of_school(
    session: Session,
    actor: Actor,
    *,
    school_id: int,
    round_id: int,
    reason: str,
    clock: Clock,
    subject: str | None = None,
    class_id: int | None = None,
    is_lock: bool = True,
) -> int:
    """Locks (or unlocks) a school's results in a round, of one subject or class if told; how many changed.

    *Errors*: Forbidden; Invalid without a reason, or for more than MAX_LOCKS (then the school is locked in the round instead).
    """
    require(actor, "lock", "result")
    faults = _reason_faults(reason)
    if subject is not None and subject not in SUBJECTS:
        faults.append(Fault("subject", f"One of: {', '.join(SUBJECTS)}", subject[:60]))
    if faults:
        raise Invalid(faults=tuple(faults))
    found = await store.results_to_lock(
        session, rows=MAX_LOCKS + 1, school=(school_id, round_id), subject=subject, class_id=class_id
    )
    if len(found) > MAX_LOCKS:
        raise Invalid(
            faults=(Fault("school_id", "More than 1000 results: lock the school in the round instead"),)
        )
    wanted = [each.id for each in found if each.is_locked != is_lock]
    await _write(session, actor, wanted, reason=reason, clock=clock, is_lock=is_lock)
    return len(wanted)


async def _set(
    session: Session, actor: Actor, result_ids: Sequence[str], *, reason: str, clock: Clock, is_lock: bool
) -> list[LockAnswer]:
    require(actor, "lock", "result")
    faults = _reason_faults(reason)
    if not 1 <= len(result_ids) <= MAX_LOCKS:
        faults.append(Fault("result_ids", f"Between 1 and {MAX_LOCKS} at once", str(len(result_ids))))
    faults += [
        Fault(f"result_ids.{number}", "A UUID", given[:60])
        for number, given in enumerate(result_ids[:MAX_LOCKS])
        if not is_uuid(given)
    ]
    if faults:
        raise Invalid(faults=tuple(faults))
    wanted = sorted({str(UUID(given)) for given in result_ids})
    found = {
        each.id: each for each in await store.results_to_lock(session, rows=MAX_LOCKS, result_ids=wanted)
    }
    changing = [result_id for result_id, each in found.items() if each.is_locked != is_lock]
    await _write(session, actor, changing, reason=reason, clock=clock, is_lock=is_lock)
    done = "locked" if is_lock else "unlocked"
    codes = {result_id: done if each.is_locked != is_lock else "already" for result_id, each in found.items()}
    return [LockAnswer(given, codes.get(str(UUID(given)), "not_found")) for given in result_ids]


async def _write(
    session: Session, actor: Actor, result_ids: list[str], *, reason: str, clock: Clock, is_lock: bool
) -> None:
    if not result_ids:
        return
    said = reason.strip()
    if is_lock:
        await store.lock_result_rows(
            session, result_ids, person_id=actor.person_id, reason=said, now=clock.now()
        )
    else:
        await store.unlock_result_rows(session, result_ids, now=clock.now())
    action = "lock" if is_lock else "unlock"
    after = {"count": len(result_ids), "results": result_ids}
    await write_audit(session, actor, action, "result", result_ids[0], after=after, reason=said)


def _reason_faults(reason: str) -> list[Fault]:
    if not reason.strip():
        return [Fault("reason", "Locking and unlocking need a reason")]
    return [Fault("reason", f"At most {MAX_REASON} characters")] if len(reason) > MAX_REASON else []
