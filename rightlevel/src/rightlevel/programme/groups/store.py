"""The only file that knows the columns of grouping, teaching_group, group_member and level_check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, cast

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.groups.dividing import Division
from rightlevel.programme.groups.model import (
    MAX_CHILDREN,
    MAX_GROUPS,
    CheckWrite,
    Grouping,
    GroupRow,
    LatestLevel,
    LevelCheck,
    Member,
    Teacher,
    Ungrouped,
)
from rightlevel.programme.levels import Scale, scale_now
from rightlevel.programme.permissions import Actor, Scope, Subject

_queries = load_queries(__package__ or "")
MANY_GROUPS = 20 * MAX_GROUPS


class Rechecked(msgspec.Struct, frozen=True):
    """A child of a group with its last two re-tests there, as suggestions are made from them."""

    student_id: str
    code: str
    name: str
    grade: int
    group_id: int
    band: int
    number: int
    grouping_id: int
    bands: Any
    came: int
    ranks: list[int]
    last_on: date
    check_id: str
    check_version: int


class ChildPlace(msgspec.Struct, frozen=True):
    """Where a child is."""

    student_id: str
    school_id: int
    class_id: int | None


async def read_split(session: Session) -> dict[str, Any]:
    return cast("dict[str, Any]", await session.fetch_value(_queries["split"], {}))


async def save_split(session: Session, split: dict[str, Any], now: datetime) -> None:
    await session.execute(_queries["save_split"], {"value": msgspec.json.encode(split).decode(), "now": now})


async def hold_school(session: Session, school_id: int) -> None:
    """One writer of a school's groups at a time. *Errors*: NotFound."""
    try:
        await session.fetch_value(_queries["hold_school"], {"school_id": school_id})
    except LookupError as error:
        raise NotFound from error


async def latest_levels(
    session: Session, school_id: int, subject: Subject, grade_from: int, grade_to: int
) -> list[LatestLevel]:
    """The children of a span, at most one more than a division takes; a level of another ladder than the one that is taught by is none. *Cost*: one statement."""
    values = {
        "school_id": school_id,
        "subject": subject,
        "grade_from": grade_from,
        "grade_to": grade_to,
        "codes": list(scale_now(subject).codes),
        "rows": MAX_CHILDREN + 1,
    }
    return await session.fetch_all(_queries["latest_levels"], values, into=LatestLevel)


async def teachers_of(session: Session, school_id: int, subject: str, today: date) -> list[Teacher]:
    values = {"school_id": school_id, "subject": subject, "today": today}
    return await session.fetch_all(_queries["teachers"], values, into=Teacher)


async def drop_proposal(session: Session, school_id: int, subject: str) -> int:
    return await session.execute(_queries["drop_proposal"], {"school_id": school_id, "subject": subject})


async def insert_grouping(session: Session, values: dict[str, Any], bands: Any, division: Division) -> int:
    """Keeps a proposal with its groups and children. *Cost*: two statements."""
    values = {**values, "bands": msgspec.json.encode(bands).decode()}
    grouping_id = cast("int", await session.fetch_value(_queries["insert_grouping"], values))
    members = [(group.band, group.number, each) for group in division.groups for each in group.student_ids]
    await session.execute(
        _queries["insert_groups"],
        {
            "grouping_id": grouping_id,
            "subject": values["subject"],
            "bands": [group.band for group in division.groups],
            "numbers": [group.number for group in division.groups],
            "teacher_ids": [group.teacher_id for group in division.groups],
            "member_bands": [each[0] for each in members],
            "member_numbers": [each[1] for each in members],
            "student_ids": [each[2] for each in members],
        },
    )
    return grouping_id


async def groupings_of(session: Session, school_id: int, subject: str) -> list[Grouping]:
    values = {"school_id": school_id, "subject": subject, "grouping_id": None}
    return await session.fetch_all(_queries["groupings"], values, into=Grouping)


