"""What waits for whom."""

from __future__ import annotations

from typing import Any, Final

from flatwater.clock import Clock
from flatwater.clock import today as day_of
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.assignments import schools_without
from rightlevel.programme.exercises import exercises_due
from rightlevel.programme.groups import suggestions
from rightlevel.programme.joining import count_open
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject, require
from rightlevel.programme.progress import ClassProgress, class_progress
from rightlevel.programme.results import WithoutBaseline, list_without_baseline
from rightlevel.programme.rounds import Round, approvals_waiting, current_round, schools_to_hand_in
from rightlevel.programme.schools import school_names
from rightlevel.programme.today import store
from rightlevel.programme.today.model import MOST_COUNTED, Day, Task, TaskKind, Today
from rightlevel.programme.verification import list_returned, verification_queue
from rightlevel.programme.visits import list_left_behind, to_do_of

COUNTED = PageRequest(MOST_COUNTED)
MOST_SCHOOLS = 50
LACKING: Final[dict[TaskKind, str]] = {"assign_teacher": "teacher", "assign_mentor": "mentor"}
MOST_PAGES = 5
"""A page of rows that are looked for may hold none and have a next one; so many are read before nothing is told."""
MOST_LOOKED_INTO = 4
"""Schools and subjects of one teacher whose groups are looked through for children who may move."""


async def tasks_of(session: Session, actor: Actor, clock: Clock) -> Today:
    """What the actor has to do, by role; nothing for viewers. *Cost*: as `read_day`."""
    return (await read_day(session, actor, clock)).tasks


async def read_day(session: Session, actor: Actor, clock: Clock) -> Day:
    """What the actor has to do, by role, with the round and the classes it was found in. *Cost*: five to twelve statements, each bounded."""
    require(actor, "manage", "self")
    if actor.role == "viewer":
        return Day(Today((), ()), None)
    round_ = await current_round(session, actor, clock)
    if actor.scope.is_everything:
        return Day(await _of_leader(session, actor, clock, round_), round_)
    schools = actor.scope.schools()[:MOST_SCHOOLS]
    progress = await class_progress(session, actor, schools, round_.id) if round_ is not None else []
    to_test = await _to_test(session, actor, round_, progress)
    exercises = [Task("take_exercise", 1, subject=each) for each in await exercises_due(session, actor)]
    if actor.role == "teacher":
        now = [
            *exercises,
            *await _attendance(session, actor, clock),
            *to_test,
            *await _returned(session, actor, clock),
            *await _to_hand_in(session, actor, round_, progress),
        ]
        tasks = Today(tuple(now), tuple(await _who_may_move(session, actor)))
    else:
        left = await list_left_behind(session, actor, COUNTED, clock)
        now = [
            *exercises,
            *await _of_mentor(session, actor, clock, round_),
            *await _to_approve(session, actor, round_),
            *await _to_hand_in(session, actor, round_, progress),
        ]
        tasks = Today(tuple(now), (*to_test, *_page("hand_over", left)))
    return Day(tasks, round_, frozenset(schools), tuple(progress))


async def _of_mentor(session: Session, actor: Actor, clock: Clock, round_: Round | None) -> list[Task]:
    found = await to_do_of(session, actor, clock)
    return [
        *_some("finish_visit", found.drafts),
        *_some("visit", found.overdue),
        *await _queue(session, actor, clock, round_, state="waiting", kind="retest"),
        *await _returned(session, actor, clock),
        *_some("follow_up", found.follow_ups),
    ]


async def _of_leader(session: Session, actor: Actor, clock: Clock, round_: Round | None) -> Today:
    round_id = round_.id if round_ else None
    waits = await store.waiting_of_leaders(session, round_id=round_id, today=day_of(clock), now=clock.now())
    now = [
        *_some("decide_request", await count_open(session, actor)),
        *await _queue(session, actor, clock, round_, state="disputed", kind="decide_retest"),
        *await _to_approve(session, actor, round_),
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
        is_of_many=len({(each.school_id, each.subject) for each in groups}) > 1,
    )


async def _to_test(
    session: Session, actor: Actor, round_: Round | None, progress: list[ClassProgress]
) -> list[Task]:
    """One task for each subject, at the first school with children to test."""
    if round_ is None or round_.state != "open":
        return []
    rows = [each for each in progress if each.to_do]
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
                is_of_many=len({each.school_id for each in waiting}) > 1,
            )
        )
    return tasks


async def _to_hand_in(
    session: Session, actor: Actor, round_: Round | None, progress: list[ClassProgress]
) -> list[Task]:
    """Schools with nobody left to test whose results wait for their own approval. *Cost*: one statement where a round asks for it, else none."""
    if round_ is None or round_.state not in ("open", "closed"):
        return []
    undone = {each.school_id for each in progress if each.to_do}
    whole = {each.school_id for each in progress} - undone
    found = await schools_to_hand_in(session, actor, round_, sorted(whole))
    if not found:
        return []
    first = found[0]
    return _some(
        "hand_in",
        len(found),
        round_id=round_.id,
        school_id=first.school_id if len(found) == 1 else None,
        first=first.school_name if len(found) == 1 else "",
    )


async def _to_approve(session: Session, actor: Actor, round_: Round | None) -> list[Task]:
    """Schools whose results wait for this person's step. *Cost*: one statement where a round asks for it, else none."""
    if round_ is None or round_.state not in ("open", "closed"):
        return []
    _, count = await approvals_waiting(session, actor, round_)
    return _some("approve", count, round_id=round_.id)


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
    session: Session, actor: Actor, clock: Clock, round_: Round | None, *, state: str, kind: TaskKind
) -> list[Task]:
    if round_ is None:
        return []
    page = await verification_queue(session, actor, COUNTED, clock, round_id=round_.id, state=state)
    return _page(kind, page, round_id=round_.id)


def _page(kind: TaskKind, page: Page[Any], **more: Any) -> list[Task]:
    return _some(kind, len(page.items), is_more=page.next is not None, **more)


def _some(kind: TaskKind, count: int, *, is_more: bool = False, **more: Any) -> list[Task]:
    """A task where anything waits; else it is done, and gone."""
    if not count:
        return []
    return [Task(kind, min(count, MOST_COUNTED), is_more or count > MOST_COUNTED, **more)]
