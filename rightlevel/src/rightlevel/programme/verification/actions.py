"""What is done about re-tests: save them, list what waits, decide where two levels differ, return, answer, withdraw."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import (
    Conflict,
    Fault,
    Forbidden,
    Invalid,
    NotFound,
    OutOfScope,
    ProgrammeError,
    RoundSealing,
    Stale,
)
from rightlevel.programme.ids import is_uuid, time_ordered_id
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject, require
from rightlevel.programme.rounds import amending
from rightlevel.programme.verification import store
from rightlevel.programme.verification.model import (
    FORBIDDING,
    MAX_REASON,
    MAX_RETESTS,
    REFUSALS,
    STEPS,
    Decision,
    DecisionAnswer,
    QueueRow,
    Retest,
    RetestAnswer,
    RetestFacts,
    Returned,
    Verification,
    judge_retest,
    level_faults,
    retest_faults,
)

LOOKS = 2
"""How often a re-test is judged when another was faster to begin one of the same result."""
QUEUES = ("waiting", "disputed", "returned", "under_way", "settled", "over")


class NoSuchVerificationStep(Conflict):
    """This can't be done with a re-test in its present state. Look at it again."""

    code = "no_such_verification_step"


async def save_retests(
    session: Session, actor: Actor, writes: Sequence[Retest], clock: Clock
) -> list[RetestAnswer]:
    """What became of each re-test, in order; one that is refused holds up no other. The same write again gets the same answer.

    *Errors*: Forbidden; Invalid for none or more than MAX_RETESTS, or an id or a result sent twice. *Cost*: two or three statements.
    """
    require(actor, "verify", "result")
    _require_batch(writes)
    answers: dict[int, RetestAnswer] = {}
    for number, write in enumerate(writes):
        faults = retest_faults(write)
        if faults:
            answers[number] = RetestAnswer(write.id, "invalid", message=REFUSALS["invalid"], faults=faults)
    numbers = [number for number in range(len(writes)) if number not in answers]
    for _ in range(LOOKS):
        if numbers:
            numbers = await _look_and_save(
                session, actor, writes=writes, numbers=numbers, answers=answers, clock=clock
            )
    if numbers:
        raise Stale
    settled = [answers[number] for number in range(len(writes))]
    await _audit_retests(session, actor, settled)
    return settled


def _require_batch(writes: Sequence[Retest]) -> None:
    if not 1 <= len(writes) <= MAX_RETESTS:
        raise Invalid(
            faults=(Fault("retests", f"Between 1 and {MAX_RETESTS} re-tests at once", str(len(writes))),)
        )
    if len({write.id for write in writes}) != len(writes):
        raise Invalid(faults=(Fault("id", "Every write has an id of its own; one was sent twice"),))
    if len({write.result_id for write in writes}) != len(writes):
        raise Invalid(faults=(Fault("result_id", "One re-test of a result at a time"),))


async def _look_and_save(
    session: Session,
    actor: Actor,
    writes: Sequence[Retest],
    numbers: list[int],
    answers: dict[int, RetestAnswer],
    clock: Clock,
) -> list[int]:
    """Judges some re-tests and saves what may be; the numbers of those that another was faster with."""
    facts = await store.read_facts(session, [writes[number] for number in numbers], actor.person_id)
    judged: dict[int, tuple[Retest, RetestFacts, str]] = {}
    missed: dict[int, RetestFacts] = {}
    for number, fact in zip(numbers, facts, strict=True):
        code = judge_retest(actor, writes[number], fact, today(clock))
        if code in ("agreed", "disagreed"):
            judged[number] = (writes[number], fact, code)
        elif code == "missed":
            missed[number] = fact
        else:
            answers[number] = _answer(code, writes[number], fact)
    if missed:
        waiting = [fact.verification_id for fact in missed.values() if fact.verification_id is not None]
        await store.miss_retests(session, waiting)
        for number, fact in missed.items():
            answers[number] = RetestAnswer(writes[number].id, "missed", fact.verification_id)
    if not judged:
        return []
    saved = await store.write_retests(session, actor, list(judged.values()), clock.now())
    again: list[int] = []
    for number, (write, fact, code) in judged.items():
        done = saved.get(write.id.lower())
        if done is None:
            again.append(number)
            continue
        answers[number] = RetestAnswer(
            id=write.id,
            code=code,
            verification_id=done.verification_id,
            version=done.version,
            first_level=_code(fact.subject, fact.rank, fact.round_id),
            level=write.level,
        )
    return again