async def find_grouping(session: Session, grouping_id: int, *, for_update: bool = False) -> Grouping:
    """One division. *Errors*: NotFound."""
    query = _queries["groupings"].plus(*(["for_update"] if for_update else []))
    values = {"grouping_id": grouping_id, "school_id": None, "subject": None}
    row = await session.fetch_one(query, values, into=Grouping)
    if row is None:
        raise NotFound
    return row


async def groups_of(session: Session, grouping_ids: Sequence[int]) -> list[GroupRow]:
    return await _groups(session, MANY_GROUPS, grouping_ids=list(grouping_ids))


async def groups_led_by(session: Session, teacher_id: int) -> list[GroupRow]:
    return await _groups(session, MAX_GROUPS, teacher_id=teacher_id, is_in_use=True)


async def groups_in_use(session: Session, school_ids: Sequence[int]) -> list[GroupRow]:
    return await _groups(session, MANY_GROUPS, school_ids=list(school_ids), is_in_use=True)


async def find_group(session: Session, group_id: int) -> GroupRow:
    """One group. *Errors*: NotFound."""
    found = await _groups(session, 1, group_id=group_id)
    if not found:
        raise NotFound
    return found[0]


async def _groups(session: Session, rows: int, **asked: object) -> list[GroupRow]:
    values = dict.fromkeys(("group_id", "grouping_ids", "teacher_id", "school_ids"))
    values |= {"is_in_use": False, "rows": rows, **asked}
    return await session.fetch_all(_queries["groups"], values, into=GroupRow)


def within(actor: Actor, subject: str) -> dict[str, Any]:
    """The values by which children are within the actor's reach."""
    held, scope = cast("Subject", subject), actor.scope
    return {
        "is_everything": scope.is_everything,
        "scope_schools": scope.whole_schools(held),
        "scope_classes": scope.classes(held),
    }


async def members_of(session: Session, actor: Actor, group: GroupRow) -> list[Member]:
    """Those of a group's children whom the actor may see. *Cost*: one statement."""
    values = within(actor, group.subject) | {
        "group_id": group.id,
        "person_id": actor.person_id,
        "is_verifier": actor.role == "mentor",
        "rows": MAX_CHILDREN,
    }
    return await session.fetch_all(_queries["members"], values, into=Member)


