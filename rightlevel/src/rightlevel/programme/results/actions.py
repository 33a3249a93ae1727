"""What is done to results: enter and change them, show a class, one child's history, take one away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import CEILING_ROWS, Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import (
    Conflict,
    Fault,
    Invalid,
    NotFound,
    OutOfScope,
    RoundSealing,
    Stale,
)
from rightlevel.programme.ids import is_uuid, time_ordered_id
from rightlevel.programme.levels import Scale, scale_now, scale_of_round
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject, allowed, may, require, require_scope
from rightlevel.programme.results import store
from rightlevel.programme.results.guided import (
    MAX_STEPS,
    GuidedRules,
    NewRules,
    Standing,
    Step,
    Thresholds,
    rules_with,
    stand_after,
    threshold_faults,
)
from rightlevel.programme.results.model import (
    FORBIDDING,
    METHODS,
    REFUSALS,
    Facts,
    GuidedTest,
    MovedChild,
    ResultAnswer,
    ResultChange,
    ResultWrite,
    RoundResult,
    SheetRow,
    StudentResult,
    WithoutBaseline,
    current_of,
    faults_by_round,
    is_blind_to,
    judge,
    warnings_of,
    was_overridden,
    with_details_of,
    write_faults,
)
from rightlevel.programme.rounds import amending
from rightlevel.programme.students import read_student

MAX_WRITES = 200
"""A device sends a class or two at once; more comes in more requests."""
LOOKS = 3
"""How often writes are judged when others are faster: unseen, seen, and once more."""


class Tap(msgspec.Struct, frozen=True):
    """One write that comes by itself; `keeps_details` as `enter_results` has it."""

    write: ResultWrite
    keeps_details: bool = False


class ResultHeld(Conflict):
    """This result can't be removed: it is verified or locked, or its round is closed or its school locked."""

    code = "result_held"


async def enter_results(
    session: Session,
    actor: Actor,
    writes: Sequence[ResultWrite],
    clock: Clock,
    *,
    keeps_details: bool = False,
    methods: Sequence[str] = METHODS,
) -> list[ResultAnswer]:
    """What became of each write, in order. A write that is refused never holds up the others.

    `keeps_details` is for whoever says only a level: the tool, assent, selection and notes of a result that is there stay. `methods` are the ways
    in which these may come.

    *Errors*: Forbidden; Invalid for none or more than MAX_WRITES, or an id sent twice. *Cost*: two statements, whatever the
    number; two more when somebody else was writing the same at the same moment, one for children who have moved since, and one when
    something was denied.
    """
    require(actor, "enter", "result")
    _require_batch(writes)
    answers: dict[int, ResultAnswer] = {}
    guided = [write for write in writes if write.method == "guided"]
    rules = await store.read_rules(session, {write.rules_version for write in guided}) if guided else {}
    told = {write.tool_id for write in guided if write.tool_id is not None}
    tools = await store.tools_told(session, told) if told else ()
    for number, write in enumerate(writes):
        faults = write_faults(write, rules.get(write.rules_version), tools=tools, methods=methods)
        if faults:
            answers[number] = ResultAnswer(write.id, "invalid", message=REFUSALS["invalid"], faults=faults)
    numbers = [number for number in range(len(writes)) if number not in answers]
    for look in range(LOOKS):
        if not numbers:
            break
        is_last = look == LOOKS - 1
        numbers = await _look_and_write(
            session,
            actor,
            writes=writes,
            numbers=numbers,
            answers=answers,
            clock=clock,
            is_first=look == 0,
            is_last=is_last,
            keeps_details=keeps_details,
            rules=rules,
        )
    settled = [answers[number] for number in range(len(writes))]
    await _audit_denied(session, actor, settled)
    return settled


