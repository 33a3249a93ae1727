"""Approving a school's results in a round, step by step: school, district, programme; or returning them, with a reason.

A round asks for none, some or all of the steps. What is approved at the first is locked by the lock of the school in the round, which the one
write guard knows; returning takes that lock away. Who may do a step is asked anew at each: an assignment that ended ended it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import (
    LONGEST_REASON,
    Conflict,
    Fault,
    Forbidden,
    Invalid,
    NotFound,
    OutOfScope,
    Stale,
    reason_faults,
)
from rightlevel.programme.permissions import Actor, allowed, require
from rightlevel.programme.rounds import approvals_store as store
from rightlevel.programme.rounds.actions import changeable_round, read_round
from rightlevel.programme.rounds.model import (
    LADDER,
    ApprovalCount,
    ApprovalRead,
    Round,
    SchoolApproval,
    Step,
    may_do_step,
    step_after,
)
from rightlevel.programme.rounds.store import find_round
from rightlevel.programme.schools import school_for_write
from rightlevel.programme.webhooks import tell_webhooks

MOST_STEPS: Final = 100
"""Of one school in one round: fifty times there and back."""
SHOWN_STEPS: Final = 20
LOCKED_BECAUSE: Final = "The results are approved"
MOST_COUNTED: Final = 100
ROLES: Final[dict[Step, tuple[str, ...]]] = {
    "school": ("teacher", "mentor"),
    "district": ("mentor",),
    "programme": (),
}
STATES: Final = (*LADDER, "approved")


class NoApproval(Conflict):
    """Nobody need approve the results of this round."""

    code = "no_approval"


class ApprovalUnderWay(Conflict):
    """Results of this round are approved already. Its steps change only once all of them are returned; approval can be turned off at any time."""

    code = "approval_under_way"


class RoundNotBegun(Conflict):
    """This round has not begun: there is nothing to approve yet."""

    code = "round_not_begun"


class ApprovedAlready(Conflict):
    """These results are approved to the last step."""

    code = "approved_already"


class NothingToReturn(Conflict):
    """Nothing of these results is approved, so there is nothing to return."""

    code = "nothing_to_return"


class SamePerson(Conflict):
    """You approved the step before this one. Somebody else does this one."""

    code = "same_person"


class TooManySteps(Conflict):
    """These results were approved and returned a hundred times. Turn approval off for this round."""

    code = "too_many_steps"


async def set_approval_steps(
    session: Session, actor: Actor, round_id: int, *, version: int, steps: Sequence[Step]
) -> Round:
    """By which steps schools' results of a round are approved; none turns approval off, and what is locked stays so.

    *Errors*: NotFound, RoundFrozen, Stale, Invalid; ApprovalUnderWay for other steps while anything is approved.
    """
    require(actor, "change", "round")
    wanted: list[Step] = [each for each in LADDER if each in steps]
    if len(wanted) != len(steps):
        raise Invalid(faults=(Fault("steps", "Each step once at most"),))
    found = await changeable_round(session, round_id)
    if wanted and wanted != found.approval_steps and await store.are_any_approved(session, round_id):
        raise ApprovalUnderWay
    if not await store.set_steps(session, round_id, version, wanted):
        raise Stale(current={"steps": found.approval_steps}, yours={"version": version, "steps": wanted})
    if wanted != found.approval_steps:
        await store.forget_approvals(session, round_id)
    before, after = {"approval_steps": found.approval_steps}, {"approval_steps": wanted}
    await write_audit(session, actor, "change", "round", round_id, before=before, after=after)
    return await find_round(session, round_id)


async def list_approvals(
    session: Session, actor: Actor, round_id: int, page: PageRequest, *, state: str | None = None
) -> Page[SchoolApproval]:
    """How far the results of the schools within reach are approved in a round: those that wait for a step, or are `approved`; all without a state.

    *Errors*: NotFound, Invalid. *Cost*: two statements.
    """
    require(actor, "read", "approval")
    if state and state not in STATES:
        raise Invalid(faults=(Fault("state", f"One of: {', '.join(STATES)}", state[:60]),))
    await read_round(session, actor, round_id)
    return await store.page_of_approvals(
        session, round_id, page, school_ids=_schools_of(actor), state=state or None
    )


def _schools_of(actor: Actor) -> list[int] | None:
    return None if actor.scope.is_everything else actor.scope.schools()


async def count_approvals(session: Session, actor: Actor, round_id: int) -> list[ApprovalCount]:
    """Of the schools of which anything was done, how many are how far. *Cost*: one statement. *Errors*: Forbidden."""
    require(actor, "override", "approval")
    return await store.count_approvals(session, round_id)


async def read_approval(
    session: Session, actor: Actor, round_id: int, school_id: int, clock: Clock
) -> ApprovalRead:
    """How far a school's results are approved, who did what and why, and for whom they wait. *Errors*: NotFound, OutOfScope, NoApproval.

    *Cost*: four statements.
    """
    require(actor, "read", "approval")
    round_ = await read_round(session, actor, round_id)
    if not actor.scope.reaches_school(school_id):
        raise OutOfScope
    if not round_.approval_steps:
        raise NoApproval
    found = await store.page_of_approvals(
        session, round_id, PageRequest(1), school_ids=[school_id], state=None
    )
    if not found.items:
        raise NotFound
    approval = found.items[0]
    step: Step | None = next((each for each in LADDER if each == approval.state), None)
    people = await store.who_may(session, school_id, ROLES[step], today(clock)) if step else []
    is_open = round_.state in ("open", "closed") and not round_.is_deleted
    may_step = step is not None and may_do_step(actor, step, school_id)
    return ApprovalRead(
        approval=approval,
        steps=list(round_.approval_steps),
        history=await store.list_steps(session, round_id, school_id, SHOWN_STEPS),
        waits_for=people,
        may_approve=is_open and may_step and approval.last_by != actor.person_id,
        may_return=is_open and approval.last_by is not None and (may_step or _leads(actor)),
    )


def _leads(actor: Actor) -> bool:
    return allowed(actor.role, "override", "approval")


async def approve_school(
    session: Session,
    actor: Actor,
    round_id: int,
    school_id: int,
    *,
    version: int,
    clock: Clock,
    words: str = "",
) -> SchoolApproval:
    """Approves a school's results at the step that they wait for; at the first one they are locked.

    `version` is that of the approval (0 where nothing was done yet). *Errors*: NotFound, OutOfScope, Forbidden for who may not do this step,
    Stale, NoApproval, ApprovedAlready, SamePerson, RoundFrozen, RoundNotBegun. *Cost*: ten short statements.
    """
    require(actor, "decide", "approval")
    if len(words) > LONGEST_REASON:
        raise Invalid(faults=(Fault("words", f"At most {LONGEST_REASON} characters", words[:60]),))
    round_, of, held = await _hold(session, actor, round_id, school_id, version=version, clock=clock)
    step = held.waits_for
    if step is None:
        raise ApprovedAlready
    _require_step(actor, step, school_id)
    if held.last_by == actor.person_id:
        raise SamePerson
    locked_at = held.locked_at
    if held.last_by is None and await store.lock_where_unlocked(
        session, of, by=actor.person_id, reason=LOCKED_BECAUSE
    ):
        locked_at = of.now
    waits_for = step_after(step, round_.approval_steps)
    await store.move_approval(
        session, of, held.version, waits_for=waits_for, last_by=actor.person_id, locked_at=locked_at
    )
    await store.keep_step(session, of, step, deed="approved", person_id=actor.person_id, words=words.strip())
    after = {"school_id": school_id, "step": step, "waits_for": waits_for}
    await write_audit(
        session, actor, "approve", "approval", round_id, after=after, reason=words.strip() or None
    )
    approval = await _one(session, round_id, school_id)
    if waits_for is None:
        about: dict[str, object] = {
            "round": {"id": round_id, "year": round_.year_name, "kind": round_.kind},
            "school": {"id": school_id, "code": approval.school_code},
        }
        await tell_webhooks(session, "school.approved", about, of.now)
    return approval


async def return_school(
    session: Session,
    actor: Actor,
    round_id: int,
    school_id: int,
    *,
    version: int,
    reason: str,
    clock: Clock,
) -> SchoolApproval:
    """Returns a school's results to the first step, and takes away the lock that approving set: by who may do the step that they wait for, or leads.

    *Errors*: as `approve_school`; NothingToReturn, Invalid without a reason.
    """
    require(actor, "decide", "approval")
    if faults := reason_faults(reason):
        raise Invalid(faults=tuple(faults))
    round_, of, held = await _hold(session, actor, round_id, school_id, version=version, clock=clock)
    if held.last_by is None:
        raise NothingToReturn
    step = held.waits_for or round_.approval_steps[-1]
    if not _leads(actor):
        if held.waits_for is None:
            raise Forbidden
        _require_step(actor, step, school_id)
    if held.locked_at is not None:
        await store.unlock_own(session, of, held.locked_at)
    await store.move_approval(
        session, of, held.version, waits_for=round_.approval_steps[0], last_by=None, locked_at=None
    )
    said = reason.strip()
    await store.keep_step(session, of, step, deed="returned", person_id=actor.person_id, words=said)
    after = {"school_id": school_id, "step": step}
    await write_audit(session, actor, "return", "approval", round_id, after=after, reason=said)
    return await _one(session, round_id, school_id)


async def _hold(
    session: Session, actor: Actor, round_id: int, school_id: int, *, version: int, clock: Clock
) -> tuple[Round, store.SchoolInRound, store.Held]:
    """The round and a school's approval in it, held against every other write. *Errors*: as `approve_school`."""
    if not actor.scope.reaches_school(school_id):
        raise OutOfScope
    round_ = await changeable_round(session, round_id)
    if not round_.approval_steps:
        raise NoApproval
    if round_.state == "planned":
        raise RoundNotBegun
    school = await school_for_write(session, school_id)
    of = store.SchoolInRound(round_id, school_id, clock.now())
    held = await store.hold_approval(session, of, round_.approval_steps[0])
    # A school that was closed or merged since is approved to the end or returned, or its lock would stay for good; none is begun.
    if school.status != "open" and held.version == 1 and held.last_by is None:
        raise NotFound
    # One that was just made is of version 1, and what its page showed was none: version 0.
    if version != held.version and not (version == 0 and held.version == 1 and held.last_by is None):
        current = await _one(session, round_id, school_id)
        raise Stale(current={"state": current.state, "version": current.version}, yours={"version": version})
    if await store.count_steps(session, of, MOST_STEPS) >= MOST_STEPS:
        raise TooManySteps
    return round_, of, held


