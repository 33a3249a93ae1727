"""Samples to test again, and what the re-tests say about agreement."""

from __future__ import annotations

import secrets
from itertools import groupby

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.days import SEEN_FROM
from rightlevel.programme.errors import Conflict, Fault, Invalid
from rightlevel.programme.levels import scale_of_round
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject, require
from rightlevel.programme.rounds import read_round
from rightlevel.programme.verification import store
from rightlevel.programme.verification.agreement import Pair, agreement
from rightlevel.programme.verification.model import AgreementOf, Draw, NewDraw, Plan
from rightlevel.programme.verification.sampling import (
    Precision,
    Stratum,
    allocate,
    precision_faults,
    sample_size,
)

GROUPS: dict[str, store.By] = {
    "all": "as_a_whole",
    "teacher": "by_teacher",
    "school": "by_school",
    "tool": "by_tool",
}
MAX_ROWS = 12_500
"""Some 500 schools or teachers with every pair of levels. What would be more is refused, and never told in part."""
MAX_SEED = 2**53 - 1
"""The largest whole number that a JSON reader everywhere keeps."""


class NothingToDraw(Conflict):
    """There is no assessed child here to draw from, in this round and subject."""

    code = "nothing_to_draw"


class NotVerifiable(Conflict):
    """Children are drawn for re-tests in an open or a closed round."""

    code = "not_verifiable"


async def plan_draw(session: Session, actor: Actor, new: NewDraw) -> Plan:
    """How many results a draw would take, of how many. Nothing is drawn. *Errors*: Forbidden, Invalid. *Cost*: two statements."""
    require(actor, "draw", "verification")
    strata, size = await _sized(session, actor, new)
    return Plan(sum(each.children for each in strata), size, len({each.school_id for each in strata}))


async def _sized(session: Session, actor: Actor, new: NewDraw) -> tuple[list[Stratum], int]:
    precision = Precision(new.margin, new.confidence, new.expected)
    faults = precision_faults(precision)
    if new.subject not in SUBJECTS:
        faults.append(Fault("subject", f"One of: {', '.join(SUBJECTS)}", new.subject[:60]))
    if (new.school_id is None) == (new.place_id is None):
        faults.append(Fault("school_id", "A school or a place, and not both"))
    if new.seed is not None and not 0 <= new.seed <= MAX_SEED:
        faults.append(Fault("seed", f"Between 0 and {MAX_SEED}", str(new.seed)[:40]))
    if faults:
        raise Invalid(faults=tuple(faults))
    round_ = await read_round(session, actor, new.round_id)
    if round_.is_deleted or round_.state not in ("open", "closed"):
        raise NotVerifiable
    strata = await store.strata(
        session, round_id=new.round_id, subject=new.subject, school_id=new.school_id, place_id=new.place_id
    )
    if len(strata) > store.MAX_STRATA:
        raise Invalid(faults=(Fault("place_id", "Too many schools at once: draw place by place"),))
    return strata, sample_size(precision, sum(each.children for each in strata))


async def draw_sample(session: Session, actor: Actor, new: NewDraw, clock: Clock) -> Draw:
    """Draws a sample by school and level, of a size that follows from the wanted precision. The same seed draws the same children.

    *Errors*: Forbidden, Invalid, NothingToDraw, NotVerifiable. *Cost*: five statements, and one look at the results of the schools drawn from.
    """
    require(actor, "draw", "verification")
    if faults := SEEN_FROM.faults("visible_on", new.visible_on, today(clock)):
        raise Invalid(faults=tuple(faults))
    strata, size = await _sized(session, actor, new)
    if not size:
        raise NothingToDraw
    seed = secrets.randbelow(MAX_SEED) if new.seed is None else new.seed
    day = today(clock) if new.visible_on is None else new.visible_on
    values = {
        **msgspec.structs.asdict(new),
        "seed": seed,
        "visible_on": day,
        "population": sum(each.children for each in strata),
        "size": size,
        "now": clock.now(),
        "person_id": actor.person_id,
    }
    draw_id = await store.insert_draw(session, values)
    added = await store.draw(session, allocate(strata, size), {**values, "draw_id": draw_id})
    after = {**msgspec.to_builtins(new), "seed": seed, "size": size, "added": added}
    await write_audit(session, actor, "draw", "verification", draw_id, after=after)
    made = await store.page_of_draws(session, PageRequest(1), round_id=new.round_id, draw_id=draw_id)
    return made.items[0]


async def list_draws(session: Session, actor: Actor, round_id: int, page: PageRequest) -> Page[Draw]:
    """The samples of a round, the latest first. *Cost*: one statement."""
    require(actor, "draw", "verification")
    return await store.page_of_draws(session, page, round_id=round_id)


async def read_agreement(
    session: Session,
    actor: Actor,
    *,
    round_id: int,
    subject: str,
    by: str = "all",
    school_id: int | None = None,
    place_id: int | None = None,
) -> list[AgreementOf]:
    """How re-tests agree with first tests, as a whole or by `teacher`, `school` or `tool`, in scope; nothing is shown below ten.

    *Errors*: Forbidden, Invalid. *Cost*: one statement over the re-tests of the round and subject.
    """
    require(actor, "read", "agreement")
    faults: list[Fault] = []
    if subject not in SUBJECTS:
        faults.append(Fault("subject", f"One of: {', '.join(SUBJECTS)}", subject[:60]))
    if by not in GROUPS:
        faults.append(Fault("by", f"One of: {', '.join(GROUPS)}", by[:60]))
    if faults:
        raise Invalid(faults=tuple(faults))
    known: Subject = "math" if subject == "math" else "language"
    ranks = scale_of_round(round_id, known).top
    rows = await store.pairs(
        session,
        actor,
        round_id=round_id,
        subject=subject,
        by=GROUPS[by],
        school_id=school_id,
        place_id=place_id,
        rows=MAX_ROWS + 1,
    )
    if len(rows) > MAX_ROWS:
        raise Invalid(faults=(Fault("by", "Too many at once: choose a place or a school", by),))
    found: list[AgreementOf] = []
    for key, group in groupby(rows, key=lambda row: row.key):
        those = list(group)
        pairs = [Pair(each.first, each.second, each.children) for each in those]
        found.append(AgreementOf(key, those[0].name or "", agreement(pairs, ranks)))
    return found or ([AgreementOf(None, "", agreement([], ranks))] if by == "all" else [])