async def page_of_ungrouped(
    session: Session, actor: Actor, grouping: Grouping, page: PageRequest
) -> Page[Ungrouped]:
    after = page.key(tuple[str])
    query = _queries["ungrouped_of_accepted" if grouping.state == "accepted" else "ungrouped_of_proposed"]
    values = within(actor, grouping.subject) | {
        "school_id": grouping.school_id,
        "subject": grouping.subject,
        "grade_from": grouping.grade_from,
        "grade_to": grouping.grade_to,
        "grouping_id": grouping.id,
        "is_verifier": actor.role == "mentor",
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(query, values, into=Ungrouped)
    return page_of(rows, page, lambda row: (row.student_id,))


async def accept(session: Session, grouping: Grouping, version: int, person_id: int, clock: Clock) -> bool:
    """Makes a proposal stand in place of those it overlaps, from the clock's instant and day on; False when it is another version by now. *Cost*: five statements."""
    values = {
        "grouping_id": grouping.id,
        "school_id": grouping.school_id,
        "subject": grouping.subject,
        "version": version,
        "grade_from": grouping.grade_from,
        "grade_to": grouping.grade_to,
        "person_id": person_id,
        "now": clock.now(),
        "today": today(clock),
    }
    if not await session.execute(_queries["accept"], values):
        return False
    for name in ("leave_replaced", "leave_elsewhere", "drop_gone", "join_all"):
        await session.execute(_queries[name], values)
    return True


async def set_teacher(session: Session, group_id: int, version: int, teacher_id: int | None) -> int:
    values = {"group_id": group_id, "version": version, "teacher_id": teacher_id}
    return await session.execute(_queries["set_teacher"], values)


async def leave(session: Session, group_id: int, student_id: str, now: datetime) -> int:
    values = {"group_id": group_id, "student_id": student_id, "now": now}
    return await session.execute(_queries["leave"], values)


async def leave_former_school(session: Session, student_id: str, group: GroupRow, now: datetime) -> int:
    values = {"student_id": student_id, "subject": group.subject, "school_id": group.school_id, "now": now}
    return await session.execute(_queries["leave_former_school"], values)


async def join(session: Session, group: GroupRow, student_id: str, came: int, now: datetime) -> None:
    values = {
        "group_id": group.id,
        "student_id": student_id,
        "subject": group.subject,
        "came": came,
        "now": now,
    }
    await session.execute(_queries["join"], values)


async def hold_member(session: Session, group_id: int, student_id: str) -> bool:
    """Whether the child is in the group, held there until this transaction ends."""
    values = {"group_id": group_id, "student_id": student_id}
    try:
        await session.fetch_value(_queries["hold_member"], values)
    except LookupError:
        return False
    return True


async def places_of(session: Session, student_ids: Sequence[str]) -> dict[str, ChildPlace]:
    values = {"student_ids": list(student_ids)}
    rows = await session.fetch_all(_queries["children_to_check"], values, into=ChildPlace)
    return {row.student_id: row for row in rows}


async def kept_place(session: Session, student_id: str) -> ChildPlace | None:
    """Where the child is whose record this one went into; None for one that was not merged."""
    return await session.fetch_one(_queries["kept_place"], {"student_id": student_id}, into=ChildPlace)


async def write_check(
    session: Session, write: CheckWrite, scale: Scale, school_id: int, person_id: int, now: datetime
) -> bool:
    """Whether the re-test was saved or, with its version, changed."""
    name = "write_check" if write.version is None else "change_check"
    values = {
        **msgspec.structs.asdict(write),
        "rank": scale.ranks[write.level],
        "scale": scale.key if scale.is_own else None,
        "school_id": school_id,
        "person_id": person_id,
        "now": now,
    }
    return await session.execute(_queries[name], values) == 1


async def find_check(session: Session, write: CheckWrite, *, by: str) -> LevelCheck | None:
    """The re-test that is there under a write's id (by_id), or of its child, subject and day (by_day)."""
    return await session.fetch_one(_queries[f"check_{by}"], msgspec.structs.asdict(write), into=LevelCheck)


async def page_of_checks(
    session: Session, student_id: str, subjects: Sequence[str], page: PageRequest
) -> Page[LevelCheck]:
    after = page.key(tuple[str])
    values = {
        "student_id": student_id,
        "subjects": list(subjects),
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["checks"], values, into=LevelCheck)
    return page_of(rows, page, lambda row: (row.id,))


def _held(scope: Scope) -> dict[str, Any]:
    return {
        "held_schools": [each.school_id for each in scope.held],
        "held_subjects": [each.subject for each in scope.held],
        "held_classes": [each.class_id for each in scope.held],
    }


async def page_of_all_checks(
    session: Session, page: PageRequest, *, scope: Scope, school_id: int | None, subject: str | None
) -> Page[LevelCheck]:
    after = page.key(tuple[str])
    values = {
        **_held(scope),
        "school_id": school_id,
        "subject": subject,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    query = _queries["checks_of_everybody" if scope.is_everything else "checks_in_scope"]
    return page_of(await session.fetch_all(query, values, into=LevelCheck), page, lambda row: (row.id,))


async def page_of_groupings(
    session: Session, page: PageRequest, *, scope: Scope, school_id: int | None, subject: str | None
) -> Page[Grouping]:
    after = page.key(tuple[int])
    held = {"held_schools": None, "held_subjects": None} if scope.is_everything else _held(scope)
    values = {
        **held,
        "school_id": school_id,
        "subject": subject,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["groupings_listed"], values, into=Grouping)
    return page_of(rows, page, lambda row: (row.id,))


async def rechecked(
    session: Session, actor: Actor, school_id: int, subject: str, *, student_id: str | None = None
) -> list[Rechecked]:
    values = within(actor, subject) | {"school_id": school_id, "subject": subject}
    values |= {
        "student_id": student_id,
        "rows": MAX_CHILDREN,
        "codes": list(scale_now(cast("Subject", subject)).codes),
    }
    return await session.fetch_all(_queries["rechecked"], values, into=Rechecked)