async def enter_together(
    session: Session, taps: Sequence[tuple[Actor, Tap]], clock: Clock
) -> list[ResultAnswer | None]:
    """What became of single writes of several people who came at the same time, in order: saved or changed, each as its own writer's.

    None for each that is not so plain: one that would be refused, that amends or overrides, that was guided, whose child may be moving, whose
    result is being tested again, and the second of two of one result or with one id. Nothing is done of those: `enter_results` does them, alone.

    *Cost*: two statements, whatever the number; none where nothing is plain.
    """
    answers: list[ResultAnswer | None] = [None] * len(taps)
    numbers = _plain_taps(taps)
    if not numbers:
        return answers
    day = today(clock)
    writers = [taps[number][0].person_id for number in numbers]
    facts = await store.read_facts(session, [taps[number][1].write for number in numbers], writers)
    judged: list[tuple[int, ResultWrite, Facts]] = []
    for number, fact in zip(numbers, facts, strict=True):
        actor, tap = taps[number]
        write = with_details_of(tap.write, fact) if tap.keeps_details else tap.write
        code = judge(actor, write, fact, day)
        if faults_by_round(write, fact):
            continue
        if code == "repeated":
            answers[number] = _answer(actor, code, write, fact)
        elif code in ("saved", "changed") and fact.is_certain and fact.verification_state is None:
            judged.append((number, write, fact))
    if not judged:
        return answers
    written = await store.write_results(
        session,
        [taps[number][0] for number, _, _ in judged],
        [(write, fact) for _, write, fact in judged],
        clock.now(),
        [],
    )
    for number, write, fact in judged:
        done = written.get(write.id.lower())
        if done is not None:
            answers[number] = _saved(write, fact, done)
    return answers


class _LetGo(Exception):
    """What was read is known, and nothing of it is to stay held."""


async def judge_results(
    session: Session,
    actor: Actor,
    writes: Sequence[ResultWrite],
    clock: Clock,
    *,
    methods: Sequence[str] = METHODS,
) -> list[ResultAnswer]:
    """What would become of each write, in order, with what it does not say as it is; nothing is saved, and nothing stays held.

    *Errors*: Forbidden; Invalid for none or more than MAX_WRITES. *Cost*: one statement, whatever the number, and a savepoint.
    """
    require(actor, "enter", "result")
    _require_batch(writes)
    day = today(clock)
    faults = [write_faults(write, methods=methods) for write in writes]
    sound = [number for number in range(len(writes)) if not faults[number]]
    facts: list[Facts] = []
    with suppress(_LetGo):
        async with session.savepoint():
            if sound:
                asked = [writes[number] for number in sound]
                facts = await store.read_facts(session, asked, [actor.person_id] * len(asked))
            raise _LetGo
    answers = [ResultAnswer(write.id, "invalid", message=REFUSALS["invalid"]) for write in writes]
    for number, fact in zip(sound, facts, strict=True):
        write = with_details_of(writes[number], fact)
        code = judge(actor, write, fact, day)
        faults[number] = faults_by_round(write, fact)
        code = "invalid" if faults[number] else code
        answers[number] = ResultAnswer(
            write.id, code, message=REFUSALS.get(code, ""), warnings=warnings_of(write, fact)
        )
    return [
        msgspec.structs.replace(answer, faults=found) if found else answer
        for answer, found in zip(answers, faults, strict=True)
    ]


def _plain_taps(taps: Sequence[tuple[Actor, Tap]]) -> list[int]:
    """Those that may be judged with others: sound by themselves, without a reason or steps, and the first of their id and of their result."""
    plain: list[int] = []
    ids: set[str] = set()
    results: set[tuple[str, int, str]] = set()
    for number, (actor, tap) in enumerate(taps):
        write = tap.write
        if write.reason or write.steps or write.method == "guided" or write_faults(write):
            continue
        result = (write.student_id.lower(), write.round_id, write.subject)
        is_first = write.id.lower() not in ids and result not in results
        ids.add(write.id.lower())
        results.add(result)
        if is_first and may(actor, "enter", "result"):
            plain.append(number)
    return plain


async def _audit_denied(session: Session, actor: Actor, answers: list[ResultAnswer]) -> None:
    """One audit row for the writes of a request that were beyond the actor. Nothing is raised for them, so the application sees none."""
    denied = [answer for answer in answers if answer.code in FORBIDDING]
    if denied:
        after = {"count": len(denied), "writes": [answer.id for answer in denied]}
        reason = ", ".join(sorted({answer.code for answer in denied}))
        await write_audit(session, actor, "enter", "result", after=after, reason=reason, outcome="denied")


