"""The only file that knows the columns of result, result_change and guided_test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from flatwater.paging import Page, PageRequest, page_of, write_cursor
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import SUBJECTS, Actor, Scope, Subject
from rightlevel.programme.results.guided import THRESHOLDS, NewRules, Thresholds
from rightlevel.programme.results.model import (
    Facts,
    GuidedTest,
    ResultChange,
    ResultWrite,
    RoundResult,
    SatThere,
    SheetRow,
    StudentResult,
    WithoutBaseline,
    level_code,
    rank_of_write,
)

_queries = load_queries(__package__ or "")
_facts = _queries["facts"]
_sheet = _queries["class_sheet"]
_encoder = msgspec.json.Encoder()


class Written(msgspec.Struct, frozen=True):
    """A write that is in the table now."""

    write_id: str
    result_id: str
    version: int


class LockedResult(msgspec.Struct, frozen=True):
    """A result held for removal, with what that is judged by."""

    id: str
    student_id: str
    round_id: int
    school_id: int
    class_id: int | None
    child_school_id: int
    child_class_id: int | None
    subject: str
    version: int
    outcome: str
    rank: int | None
    is_locked: bool
    is_verified: bool
    round_state: str
    school_is_locked: bool
    verification_state: str | None
    round_is_sealing: bool
    scale: str


class LockableResult(msgspec.Struct, frozen=True):
    """A result held to be locked or unlocked."""

    id: str
    student_id: str
    school_id: int
    subject: str
    is_locked: bool


def _plain(values: Sequence[object]) -> str:
    """An array as PostgreSQL reads it, of values that need no quoting: ids, numbers, days and codes, checked before.

    Building the text here costs a tenth of what the driver's general way does, and a class has twenty arrays.
    """
    if None in values:
        return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"
    return "{" + ",".join(map(str, values)) + "}"


def _single(values: Mapping[str, object]) -> dict[str, str]:
    """Each value as an array of one, as `_plain` writes it: most writes come alone, and a call for each of twenty columns would be most of their way."""
    return {name: "{NULL}" if value is None else f"{{{value}}}" for name, value in values.items()}


def _texts(values: list[str | None]) -> list[str | None] | str:
    """An array of free text, left to the driver, unless there is none."""
    return values if any(values) else _plain(values)


def _columns(structs: Sequence[msgspec.Struct]) -> dict[str, tuple[Any, ...]]:
    """The structs' fields as columns by name."""
    names = structs[0].__struct_fields__
    return dict(zip(names, zip(*map(msgspec.structs.astuple, structs), strict=True), strict=True))


async def read_facts(
    session: Session, writes: Sequence[ResultWrite], person_ids: Sequence[int]
) -> list[Facts]:
    """What the writes are judged by, in their order, locked; `person_ids` are whose they are, each. *Cost*: one statement."""
    if len(writes) == 1:
        (write,) = writes
        alone = {
            "numbers": 0,
            "write_ids": write.id,
            "student_ids": write.student_id,
            "round_ids": write.round_id,
            "subjects": write.subject,
            "person_ids": person_ids[0],
        }
        return await session.fetch_all(_facts, _single(alone), into=Facts)
    wanted = _columns(writes)
    values = {
        "numbers": _plain(range(len(writes))),
        "write_ids": _plain(wanted["id"]),
        "student_ids": _plain(wanted["student_id"]),
        "round_ids": _plain(wanted["round_id"]),
        "subjects": _plain(wanted["subject"]),
        "person_ids": _plain(person_ids),
    }
    return await session.fetch_all(_facts, values, into=Facts)


