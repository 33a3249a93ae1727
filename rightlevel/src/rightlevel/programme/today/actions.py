"""What waits for whom."""

from __future__ import annotations

from typing import Any, Final

from flatwater.clock import Clock
from flatwater.clock import today as day_of
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.assignments import schools_without
from rightlevel.programme.groups import suggestions
from rightlevel.programme.joining import count_open
from rightlevel.programme.permissions import Actor, Subject, may, require
from rightlevel.programme.progress import class_progress
from rightlevel.programme.results import WithoutBaseline, list_without_baseline
from rightlevel.programme.rounds import current_round
from rightlevel.programme.schools import school_names
from rightlevel.programme.today import store
from rightlevel.programme.today.model import MOST_COUNTED, Task, TaskKind, Today
from rightlevel.programme.verification import list_returned, verification_queue
from rightlevel.programme.visits import list_left_behind, to_do_of

COUNTED = PageRequest(MOST_COUNTED)
MOST_SCHOOLS = 50
SUBJECTS: Final[tuple[Subject, ...]] = ("language", "math")
LACKING: Final[dict[TaskKind, str]] = {"assign_teacher": "teacher", "assign_mentor": "mentor"}
MOST_PAGES = 5
"""A page of rows that are looked for may hold none and have a next one; so many are read before nothing is told."""
MOST_LOOKED_INTO = 4
"""Schools and subjects of one teacher whose groups are looked through for children who may move."""


async def tasks_of(session: Session, actor: Actor, clock: Clock) -> Today:
    """What the actor has to do, by role; nothing for viewers. *Cost*: five to nine statements, each bounded."""
    require(actor, "manage", "self")
    if actor.role == "teacher":
        return await _of_teacher(session, actor, clock)
    if actor.role == "mentor":
        return await _of_mentor(session, actor, clock)
    return await _of_leader(session, actor, clock) if may(actor, "decide", "join_request") else Today((), ())


async def _of_teacher(session: Session, actor: Actor, clock: Clock) -> Today:
    now = [
        *await _attendance(session, actor, clock),
        *await _to_test(session, actor, clock),
        *await _returned(session, actor, clock),
    ]
    return Today(tuple(now), tuple(await _who_may_move(session, actor)))


async def _of_mentor(session: Session, actor: Actor, clock: Clock) -> Today:
    found = await to_do_of(session, actor, clock)
    round_ = await current_round(session, actor, clock)
    now = [
        *_some("finish_visit", found.drafts),
        *_some("visit", found.overdue),
        *(await _queue(session, actor, clock, round_.id, state="waiting", kind="retest") if round_ else []),
        *await _returned(session, actor, clock),
        *_some("follow_up", found.follow_ups),
    ]
    left = await list_left_behind(session, actor, COUNTED, clock)
    return Today(tuple(now), (*await _to_test(session, actor, clock), *_page("hand_over", left)))


async def _of_leader(session: Session, actor: Actor, clock: Clock) -> Today:
    round_ = await current_round(session, actor, clock)
    round_id = round_.id if round_ else None
    waits = await store.waiting_of_leaders(session, round_id=round_id, today=day_of(clock), now=clock.now())
    now = [
        *_some("decide_request", await count_open(session, actor)),
        *(
            await _queue(session, actor, clock, round_.id, state="disputed", kind="decide_retest")
            if round_
            else []
        ),
        *_some("mend_file", waits.faulty_files),
        *await _unassigned(session, actor, clock),
    ]
    soon = [
        *_some("enter_results", waits.untested, round_id=round_id),
        *_some("plan_visits", waits.overdue),
        *_page("hand_over", await list_left_behind(session, actor, COUNTED, clock)),
    ]
    if round_ is not None and round_.kind != "baseline":
        soon += _page("find_baseline", await _lacking(session, actor, round_.id), round_id=round_.id)
    return Today(tuple(now), tuple(soon))