def _require_batch(writes: Sequence[ResultWrite]) -> None:
    if not 1 <= len(writes) <= MAX_WRITES:
        raise Invalid(
            faults=(Fault("writes", f"Between 1 and {MAX_WRITES} results at once", str(len(writes))),)
        )
    if len(writes) == 1:
        return
    if len({write.id for write in writes}) != len(writes):
        raise Invalid(faults=(Fault("id", "Every write has an id of its own; one was sent twice"),))
    if len({(write.student_id, write.round_id, write.subject) for write in writes}) != len(writes):
        raise Invalid(faults=(Fault("student_id", "One result for a child, round and subject at a time"),))


async def _look_and_write(
    session: Session,
    actor: Actor,
    writes: Sequence[ResultWrite],
    numbers: list[int],
    answers: dict[int, ResultAnswer],
    clock: Clock,
    *,
    is_first: bool,
    is_last: bool,
    keeps_details: bool,
    rules: Mapping[int | None, Thresholds],
) -> list[int]:
    """Judges some writes, saves what may be, answers what is settled; the numbers of those to look at again.

    A statement sees what was committed when it began. Whatever looks taken or stale at first may be this very write, done a
    moment ago on another connection, so it is looked at again by a statement that begins now. So is a child that sits
    elsewhere than it is: it may be moving at this moment, and is held from here on.
    """
    day = today(clock)
    writers = [actor.person_id] * len(numbers)
    facts = await store.read_facts(session, [writes[number] for number in numbers], writers)
    if keeps_details:
        writes = list(writes)
        for number, fact in zip(numbers, facts, strict=True):
            writes[number] = with_details_of(writes[number], fact)
    judged: list[tuple[int, Facts]] = []
    again: list[int] = []
    for number, fact in zip(numbers, facts, strict=True):
        code = judge(actor, writes[number], fact, day)
        if code in ("saved", "changed", "conflict", "stale") and (
            faults := faults_by_round(writes[number], fact, rules.get(writes[number].rules_version))
        ):
            answers[number] = ResultAnswer(
                writes[number].id, "invalid", message=REFUSALS["invalid"], faults=faults
            )
        elif is_first and (code in ("conflict", "stale") or _may_have_moved(fact, code)):
            again.append(number)
        elif code in ("saved", "changed"):
            judged.append((number, fact))
        else:
            answers[number] = _answer(actor, code, writes[number], fact)
    if judged:
        again += await _save(
            session, actor, writes=writes, judged=judged, answers=answers, clock=clock, day=day
        )
    if is_last and again:
        raise Stale  # others write the same over and over; the whole request is tried again by its sender
    return sorted(again)


def _may_have_moved(fact: Facts, code: str) -> bool:
    """Whether a child's cell was read from former stints that may be out of date: its row was locked only by this statement."""
    return not fact.is_certain and code in ("saved", "changed", "not_enrolled_in_year")


async def _save(
    session: Session,
    actor: Actor,
    writes: Sequence[ResultWrite],
    judged: list[tuple[int, Facts]],
    answers: dict[int, ResultAnswer],
    clock: Clock,
    day: date,
) -> list[int]:
    overridden = sorted(
        {code for number, fact in judged for code in was_overridden(writes[number], fact, day)}
    )
    if "round_frozen" in overridden:
        await amending(session, actor, _reasons(writes, judged))
    written = await store.write_results(
        session, [actor], [(writes[number], fact) for number, fact in judged], clock.now(), overridden
    )
    beaten: list[int] = []
    saved: list[tuple[ResultWrite, Facts, store.Written]] = []
    for number, fact in judged:
        write = writes[number]
        done = written.get(write.id.lower())
        if done is None:
            beaten.append(number)
            continue
        saved.append((write, fact, done))
        answers[number] = _saved(write, fact, done)
    await _keep_along(session, actor, saved, clock.now())
    return beaten


def _saved(write: ResultWrite, fact: Facts, done: store.Written) -> ResultAnswer:
    code = "saved" if fact.result_id is None else "changed"
    return ResultAnswer(write.id, code, done.result_id, done.version, warnings=warnings_of(write, fact))


def _reasons(writes: Sequence[ResultWrite], judged: list[tuple[int, Facts]]) -> str:
    """Why a frozen round is amended; one sentence where all writes say the same."""
    return "; ".join(
        sorted(
            {(writes[number].reason or "").strip() for number, fact in judged if fact.round_state == "frozen"}
        )
    )