def _code(subject: Subject | None, rank: int | None, round_id: int | None) -> str | None:
    if subject is None or round_id is None:
        return None
    return scale_of_round(round_id, subject).code_at(rank)


def _answer(code: str, write: Retest, facts: RetestFacts) -> RetestAnswer:
    if code == "repeated":
        did = "agreed" if facts.done_first_rank == facts.done_rank else "disagreed"
        return RetestAnswer(
            id=write.id,
            code=did,
            verification_id=facts.done_verification_id,
            version=facts.done_version,
            first_level=_code(facts.subject, facts.done_first_rank, facts.round_id),
            level=_code(facts.subject, facts.done_rank, facts.round_id),
        )
    faults = level_faults(write, facts) if code == "invalid" else []
    return RetestAnswer(write.id, code, message=REFUSALS[code], faults=faults)


async def _audit_retests(session: Session, actor: Actor, answers: list[RetestAnswer]) -> None:
    saved = [answer for answer in answers if answer.is_saved]
    if saved:
        after = {"retests": [{"id": each.verification_id, "code": each.code} for each in saved]}
        await write_audit(session, actor, "verify", "result", saved[0].verification_id, after=after)
    denied = [answer for answer in answers if answer.code in FORBIDDING]
    if denied:
        after = {"count": len(denied), "writes": [answer.id for answer in denied]}
        reason = ", ".join(sorted({answer.code for answer in denied}))
        await write_audit(session, actor, "verify", "result", after=after, reason=reason, outcome="denied")


async def verification_queue(
    session: Session,
    actor: Actor,
    page: PageRequest,
    clock: Clock,
    *,
    round_id: int,
    state: str = "waiting",
    school_id: int | None = None,
    subject: str | None = None,
    draw_id: int | None = None,
) -> Page[QueueRow]:
    """The re-tests of a round to do, to decide, returned, settled or over, of children in scope; mentors see a drawn one on its day.

    Whose they are goes by where the child is now: whoever may open one has it in a queue, and nobody else. *Cost*: one statement.
    """
    require(actor, "read", "verification")
    faults: list[Fault] = []
    if state not in QUEUES:
        faults.append(Fault("state", f"One of: {', '.join(QUEUES)}", state[:60]))
    if subject is not None and subject not in SUBJECTS:
        faults.append(Fault("subject", f"One of: {', '.join(SUBJECTS)}", subject[:60]))
    if faults:
        raise Invalid(faults=tuple(faults))
    return await store.page_of_queue(
        session,
        actor,
        page,
        round_id=round_id,
        state=state,
        school_id=school_id,
        subject=subject,
        draw_id=draw_id,
        today=today(clock),
    )


async def list_returned(session: Session, actor: Actor, page: PageRequest, clock: Clock) -> Page[Returned]:
    """Results that were returned: to whoever entered them, or to the present teacher where they come there no more. *Cost*: one statement."""
    require(actor, "read", "returned")
    return await store.page_of_returned(session, actor, page, today(clock))


async def read_verification(
    session: Session, actor: Actor, verification_id: str, clock: Clock
) -> Verification:
    """One re-test; a pending one tells no level. *Errors*: NotFound, also when out of scope, or for a mentor before its day."""
    require(actor, "read", "verification")
    found = await _found(session, actor, verification_id, is_held=False)
    if actor.role == "mentor" and found.visible_on > today(clock):
        raise NotFound
    return _shown(found)


async def _held(session: Session, actor: Actor, verification_id: str) -> store.StoredVerification:
    return await _found(session, actor, verification_id, is_held=True)