async def write_results(
    session: Session,
    actors: Sequence[Actor],
    judged: Sequence[tuple[ResultWrite, Facts]],
    now: datetime,
    overridden: list[str],
) -> dict[str, Written]:
    """The writes that were saved, by write id: all of one actor, or each of its own. *Cost*: one statement; counts are kept by its triggers."""
    if len(judged) == 1:
        has_changes = judged[0][1].result_id is not None
        values = _one(*judged[0])
    else:
        has_changes = any(fact.result_id for _, fact in judged)
        values = _many(judged, has_changes=has_changes)
    values |= {
        "askers": _plain([1] * len(judged) if len(actors) == 1 else range(1, len(judged) + 1)),
        "person_ids": _plain([actor.person_id for actor in actors]),
        "roles": _plain([actor.role for actor in actors]),
        "addresses": [actor.address for actor in actors],
        "now": now,
        "overridden": overridden,
        "reason": next((write.reason for write, _ in judged if write.reason), None),
    }
    name = "write_changed_results" if has_changes else "write_results"
    rows = await session.fetch_all(_queries[name], values, into=Written)
    return {row.write_id: row for row in rows}


def _one(write: ResultWrite, fact: Facts) -> dict[str, Any]:
    """The columns of a write that came alone."""
    has_changes = fact.result_id is not None
    return {
        **_single(
            {
                "write_ids": write.id,
                "result_ids": fact.result_id,
                "versions": write.version,
                "student_ids": write.student_id,
                "round_ids": write.round_id,
                "subjects": write.subject,
                "outcomes": write.outcome,
                "ranks": rank_of_write(write, fact.scale),
                "tested": write.tested_on,
                "tools": write.tool,
                "assents": write.assent,
                "selected": write.is_selected,
                "methods": write.method,
                "school_ids": fact.school_id,
                "class_ids": fact.class_id,
                "grades": fact.grade,
                "sexes": fact.sex,
            }
        ),
        "notes": [write.notes] if write.notes else NO_TEXT,
        "befores": [_before(write, fact)] if has_changes else NO_TEXT,
        "afters": [_after(write, fact)] if has_changes else NO_TEXT,
        "reasons": [write.reason] if write.reason else NO_TEXT,
    }


NO_TEXT = "{NULL}"


def _many(judged: Sequence[tuple[ResultWrite, Facts]], *, has_changes: bool) -> dict[str, Any]:
    """The columns of some writes."""
    writes = [write for write, _ in judged]
    wanted, facts = _columns(writes), _columns([fact for _, fact in judged])
    return {
        "write_ids": _plain(wanted["id"]),
        "result_ids": _plain(facts["result_id"]),
        "versions": _plain(wanted["version"]),
        "student_ids": _plain(wanted["student_id"]),
        "round_ids": _plain(wanted["round_id"]),
        "subjects": _plain(wanted["subject"]),
        "outcomes": _plain(wanted["outcome"]),
        "ranks": _plain([rank_of_write(write, fact.scale) for write, fact in judged]),
        "tested": _plain(wanted["tested_on"]),
        "tools": _plain(wanted["tool"]),
        "assents": _plain(wanted["assent"]),
        "selected": _plain(wanted["is_selected"]),
        "methods": _plain(wanted["method"]),
        "notes": _texts([notes or None for notes in wanted["notes"]]),
        "school_ids": _plain(facts["school_id"]),
        "class_ids": _plain(facts["class_id"]),
        "grades": _plain(facts["grade"]),
        "sexes": _plain(facts["sex"]),
        "befores": _texts([_before(w, f) if has_changes else None for w, f in judged]),
        "afters": _texts([_after(w, f) if has_changes else None for w, f in judged]),
        "reasons": _texts([reason or None for reason in wanted["reason"]]),
    }


def _before(write: ResultWrite, facts: Facts) -> str | None:
    if facts.result_id is None:
        return None
    kept = {
        "outcome": facts.result_outcome,
        "level": level_code(write.subject, facts.result_rank, facts.scale),
        "tested_on": facts.result_tested_on,
        "tool": facts.result_tool,
        "assent": facts.result_assent,
        "is_selected": facts.result_is_selected,
        "method": facts.result_method,
        "notes": facts.result_notes,
    }
    return _encoder.encode(kept).decode()


def _after(write: ResultWrite, facts: Facts) -> str | None:
    if facts.result_id is None:
        return None
    kept = {
        "outcome": write.outcome,
        "level": write.level,
        "tested_on": write.tested_on,
        "tool": write.tool,
        "assent": write.assent,
        "is_selected": write.is_selected,
        "method": write.method,
        "notes": write.notes,
    }
    return _encoder.encode(kept).decode()