async def _keep_along(
    session: Session,
    actor: Actor,
    saved: list[tuple[ResultWrite, Facts, store.Written]],
    now: datetime,
) -> None:
    """What stands beside saved results, where there is any: a guided test's steps, a re-test that waits again, an amendment."""
    guided: list[tuple[ResultWrite, str]] = []
    returned: list[str] = []
    added: dict[str, list[str]] = {}
    for write, fact, done in saved:
        if write.steps:
            guided.append((write, done.result_id))
        if fact.verification_state == "returned":
            returned.append(done.result_id)
        if fact.round_state == "frozen" and fact.result_id is None:
            added.setdefault((write.reason or "").strip(), []).append(done.result_id)
    if guided:
        await store.keep_guided(session, guided)
    if returned:
        await store.verify_again(session, returned, now)
    for reason, result_ids in added.items():
        await store.keep_added_amendments(session, result_ids, person_id=actor.person_id, reason=reason)


def _answer(actor: Actor, code: str, write: ResultWrite, facts: Facts) -> ResultAnswer:
    if code == "repeated":
        return ResultAnswer(
            write.id,
            facts.done_as or "",
            facts.done_result_id,
            facts.done_version,
            warnings=warnings_of(write, facts),
        )
    current = (
        current_of(actor, write, facts)
        if code in ("conflict", "stale", "not_yours", "verified", "result_locked")
        else None
    )
    kept = facts.merged_into if code == "merged" else None
    return ResultAnswer(write.id, code, message=REFUSALS[code], current=current, merged_into=kept)


async def class_sheet(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    school_id: int,
    round_id: int,
    subject: str,
    class_id: int | None = None,
    grade: int | None = None,
) -> Page[SheetRow]:
    """The children of a class, grade or school by name, each with its result. *Errors*: Forbidden, OutOfScope. *Cost*: one statement."""
    require(actor, "read", "result")
    known = _subject(subject)
    if not actor.scope.is_everything and known not in actor.scope.subjects(school_id):
        raise OutOfScope
    sheet = await store.page_of_sheet(
        session,
        page,
        school_id=school_id,
        round_id=round_id,
        subject=known,
        class_id=class_id,
        grade=grade,
        scope=actor.scope,
    )
    return msgspec.structs.replace(sheet, items=[_row_for(actor, row) for row in sheet.items])


async def results_of_children(
    session: Session, actor: Actor, student_ids: Sequence[str], round_ids: Sequence[int]
) -> list[RoundResult]:
    """What came of some children's tests in some rounds, as far as the actor reaches them, in no order; for whoever shows a class over a year.

    *Errors*: Forbidden; Invalid for more children than a page may hold. *Cost*: one statement; two results for each child and round.
    """
    require(actor, "read", "result")
    if len(student_ids) > CEILING_ROWS:
        raise Invalid(faults=(Fault("student_ids", f"At most {CEILING_ROWS}", str(len(student_ids))),))
    found = await store.results_of_children(session, student_ids, round_ids, actor.scope)
    return [
        msgspec.structs.replace(each, rank=None)
        if is_blind_to(actor, each.assessor_id, is_pending=each.is_blind)
        else each
        for each in found
    ]


def _row_for(actor: Actor, row: SheetRow) -> SheetRow:
    """A sheet's row as this person may see it: without the level that they may have to test again without knowing it."""
    if is_blind_to(actor, row.assessor_id, is_pending=row.is_blind):
        return msgspec.structs.replace(row, level=None)
    return msgspec.structs.replace(row, is_blind=False) if row.is_blind else row


def _result_for(actor: Actor, result: StudentResult) -> StudentResult:
    if is_blind_to(actor, result.assessor_id, is_pending=result.is_blind):
        return msgspec.structs.replace(result, level=None, rank=None, notes=None)
    return msgspec.structs.replace(result, is_blind=False) if result.is_blind else result


def _subject(text: str) -> Subject:
    if text == "language":
        return "language"
    if text == "math":
        return "math"
    raise Invalid(faults=(Fault("subject", f"One of: {', '.join(SUBJECTS)}", text[:60]),))


