"""The only file that knows the columns of verification and verification_draw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, Literal

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import Actor, Subject
from rightlevel.programme.verification.model import (
    Draw,
    QueueRow,
    Retest,
    RetestFacts,
    Returned,
    rank_of_level,
    scale_of_facts,
    with_levels,
)
from rightlevel.programme.verification.sampling import Stratum

_queries = load_queries(__package__ or "")
_encoder = msgspec.json.Encoder()

MAX_STRATA = 100_000
"""Ten thousand schools at nine levels, and room: more is drawn place by place."""
By = Literal["as_a_whole", "by_teacher", "by_school", "by_tool"]


class Saved(msgspec.Struct, frozen=True):
    """A re-test that is in the table now."""

    write_id: str
    verification_id: str
    version: int


class StoredVerification(msgspec.Struct, frozen=True):
    """A re-test with its result."""

    id: str
    result_id: str
    round_id: int
    subject: Subject
    school_id: int
    state: str
    version: int
    verifier_id: int | None
    first_rank: int | None
    rank: int | None
    stands: str | None
    reason: str | None
    result_rank: int | None
    result_version: int
    is_verified: bool
    assessor_id: int
    tested_on: date
    child_school_id: int
    child_class_id: int | None
    round_state: str
    visible_on: date
    ended_from: str | None
    ended_at: datetime | None
    ended_why: str | None
    round_is_sealing: bool


class CountedPair(msgspec.Struct, frozen=True):
    """How many children of a group were at `first` and then at `second`."""

    first: int
    second: int
    children: int
    key: int | None
    name: str | None


class _Id(msgspec.Struct, frozen=True):
    id: str


async def read_facts(session: Session, writes: Sequence[Retest], person_id: int) -> list[RetestFacts]:
    """What somebody's re-tests are judged by, in their order, locked. *Cost*: one statement."""
    values = {
        "person_id": person_id,
        "numbers": list(range(len(writes))),
        "write_ids": [write.id for write in writes],
        "result_ids": [write.result_id for write in writes],
    }
    return await session.fetch_all(_queries["retest_facts"], values, into=RetestFacts)


async def write_retests(
    session: Session, actor: Actor, judged: Sequence[tuple[Retest, RetestFacts, str]], now: datetime
) -> dict[str, Saved]:
    """The re-tests that were saved, by write id. *Cost*: one statement; what agrees is verified in it."""
    values: dict[str, Any] = {
        "write_ids": [write.id for write, _, _ in judged],
        "result_ids": [facts.result_id for _, facts, _ in judged],
        "verification_ids": [facts.verification_id for _, facts, _ in judged],
        "states": [state for _, _, state in judged],
        "tested": [write.tested_on for write, _, _ in judged],
        "tools": [write.tool for write, _, _ in judged],
        "ranks": [rank_of_level(scale_of_facts(facts), write.level) for write, facts, _ in judged],
        "notes": [write.notes or None for write, _, _ in judged],
        "round_ids": [facts.round_id for _, facts, _ in judged],
        "subjects": [facts.subject for _, facts, _ in judged],
        "school_ids": [facts.school_id for _, facts, _ in judged],
        "first_ranks": [facts.rank for _, facts, _ in judged],
        "first_tools": [facts.tool for _, facts, _ in judged],
        "first_assessors": [facts.assessor_id for _, facts, _ in judged],
        "person_id": actor.person_id,
        "now": now,
    }
    rows = await session.fetch_all(_queries["write_retests"], values, into=Saved)
    return {row.write_id: row for row in rows}


async def miss_retests(session: Session, verification_ids: list[str]) -> list[str]:
    rows = await session.fetch_all(_queries["miss_retests"], {"verification_ids": verification_ids}, into=_Id)
    return [row.id for row in rows]


FEW_SCHOOLS: Final = 50
"""So many are read by school and sorted; the re-tests of more are read in the order of the whole round. *Source*: benchmarks/verification_queue."""


_STATES: Final[dict[str, tuple[str | None, list[str] | None, bool]]] = {
    "waiting": ("pending", None, False),
    "disputed": ("disagreed", None, False),
    "returned": ("returned", None, False),
    "under_way": (None, ["pending", "disagreed", "returned"], False),
    "settled": (None, ["agreed", "resolved"], False),
    "over": (None, None, True),
}
"""What each choice of the queue asks for: one state, which is read in the order of its index, one of some, or what is over."""


def _reach(actor: Actor) -> str:
    """How the re-tests within somebody's reach are read."""
    if actor.scope.is_everything:
        return "all"
    return "many" if len(actor.scope.schools()) > FEW_SCHOOLS else "few"


async def page_of_queue(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    round_id: int,
    state: str,
    school_id: int | None,
    subject: str | None,
    draw_id: int | None,
    today: date,
) -> Page[QueueRow]:
    after = page.key(tuple[str])
    is_mentor = actor.role == "mentor"
    one, some, is_over = _STATES[state]
    values = {
        "round_id": round_id,
        "state": one,
        "states": some,
        "is_over": is_over,
        "school_id": school_id,
        "subject": subject,
        "draw_id": draw_id,
        "visible_on": today if is_mentor else None,
        "but_by": actor.person_id if is_mentor and state == "waiting" else None,
        "reach": _reach(actor),
        **_scope_values(actor),
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["queue"], values, into=QueueRow)
    rows = [with_levels(row) for row in rows]
    return page_of(rows, page, lambda row: (row.id,))