async def page_of_sheet(
    session: Session,
    page: PageRequest,
    *,
    school_id: int,
    round_id: int,
    subject: Subject,
    class_id: int | None,
    grade: int | None,
    scope: Scope,
) -> Page[SheetRow]:
    after = page.key(tuple[str])
    values = {
        "school_id": school_id,
        "round_id": round_id,
        "subject": subject,
        "class_id": class_id,
        "grade": grade,
        "is_everything": scope.is_everything,
        "scope_schools": scope.whole_schools(subject),
        "scope_classes": scope.classes(subject),
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_sheet, values, into=SheetRow)
    return page_of(rows, page, lambda row: (row.student_id,))


async def results_of_children(
    session: Session, student_ids: Sequence[str], round_ids: Sequence[int], scope: Scope
) -> list[RoundResult]:
    values = {
        "students": list(student_ids),
        "rounds": list(round_ids),
        "is_everything": scope.is_everything,
        **_reach(scope, ()),
    }
    return await session.fetch_all(_queries["results_of_children"], values, into=RoundResult)


def _reach(scope: Scope, subjects: Sequence[Subject]) -> dict[str, Any]:
    """What results are chosen by: some subjects wherever they were made, and all that were made within a scope."""
    return {
        "subjects": list(subjects),
        "language_schools": scope.whole_schools("language"),
        "language_classes": scope.classes("language"),
        "math_schools": scope.whole_schools("math"),
        "math_classes": scope.classes("math"),
    }