async def _subjects_of(session: Session, actor: Actor, student_id: str) -> list[Subject]:
    """The subjects of a child that the actor may see because of where it is now; none for a child that only sat where they work.

    *Errors*: NotFound for a child that neither is nor was there.
    """
    require(actor, "read", "result")
    try:
        student = await read_student(session, actor, student_id)
    except NotFound:
        await read_moved_child(session, actor, student_id)
        return []
    return [
        subject
        for subject in SUBJECTS
        if actor.scope.covers(student.school_id, subject=subject, class_id=student.class_id)
    ]


async def read_moved_child(session: Session, actor: Actor, student_id: str) -> MovedChild:
    """A child that is elsewhere now, to who works where it sat: its name and what belongs to their schools, and nothing of where it is.

    Class sheets of the past list such a child, and whoever works there may enter and change what was made there.
    *Errors*: NotFound, also for a child that never sat within reach. *Cost*: two or three statements.
    """
    require(actor, "read", "result")
    require(actor, "read", "student")
    if not is_uuid(student_id):
        raise NotFound
    sat = await store.sat_within(session, student_id, actor.scope)
    if not sat and not await store.has_results_within(session, student_id, actor.scope):
        raise NotFound
    return MovedChild(student_id, await store.name_of_child(session, student_id), sat)


async def results_of_student(
    session: Session, actor: Actor, student_id: str, page: PageRequest
) -> Page[StudentResult]:
    """The results of a child in the order of its rounds: all of the subjects in which the actor has the child now, and those made where they work.

    *Errors*: NotFound. *Cost*: two statements, two or three more for a child that is elsewhere now.
    """
    subjects = await _subjects_of(session, actor, student_id)
    found = await store.page_of_results(session, student_id, subjects, page, scope=actor.scope)
    return msgspec.structs.replace(found, items=[_result_for(actor, each) for each in found.items])


async def list_results(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    school_id: int | None = None,
    round_id: int | None = None,
    subject: Subject | None = None,
) -> Page[StudentResult]:
    """Every live result within reach, in an order that stays: of all, or of one school (where it was made), round or subject.

    Who has the child now in that subject sees it, and who works where it was made. *Errors*: Forbidden. *Cost*: one statement.
    """
    require(actor, "read", "result")
    found = await store.page_of_all_results(
        session, page, scope=actor.scope, school_id=school_id, round_id=round_id, subject=subject
    )
    return msgspec.structs.replace(found, items=[_result_for(actor, each) for each in found.items])


async def history_of_student(
    session: Session, actor: Actor, student_id: str, page: PageRequest
) -> Page[ResultChange]:
    """Every later change of those results, newest first. *Errors*: NotFound. *Cost*: as `results_of_student`."""
    subjects = await _subjects_of(session, actor, student_id)
    but_blind_to = actor.person_id if actor.role == "mentor" else None
    return await store.page_of_changes(
        session, student_id, subjects, page, scope=actor.scope, but_blind_to=but_blind_to
    )


async def read_result(session: Session, actor: Actor, result_id: str) -> StudentResult:
    """One result. *Errors*: NotFound, also when out of scope. *Cost*: two statements, a few more for a child that is elsewhere now."""
    _require_uuid(result_id)
    found = await store.find_result(session, result_id)
    subjects = await _subjects_of(session, actor, found.student_id)
    if found.subject not in subjects and not await store.has_results_within(
        session, found.student_id, actor.scope, result_id=result_id
    ):
        raise NotFound
    return _result_for(actor, found)


async def read_guided_tests(session: Session, actor: Actor, result_id: str) -> list[GuidedTest]:
    """What the guided tests of a result consisted of, the latest last. *Errors*: NotFound, also while it is hidden from a mentor."""
    found = await read_result(session, actor, result_id)
    if is_blind_to(actor, found.assessor_id, is_pending=found.is_blind):
        raise NotFound
    return await store.guided_tests(session, result_id)


async def next_in_guided_test(
    session: Session, actor: Actor, subject: str, steps: list[Step], *, round_id: int | None = None
) -> Standing:
    """What to ask next in a guided test, or the level reached, by the scale of a round (without one by what is taught by now).

    Nothing is kept. *Errors*: Invalid with what is wrong with a step.
    """
    require(actor, "enter", "result")
    if len(steps) > MAX_STEPS:
        raise Invalid(faults=(Fault("steps", f"At most {MAX_STEPS} steps", str(len(steps))),))
    newest = await store.newest_rules(session)
    scale = _scale_for(_subject(subject), round_id)
    standing, faults = stand_after(scale.subject, steps, newest.thresholds, scale)
    if faults:
        raise Invalid(faults=faults)
    return standing