def _require_step(actor: Actor, step: Step, school_id: int) -> None:
    if not may_do_step(actor, step, school_id):
        raise Forbidden("This step is somebody else's.")


async def _one(session: Session, round_id: int, school_id: int) -> SchoolApproval:
    found = await store.page_of_approvals(
        session, round_id, PageRequest(1), school_ids=[school_id], state=None
    )
    if not found.items:
        raise NotFound
    return found.items[0]


async def approvals_waiting(session: Session, actor: Actor, round_: Round) -> tuple[Step | None, int]:
    """The step of a round that waits for this person, and for how many schools, up to a hundred: a mentor's or a leader's. *Cost*: one statement,
    none where the round asks for no such step.
    """
    step: Step = "programme" if actor.scope.is_everything else "district"
    if step not in round_.approval_steps or actor.role == "teacher":
        return None, 0
    schools = None if actor.scope.is_everything else actor.scope.whole_schools()
    count = await store.count_waiting(session, round_.id, step, school_ids=schools, most=MOST_COUNTED)
    return step, count


async def schools_to_hand_in(
    session: Session, actor: Actor, round_: Round, school_ids: list[int]
) -> list[SchoolApproval]:
    """Of these schools, those whose results wait for the school's own step and that this person may approve. *Cost*: one statement, or none."""
    schools = sorted(set(school_ids) & set(actor.scope.whole_schools()))
    if "school" not in round_.approval_steps or not schools:
        return []
    page = PageRequest(min(len(schools), MOST_COUNTED))
    found = await store.page_of_approvals(session, round_.id, page, school_ids=schools, state="school")
    return found.items