async def page_of_results(
    session: Session, student_id: str, subjects: list[Subject], page: PageRequest, *, scope: Scope
) -> Page[StudentResult]:
    after = page.key(tuple[str])
    values = {
        "student_id": student_id,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    values |= _reach(scope, subjects)
    rows = await session.fetch_all(_queries["student_results"], values, into=StudentResult)
    return page_of(rows, page, lambda row: (row.id,))


async def sat_within(session: Session, student_id: str, scope: Scope) -> list[SatThere]:
    values = {"student_id": student_id, "schools": scope.whole_schools(), "classes": scope.classes()}
    return await session.fetch_all(_queries["sat_within"], values, into=SatThere)


async def has_results_within(
    session: Session, student_id: str, scope: Scope, *, result_id: str | None = None
) -> bool:
    values = {"student_id": student_id, "result_id": result_id, **_reach(scope, [])}
    return bool(await session.fetch_value(_queries["has_results_within"], values))


async def name_of_child(session: Session, student_id: str) -> str:
    """*Errors*: NotFound."""
    found = await session.fetch_one(_queries["name_of_child"], {"student_id": student_id}, into=_Named)
    if found is None:
        raise NotFound
    return found.name


class _Named(msgspec.Struct, frozen=True):
    name: str


class _After(NamedTuple):
    """Where a page of all results goes on: school, child, round, subject."""

    school_id: int
    student_id: str
    round_id: int
    subject: str


async def page_of_all_results(
    session: Session,
    page: PageRequest,
    *,
    scope: Scope,
    school_id: int | None,
    round_id: int | None,
    subject: Subject | None,
) -> Page[StudentResult]:
    after = page.key(_After)
    values = {
        "school_id": school_id,
        "round_id": round_id,
        "subject": subject,
        "subjects": list(SUBJECTS) if subject is None else [subject],
        "rows": page.rows_to_ask,
        "after_school": after.school_id if after else None,
        "after_student": after.student_id if after else None,
        "after_round": after.round_id if after else None,
        "after_subject": after.subject if after else None,
        "held_schools": [each.school_id for each in scope.held],
        "held_subjects": [each.subject for each in scope.held],
        "held_classes": [each.class_id for each in scope.held],
    }
    if not scope.is_everything:
        name = "results_in_scope"
    elif school_id is not None:
        name = "results_of_school"
    else:
        name = "results_of_schools" if round_id is None else "results_of_round"
    rows = await session.fetch_all(_queries[name], values, into=StudentResult)
    return page_of(rows, page, lambda row: (row.school_id, row.student_id, row.round_id, row.subject))


async def find_result(session: Session, result_id: str) -> StudentResult:
    """One live result. *Errors*: NotFound."""
    row = await session.fetch_one(_queries["read_result"], {"result_id": result_id}, into=StudentResult)
    if row is None:
        raise NotFound
    return row


async def page_of_changes(
    session: Session,
    student_id: str,
    subjects: list[Subject],
    page: PageRequest,
    *,
    scope: Scope,
    but_blind_to: int | None,
) -> Page[ResultChange]:
    after = page.key(tuple[str])
    values = {
        "student_id": student_id,
        "person_id": but_blind_to,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
        **_reach(scope, subjects),
    }
    rows = await session.fetch_all(_queries["student_changes"], values, into=ResultChange)
    return page_of(rows, page, lambda row: (row.write_id,))


async def lock_result(session: Session, result_id: str) -> LockedResult:
    """One live result, locked. *Errors*: NotFound."""
    row = await session.fetch_one(_queries["lock_result"], {"result_id": result_id}, into=LockedResult)
    if row is None:
        raise NotFound
    return row


async def delete_result_row(
    session: Session,
    held: LockedResult,
    version: int,
    *,
    write_id: str,
    person_id: int,
    reason: str,
    now: datetime,
) -> int:
    before = {"outcome": held.outcome, "level": level_code(held.subject, held.rank, held.scale)}
    values = {
        "result_id": held.id,
        "version": version,
        "write_id": write_id,
        "person_id": person_id,
        "reason": reason or None,
        "now": now,
        "before": _encoder.encode(before).decode(),
    }
    return await session.execute(_queries["delete_result"], values)


class KeptRules(msgspec.Struct, frozen=True):
    """One version of what passes each task; 0 is what everyone starts with."""

    version: int
    thresholds: Thresholds


class _KeptRules(msgspec.Struct, frozen=True):
    version: int
    thresholds: Any


class _Version(msgspec.Struct, frozen=True):
    version: int


class _ToolTold(msgspec.Struct, frozen=True):
    id: int
    subject: str
    number: int


async def newest_rules(session: Session) -> KeptRules:
    """What it takes to pass the tasks of the guided test: the programme's own, or what everyone starts with."""
    found = await session.fetch_one(_queries["newest_rules"], {}, into=_KeptRules)
    return KeptRules(0, THRESHOLDS) if found is None else _kept(found)


async def read_rules(session: Session, versions: Collection[int | None]) -> dict[int | None, Thresholds]:
    """The thresholds of these versions, of those there are; None is the newest. *Cost*: one statement, two where versions are named."""
    found: dict[int | None, Thresholds] = {0: THRESHOLDS}
    named = [each for each in versions if each is not None and 0 < each < 2**31]
    if named:
        rows = await session.fetch_all(_queries["rules_of"], {"versions": named}, into=_KeptRules)
        found |= {row.version: _kept(row).thresholds for row in rows}
    if None in versions:
        found[None] = (await newest_rules(session)).thresholds
    return found


def _kept(row: _KeptRules) -> KeptRules:
    return KeptRules(row.version, {**THRESHOLDS, **msgspec.convert(row.thresholds, Thresholds)})


async def insert_rules(session: Session, new: NewRules, *, person_id: int) -> int | None:
    values = {
        "follows": new.follows,
        "thresholds": _encoder.encode(new.thresholds).decode(),
        "person_id": person_id,
    }
    made = await session.fetch_one(_queries["insert_rules"], values, into=_Version)
    return None if made is None else made.version


async def tools_told(session: Session, ids: Collection[int]) -> set[tuple[int, str, int]]:
    """Of these versions of tools those there are, as (id, subject, number)."""
    known = [each for each in ids if 0 < each < 2**63]
    rows = await session.fetch_all(_queries["tools_told"], {"ids": known}, into=_ToolTold)
    return {(row.id, row.subject, row.number) for row in rows}


async def keep_guided(session: Session, guided: Sequence[tuple[ResultWrite, str]]) -> None:
    """Keeps the steps of guided writes with the ids of their results, and which tool and rules they were run with."""
    values = {
        "write_ids": _plain([write.id for write, _ in guided]),
        "result_ids": _plain([result_id for _, result_id in guided]),
        "steps": [_encoder.encode(write.steps).decode() for write, _ in guided],
        "tool_ids": [write.tool_id for write, _ in guided],
        "rules": [write.rules_version for write, _ in guided],
    }
    await session.execute(_queries["keep_guided"], values)


async def guided_tests(session: Session, result_id: str) -> list[GuidedTest]:
    return await session.fetch_all(_queries["read_guided"], {"result_id": result_id}, into=GuidedTest)


async def verify_again(session: Session, result_ids: list[str], now: datetime) -> None:
    await session.fetch_value(_queries["verify_again"], {"result_ids": result_ids, "now": now})


async def keep_added_amendments(
    session: Session, result_ids: list[str], *, person_id: int, reason: str
) -> int:
    values = {"result_ids": result_ids, "person_id": person_id, "reason": reason}
    return await session.execute(_queries["keep_added_amendments"], values)


async def results_to_lock(
    session: Session,
    *,
    rows: int,
    result_ids: list[str] | None = None,
    school: tuple[int, int] | None = None,
    subject: str | None = None,
    class_id: int | None = None,
) -> list[LockableResult]:
    """Results by their ids, or those of a (school, round), held."""
    school_id, round_id = school or (None, None)
    values = {
        "result_ids": result_ids,
        "school_id": school_id,
        "round_id": round_id,
        "subject": subject,
        "class_id": class_id,
        "rows": rows,
    }
    return await session.fetch_all(_queries["results_to_lock"], values, into=LockableResult)


async def lock_result_rows(
    session: Session, result_ids: list[str], *, person_id: int, reason: str, now: datetime
) -> int:
    values = {"result_ids": result_ids, "person_id": person_id, "reason": reason, "now": now}
    return await session.execute(_queries["lock_results"], values)


async def unlock_result_rows(session: Session, result_ids: list[str], *, now: datetime) -> int:
    return await session.execute(_queries["unlock_results"], {"result_ids": result_ids, "now": now})


LOOKED_THROUGH = 1_500
"""Results that are looked through for one page, each beside its child's baseline: some 15 ms, however many there are."""
SCHOOLS_LOOKED_AT = 500
"""And schools, for in most of them a round may have no result."""
FIRST_ID = "00000000-0000-0000-0000-000000000000"
"""Comes before every result of a school."""


class _LookedTo(msgspec.Struct, frozen=True):
    schools: int
    last_school: int | None
    results: int
    school_id: int | None
    id: str | None


async def page_without_baseline(
    session: Session, page: PageRequest, *, round_id: int, school_id: int | None, scope: Scope
) -> Page[WithoutBaseline]:
    after = page.key(tuple[int, str])
    values = {
        "round_id": round_id,
        "school_id": school_id,
        "held_schools": None if scope.is_everything else [each.school_id for each in scope.held],
        "held_subjects": [each.subject for each in scope.held],
        "after_school": after[0] if after else None,
        "after_id": after[1] if after else None,
        "rows": page.rows_to_ask,
        "schools": SCHOOLS_LOOKED_AT,
        "looked": LOOKED_THROUGH,
    }
    rows = await session.fetch_all(_queries["results_without_baseline"], values, into=WithoutBaseline)
    if len(rows) == page.rows_to_ask:
        return page_of(rows, page, lambda row: (row.school_id, row.id))
    looked = await session.fetch_one(_queries["looked_for_baselines"], values, into=_LookedTo)
    return Page(rows, None if looked is None else _further(looked))


def _further(looked: _LookedTo) -> str | None:
    """Where the next look begins; None where all was seen."""
    if looked.results == LOOKED_THROUGH:
        return write_cursor((looked.school_id, looked.id))
    if looked.schools == SCHOOLS_LOOKED_AT and looked.last_school is not None:
        return write_cursor((looked.last_school + 1, FIRST_ID))
    return None