async def _found(
    session: Session, actor: Actor, verification_id: str, *, is_held: bool
) -> store.StoredVerification:
    if not is_uuid(verification_id):
        raise NotFound
    held = await store.find_verification(session, verification_id, is_held=is_held)
    if not actor.scope.covers(held.child_school_id, subject=held.subject, class_id=held.child_class_id):
        raise NotFound
    return held


def _shown(held: store.StoredVerification, **changed: object) -> Verification:
    is_told = "pending" not in (held.state, held.ended_from)
    shown = Verification(
        id=held.id,
        result_id=held.result_id,
        round_id=held.round_id,
        subject=held.subject,
        school_id=held.school_id,
        state=held.state,
        version=held.version,
        verifier_id=held.verifier_id,
        first_assessor_id=held.assessor_id,
        first_level=_code(held.subject, held.first_rank, held.round_id) if is_told else None,
        level=_code(held.subject, held.rank, held.round_id) if is_told else None,
        stands=held.stands,
        reason=held.reason,
        ended_from=held.ended_from,
        ended_at=held.ended_at,
        ended_why=held.ended_why,
    )
    return msgspec.structs.replace(shown, **changed)


def _require_step(held: store.StoredVerification, state: str, version: int) -> None:
    if (held.state, state) not in STEPS:
        raise NoSuchVerificationStep
    if held.version != version:
        current = {"version": held.version, "state": held.state}
        raise Stale(current=current, yours={"version": version, "state": state})


def _require_reason(reason: str) -> str:
    said = reason.strip()
    if not said or len(said) > MAX_REASON:
        raise Invalid(faults=(Fault("reason", f"Say why, in at most {MAX_REASON} characters"),))
    return said


def _require_not_frozen(held: store.StoredVerification) -> None:
    if held.round_state == "frozen":
        raise RoundIsFrozen


class RoundIsFrozen(Conflict):
    """This round is frozen. A coordinator can amend it, with a reason."""

    code = "round_frozen"


async def resolve(
    session: Session,
    actor: Actor,
    verification_id: str,
    *,
    version: int,
    stands: str,
    reason: str,
    clock: Clock,
) -> Verification:
    """Decides which of two levels stands: the `first`, or the `second`, which then becomes the result's. Either way it is verified.

    In a frozen round the second level comes by an amendment with this reason. *Errors*: Forbidden, NotFound, Stale, NoSuchVerificationStep,
    RoundSealing, Invalid without a reason.
    """
    require(actor, "settle", "verification")
    said = _require_reason(reason)
    if stands not in ("first", "second"):
        raise Invalid(faults=(Fault("stands", "One of: first, second", stands[:60]),))
    held = await _held(session, actor, verification_id)
    _require_step(held, "resolved", version)
    if held.round_is_sealing:
        raise RoundSealing
    if held.round_state == "frozen" and stands == "second":
        await amending(session, actor, said)
    now = clock.now()
    await store.settle(
        session,
        held,
        version=version,
        state="resolved",
        stands=stands,
        person_id=actor.person_id,
        reason=said,
        now=now,
    )
    if stands == "second" and held.rank != held.result_rank:
        before = {"level": _code(held.subject, held.result_rank, held.round_id)}
        after = {"level": _code(held.subject, held.rank, held.round_id), "verification": held.id}
        await store.correct_result(
            session,
            held,
            before=before,
            after=after,
            write_id=time_ordered_id(),
            person_id=actor.person_id,
            reason=said,
            now=now,
        )
    else:
        await store.verify_result(session, held.result_id, is_verified=True, now=now)
    await _audit(session, actor, "resolve", held, said, stands=stands)
    return _shown(held, state="resolved", version=version + 1, stands=stands, reason=said)