def _scope_values(actor: Actor) -> dict[str, list[int]]:
    scope = actor.scope
    return {
        "scope_schools": scope.schools(),
        "language_schools": scope.whole_schools("language"),
        "language_classes": scope.classes("language"),
        "math_schools": scope.whole_schools("math"),
        "math_classes": scope.classes("math"),
    }


async def page_of_returned(session: Session, actor: Actor, page: PageRequest, today: date) -> Page[Returned]:
    after = page.key(tuple[str])
    values = {
        **_scope_values(actor),
        "is_everything": actor.scope.is_everything,
        "is_teacher": actor.role == "teacher",
        "person_id": actor.person_id,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
        "today": today,
    }
    rows = await session.fetch_all(_queries["list_returned"], values, into=Returned)
    return page_of(rows, page, lambda row: (row.id,))


class LooksAgain(msgspec.Struct, frozen=True):
    """Who can look at a returned result again."""

    tester_reaches: bool
    a_teacher_reaches: bool


async def who_looks_again(session: Session, verification_id: str, today: date) -> LooksAgain:
    """Whether the tester still reaches the child, and whether a teacher does."""
    values = {"verification_id": verification_id, "today": today}
    found = await session.fetch_one(_queries["who_looks_again"], values, into=LooksAgain)
    return found or LooksAgain(tester_reaches=False, a_teacher_reaches=False)


async def find_verification(session: Session, verification_id: str, *, is_held: bool) -> StoredVerification:
    """One re-test with its result, held for a decision if asked. *Errors*: NotFound."""
    query = _queries["read_verification"]
    row = await session.fetch_one(
        query.plus("held") if is_held else query,
        {"verification_id": verification_id},
        into=StoredVerification,
    )
    if row is None:
        raise NotFound
    return row


async def settle(
    session: Session,
    held: StoredVerification,
    *,
    version: int,
    state: str,
    person_id: int,
    reason: str,
    now: datetime,
    stands: str | None = None,
) -> int:
    values = {
        "verification_id": held.id,
        "version": version,
        "before": held.state,
        "state": state,
        "stands": stands,
        "reason": reason,
        "now": now,
        "person_id": person_id,
    }
    return await session.execute(_queries["settle_verification"], values)


async def answer_returned(session: Session, verification_id: str, version: int, now: datetime) -> None:
    values = {"verification_id": verification_id, "version": version, "now": now}
    await session.fetch_value(_queries["answer_returned"], values)


async def verify_result(session: Session, result_id: str, *, is_verified: bool, now: datetime) -> int:
    values = {"result_id": result_id, "is_verified": is_verified, "now": now}
    return await session.execute(_queries["verify_result"], values)


async def correct_result(
    session: Session,
    held: StoredVerification,
    *,
    before: dict[str, Any],
    after: dict[str, Any],
    write_id: str,
    person_id: int,
    reason: str,
    now: datetime,
) -> int:
    values = {
        "result_id": held.result_id,
        "version": held.result_version,
        "rank": held.rank,
        "write_id": write_id,
        "person_id": person_id,
        "before": _encoder.encode(before).decode(),
        "after": _encoder.encode(after).decode(),
        "reason": reason,
        "now": now,
    }
    return await session.execute(_queries["correct_result"], values)


async def strata(
    session: Session, *, round_id: int, subject: str, school_id: int | None, place_id: int | None
) -> list[Stratum]:
    """What could be drawn, by school and level; one more than MAX_STRATA tells that it is too much."""
    values = {
        "round_id": round_id,
        "subject": subject,
        "school_id": school_id,
        "place_id": place_id if school_id is None else None,
        "rows": MAX_STRATA + 1,
    }
    return await session.fetch_all(_queries["strata"], values, into=Stratum)


async def insert_draw(session: Session, values: dict[str, Any]) -> int:
    return int(str(await session.fetch_value(_queries["insert_draw"], values)))


async def draw(session: Session, allocation: dict[tuple[int, int], int], values: dict[str, Any]) -> int:
    """How many re-tests were added."""
    arrays = {
        "school_ids": [school_id for school_id, _ in allocation],
        "ranks": [rank for _, rank in allocation],
        "numbers": list(allocation.values()),
    }
    return int(str(await session.fetch_value(_queries["draw"], {**values, **arrays})))


async def page_of_draws(
    session: Session, page: PageRequest, *, round_id: int, draw_id: int | None = None
) -> Page[Draw]:
    after = page.key(tuple[int])
    values = {
        "round_id": round_id,
        "draw_id": draw_id,
        "after_id": after[0] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_draws"], values, into=Draw)
    return page_of(rows, page, lambda row: (row.id,))


async def pairs(
    session: Session,
    actor: Actor,
    *,
    round_id: int,
    subject: str,
    by: By,
    school_id: int | None,
    place_id: int | None,
    rows: int,
) -> list[CountedPair]:
    values = {
        "by": by,
        "round_id": round_id,
        "subject": subject,
        "school_id": school_id,
        "place_id": place_id,
        "scope_schools": None if actor.scope.is_everything else actor.scope.schools(_narrow(subject)),
        "rows": rows,
    }
    return await session.fetch_all(_queries["pairs"], values, into=CountedPair)


def _narrow(subject: str) -> Subject:
    return "math" if subject == "math" else "language"