async def read_guided_rules(
    session: Session, actor: Actor, *, round_id: int | None = None, is_general: bool = False
) -> GuidedRules:
    """The guided test as data, with the programme's thresholds, for a page or device that runs it by itself: by the scales of a round, without one
    by what is taught by now. `is_general`: as the programme's own thresholds say, whatever a scale says. *Cost*: one statement.
    """
    require(actor, "enter", "result")
    newest = await store.newest_rules(session)
    if is_general:
        return rules_with(newest.thresholds, newest.version)
    scales = tuple(_scale_for(subject, round_id) for subject in SUBJECTS)
    return rules_with(newest.thresholds, newest.version, scales)


def _scale_for(subject: Subject, round_id: int | None) -> Scale:
    return scale_now(subject) if round_id is None else scale_of_round(round_id, subject)


async def add_guided_rules(session: Session, actor: Actor, new: NewRules) -> GuidedRules:
    """A new version of what passes each task, for every test that begins from now on; whoever works without a network goes on with the
    version that they have, and is judged by it.

    *Errors*: Forbidden; Invalid with every fault; Stale when a newer one than it follows is there. *Cost*: four statements.
    """
    require(actor, "create", "tool")
    if faults := threshold_faults(new.thresholds):
        raise Invalid(faults=faults)
    before = await store.newest_rules(session)
    version = await store.insert_rules(session, new, person_id=actor.person_id)
    if version is None:
        raise Stale(current=msgspec.to_builtins(before), yours=msgspec.to_builtins(new))
    after = {"version": version, "thresholds": msgspec.to_builtins(new.thresholds)}
    was = {"version": before.version, "thresholds": msgspec.to_builtins(before.thresholds)}
    await write_audit(session, actor, "create", "guided_rules", version, before=was, after=after)
    return rules_with(new.thresholds, version)


async def list_without_baseline(
    session: Session, actor: Actor, page: PageRequest, *, round_id: int, school_id: int | None = None
) -> Page[WithoutBaseline]:
    """The results of a later round whose child was not assessed at the year's baseline, in scope. *Cost*: one statement."""
    require(actor, "read", "result")
    return await store.page_without_baseline(
        session, page, round_id=round_id, school_id=school_id, scope=actor.scope
    )


def _require_uuid(text: str) -> None:
    if not is_uuid(text):
        raise NotFound


async def delete_result(
    session: Session, actor: Actor, result_id: str, *, version: int, reason: str, clock: Clock
) -> None:
    """Takes a result out of the figures; what it was is kept. *Errors*: NotFound, OutOfScope, Stale, ResultHeld, RoundSealing.

    Whoever reaches the child where it is now or where the result was made may; the lock is that of the school it counts at. A coordinator
    with a reason goes past a lock or a closed round.
    """
    require(actor, "delete", "result")
    _require_uuid(result_id)
    held = await store.lock_result(session, result_id)
    subject = _subject(held.subject)
    if not actor.scope.covers(held.school_id, subject=subject, class_id=held.class_id):
        require_scope(actor, held.child_school_id, subject=subject, class_id=held.child_class_id)
    is_held = held.is_locked or held.is_verified or held.school_is_locked or held.round_state != "open"
    if is_held and not (allowed(actor.role, "override", "result") and reason.strip()):
        raise ResultHeld
    if held.round_state == "frozen":
        await amending(session, actor, reason.strip())
    if held.round_is_sealing:
        raise RoundSealing
    removed = await store.delete_result_row(
        session,
        held,
        version,
        write_id=time_ordered_id(),
        person_id=actor.person_id,
        reason=reason,
        now=clock.now(),
    )
    if not removed:
        raise Stale(current=msgspec.to_builtins(held), yours={"version": version})
    before = {"outcome": held.outcome, "rank": held.rank, "round_id": held.round_id, "subject": held.subject}
    await write_audit(session, actor, "delete", "result", result_id, before=before, reason=reason or None)