async def _lacking(session: Session, actor: Actor, round_id: int) -> Page[WithoutBaseline]:
    """Results without a baseline, the first page that holds any; none after MOST_PAGES that hold none."""
    page = await list_without_baseline(session, actor, COUNTED, round_id=round_id)
    for _ in range(MOST_PAGES):
        if page.items or page.next is None:
            break
        asked = PageRequest(MOST_COUNTED, page.next)
        page = await list_without_baseline(session, actor, asked, round_id=round_id)
    return page


async def _unassigned(session: Session, actor: Actor, clock: Clock) -> list[Task]:
    """Schools that lack somebody, for each role and subject as their lists have them. *Cost*: four statements."""
    tasks: list[Task] = []
    for kind, role in LACKING.items():
        for subject in SUBJECTS:
            page = await schools_without(session, actor, COUNTED, clock, role=role, subject=subject)
            tasks += _page(kind, page, subject=subject)
    return tasks


async def _attendance(session: Session, actor: Actor, clock: Clock) -> list[Task]:
    groups = await store.groups_to_teach(session, actor, day_of(clock))
    if not groups:
        return []
    one = groups[0] if len(groups) == 1 else None
    return _some(
        "take_attendance",
        len(groups),
        first=groups[0].school_name,
        subject=groups[0].subject,
        school_id=groups[0].school_id,
        group_id=one.group_id if one else None,
    )


async def _to_test(session: Session, actor: Actor, clock: Clock) -> list[Task]:
    """One task for each subject, at the first school with children to test."""
    round_ = await current_round(session, actor, clock)
    if round_ is None or round_.state != "open":
        return []
    schools = actor.scope.schools()[:MOST_SCHOOLS]
    rows = [each for each in await class_progress(session, actor, schools, round_.id) if each.to_do]
    tasks: list[Task] = []
    names = await school_names(session, actor, sorted({each.school_id for each in rows}))
    subjects: dict[Subject, None] = dict.fromkeys(each.subject for each in rows)
    for subject in subjects:
        waiting = [each for each in rows if each.subject == subject]
        tasks.append(
            Task(
                "test_children",
                sum(each.to_do for each in waiting),
                first=names.get(waiting[0].school_id, ""),
                subject=subject,
                round_id=round_.id,
                school_id=waiting[0].school_id,
                class_id=waiting[0].class_id,
                grade=waiting[0].grade,
            )
        )
    return tasks


async def _returned(session: Session, actor: Actor, clock: Clock) -> list[Task]:
    found = await list_returned(session, actor, COUNTED, clock)
    return _page("look_again", found, first=found.items[0].name if len(found.items) == 1 else "")


async def _who_may_move(session: Session, actor: Actor) -> list[Task]:
    """Children for whom another group is suggested. *Cost*: a statement for each school and subject, at most four."""
    found: list[tuple[int, Subject, int]] = []
    pairs: list[tuple[int, Subject]] = sorted({(h.school_id, h.subject) for h in actor.scope.held})
    for school_id, subject in pairs[:MOST_LOOKED_INTO]:
        count = len(await suggestions(session, actor, school_id, subject))
        if count:
            found.append((school_id, subject, count))
    if not found:
        return []
    school_id, subject, _ = found[0]
    return _some("move_children", sum(count for *_, count in found), school_id=school_id, subject=subject)


async def _queue(
    session: Session, actor: Actor, clock: Clock, round_id: int, *, state: str, kind: TaskKind
) -> list[Task]:
    page = await verification_queue(session, actor, COUNTED, clock, round_id=round_id, state=state)
    return _page(kind, page, round_id=round_id)


def _page(kind: TaskKind, page: Page[Any], **more: Any) -> list[Task]:
    return _some(kind, len(page.items), is_more=page.next is not None, **more)


def _some(kind: TaskKind, count: int, *, is_more: bool = False, **more: Any) -> list[Task]:
    """A task where anything waits; else it is done, and gone."""
    if not count:
        return []
    return [Task(kind, min(count, MOST_COUNTED), is_more or count > MOST_COUNTED, **more)]