async def resolve_many(
    session: Session, actor: Actor, decisions: Sequence[Decision], clock: Clock
) -> list[DecisionAnswer]:
    """What became of each decision, in order; one that is refused holds up no other. *Errors*: Forbidden, Invalid for none or too many."""
    require(actor, "settle", "verification")
    if not 1 <= len(decisions) <= MAX_RETESTS:
        raise Invalid(
            faults=(
                Fault("decisions", f"Between 1 and {MAX_RETESTS} decisions at once", str(len(decisions))),
            )
        )
    answers: dict[str, DecisionAnswer] = {}
    # in the order of their ids, so that two who decide the same at once wait for each other and never deadlock
    for each in sorted(decisions, key=lambda decision: decision.id):
        try:
            async with session.savepoint():
                done = await resolve(
                    session,
                    actor,
                    each.id,
                    version=each.version,
                    stands=each.stands,
                    reason=each.reason,
                    clock=clock,
                )
        except ProgrammeError as error:
            answers[each.id] = DecisionAnswer(each.id, error.code, message=error.text)
        else:
            answers[each.id] = DecisionAnswer(each.id, "resolved", done.version)
    return [answers[each.id] for each in decisions]


class NobodyToReturnTo(Conflict):
    """Whoever tested this child works here no more, and nobody teaches here. Assign a teacher first, or decide which level stands."""

    code = "nobody_to_return_to"


async def return_to_teacher(
    session: Session, actor: Actor, verification_id: str, *, version: int, reason: str, clock: Clock
) -> Verification:
    """Asks whoever entered the result to look at it again, or the present teacher where they come there no more.

    A mentor returns what they tested themselves. *Errors*: as `resolve`, and NobodyToReturnTo.
    """
    require(actor, "verify", "result")
    said = _require_reason(reason)
    held = await _held(session, actor, verification_id)
    if actor.role == "mentor" and held.verifier_id != actor.person_id:
        raise Forbidden
    _require_not_frozen(held)
    _require_step(held, "returned", version)
    found = await store.who_looks_again(session, held.id, today(clock))
    if not (found.tester_reaches or found.a_teacher_reaches):
        raise NobodyToReturnTo
    await store.settle(
        session,
        held,
        version=version,
        state="returned",
        person_id=actor.person_id,
        reason=said,
        now=clock.now(),
    )
    await _audit(session, actor, "return", held, said)
    return _shown(held, state="returned", version=version + 1, reason=said)


async def answer_returned(
    session: Session, actor: Actor, verification_id: str, *, version: int, reason: str, clock: Clock
) -> None:
    """The teacher stands by a returned result: another re-test is asked for. Changing the result does the same by itself.

    *Errors*: Forbidden, NotFound, OutOfScope, Stale, NoSuchVerificationStep, RoundIsFrozen, Invalid without words.
    """
    require(actor, "enter", "result")
    said = _require_reason(reason)
    held = await _held(session, actor, verification_id)
    if actor.role in ("mentor", "teacher") and held.assessor_id != actor.person_id:
        found = await store.who_looks_again(session, held.id, today(clock))
        if actor.role != "teacher" or found.tester_reaches:
            raise OutOfScope
    _require_not_frozen(held)
    _require_step(held, "ended", version)
    await store.answer_returned(session, held.id, version, clock.now())
    await _audit(session, actor, "answer", held, said)


async def withdraw(
    session: Session, actor: Actor, verification_id: str, *, version: int, reason: str, clock: Clock
) -> Verification:
    """Takes a re-test back: it counts no more, and its result is no longer verified. *Errors*: as `resolve`."""
    require(actor, "settle", "verification")
    said = _require_reason(reason)
    held = await _held(session, actor, verification_id)
    _require_step(held, "withdrawn", version)
    if held.round_is_sealing:
        raise RoundSealing
    now = clock.now()
    await store.settle(
        session, held, version=version, state="withdrawn", person_id=actor.person_id, reason=said, now=now
    )
    await store.verify_result(session, held.result_id, is_verified=False, now=now)
    await _audit(session, actor, "withdraw", held, said)
    return _shown(held, state="withdrawn", version=version + 1, reason=said)


async def _audit(
    session: Session, actor: Actor, action: str, held: store.StoredVerification, reason: str, **more: str
) -> None:
    after = {"result_id": held.result_id, **more}
    await write_audit(
        session,
        actor,
        action,
        "verification",
        held.id,
        before={"state": held.state},
        after=after,
        reason=reason,
    )
