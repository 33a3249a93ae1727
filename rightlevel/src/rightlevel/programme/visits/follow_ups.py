"""Follow-up actions after a visit, until it is done or given up: open → done | cancelled, each with words."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Forbidden, Invalid, NotFound, OutOfScope, Stale
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import RANK, Actor, Role, require
from rightlevel.programme.visits.model import (
    MAX_FOLLOW_UPS,
    FollowUp,
    NewFollowUp,
    follow_up_faults,
    reaches,
    words_faults,
)
from rightlevel.programme.visits.reading import visible_visit
from rightlevel.programme.visits.store import Owner, hold_visit, scope_values

_queries = load_queries(__package__ or "", "follow_ups.sql")

ENDS: Final = ("done", "cancelled")
WHICH: Final = ("open", "overdue", "closed")


class TooManyFollowUps(Conflict):
    """Twenty things were agreed at this visit already. Fewer get done sooner."""

    code = "too_many_follow_ups"


class FollowUpClosed(Conflict):
    """This is closed already."""

    code = "follow_up_closed"


class _Owner(msgspec.Struct, frozen=True):
    role: Role
    is_there: bool


async def raise_follow_up(
    session: Session, actor: Actor, visit_id: str, new: NewFollowUp, clock: Clock
) -> FollowUp:
    """Keeps a follow-up action of a visit; the same id again gets the same answer.

    *Errors*: Forbidden; NotFound for a visit out of scope; Invalid; TooManyFollowUps. *Cost*: six statements.
    """
    require(actor, "raise", "follow_up")
    visit = await visible_visit(session, actor, visit_id)
    faults = follow_up_faults(new, today(clock))
    owner = await session.fetch_one(
        _queries["read_owner"],
        {"owner_id": new.owner_id, "school_id": visit.school_id, "today": today(clock)},
        into=_Owner,
    )
    if owner is None or not (owner.is_there or owner.role in ("coordinator", "admin")):
        faults.append(Fault("owner_id", "Somebody who works at this school", str(new.owner_id)))
    if faults:
        raise Invalid(faults=tuple(faults))
    # The visit is held, so that the twenty-first of two at once is refused, and none is kept for a visit that is being deleted.
    if await hold_visit(session, visit_id) is None:
        raise NotFound
    values: dict[str, Any] = {
        **msgspec.structs.asdict(new),
        "words": new.words.strip(),
        "visit_id": visit_id,
        "school_id": visit.school_id,
        "subject": visit.subject,
        "person_id": actor.person_id,
        "now": clock.now(),
    }
    count = await session.fetch_value(_queries["count_follow_ups"], values)
    if await session.execute(_queries["insert_follow_up"], values):
        if count >= MAX_FOLLOW_UPS:
            raise TooManyFollowUps
        after = {"visit_id": visit_id, "owner_id": new.owner_id, "due_on": new.due_on}
        await write_audit(session, actor, "create", "follow_up", new.id, after=after)
    made = await _found(session, actor, new.id)
    if made.visit_id != visit_id:
        raise Conflict
    return made


async def close_follow_up(
    session: Session, actor: Actor, follow_up_id: str, *, state: str, words: str, version: int, clock: Clock
) -> FollowUp:
    """Ends a follow-up action, `done` or `cancelled`, in words; the owner does, or somebody above them.

    *Errors*: NotFound; Forbidden; Invalid; FollowUpClosed; Stale with what stands there now. *Cost*: four statements.
    """
    require(actor, "settle", "follow_up")
    held = await _found(session, actor, follow_up_id, is_held=True)
    if held.owner_id != actor.person_id and not is_above(actor, held):
        raise Forbidden("This is for its owner, or for somebody above them, to close.")
    faults = words_faults("words", words)
    if state not in ENDS:
        faults.append(Fault("state", f"One of: {', '.join(ENDS)}", state[:60]))
    if faults:
        raise Invalid(faults=tuple(faults))
    if held.state != "open":
        raise FollowUpClosed(current=msgspec.to_builtins(held))
    values = {
        "id": follow_up_id,
        "state": state,
        "words": words.strip(),
        "version": version,
        "person_id": actor.person_id,
        "now": clock.now(),
    }
    if not await session.execute(_queries["close_follow_up"], values):
        raise Stale(current=msgspec.to_builtins(held))
    await write_audit(
        session, actor, "close", "follow_up", follow_up_id, after={"state": state}, reason=words.strip()
    )
    return await _found(session, actor, follow_up_id)


def is_above(actor: Actor, held: FollowUp) -> bool:
    """Whether somebody may close what another owns: their role is above the owner's. A mentor's peers are not above each other."""
    return RANK[actor.role] > RANK.get(held.owner_role, 0)  # type: ignore[call-overload]


async def list_follow_ups(
    session: Session,
    actor: Actor,
    page: PageRequest,
    clock: Clock,
    *,
    which: str = "open",
    own: bool = False,
    school_id: int | None = None,
    place_id: int | None = None,
    visit_id: str | None = None,
    counts_practice: bool = True,
) -> Page[FollowUp]:
    """Follow-up actions, in scope or one's own: `open`, `overdue` or `closed`, the most urgent first; of a visit, all.

    Practice schools' are among them where it is a list to work by, not (`counts_practice`) where a programme reads how it stands.
    *Cost*: one statement.
    """
    require(actor, "read", "follow_up")
    if which not in WHICH:
        raise Invalid(faults=(Fault("which", f"One of: {', '.join(WHICH)}", which[:60]),))
    if visit_id is not None and not is_uuid(visit_id):
        raise NotFound
    after = page.key(tuple[str, str])
    is_scoped = not actor.scope.is_everything and actor.role != "teacher"
    values = {
        **scope_values(actor),
        "which": which if visit_id is None or which == "overdue" else None,
        "scope_schools": actor.scope.schools() if is_scoped else None,
        "owner_id": actor.person_id if own or actor.role == "teacher" else None,
        "today": today(clock),
        "school_id": school_id,
        "place_id": place_id,
        "visit_id": visit_id,
        "counts_practice": counts_practice,
        "after_on": after[0] if after else None,
        "after_id": after[1] if after else None,
        "rows": page.rows_to_ask,
    }
    rows = await session.fetch_all(_queries["list_follow_ups"], values, into=FollowUp)
    return page_of(rows, page, lambda row: (row.due_on, row.id))


async def owners_of_school(session: Session, actor: Actor, school_id: int, clock: Clock) -> list[Owner]:
    """Whom to choose as an owner, the actor among them, and who of them teaches there. *Errors*: OutOfScope."""
    require(actor, "raise", "follow_up")
    if not actor.scope.reaches_school(school_id):
        raise OutOfScope
    found = await session.fetch_all(
        _queries["owners_of_school"], {"school_id": school_id, "today": today(clock)}, into=Owner
    )
    is_among = any(each.id == actor.person_id for each in found)
    return found if is_among else [*found, Owner(actor.person_id, actor.display_name)]


async def _found(session: Session, actor: Actor, follow_up_id: str, *, is_held: bool = False) -> FollowUp:
    if not is_uuid(follow_up_id):
        raise NotFound
    query = _queries["read_follow_up"]
    found = await session.fetch_one(
        query.plus("for_update") if is_held else query, {"follow_up_id": follow_up_id}, into=FollowUp
    )
    if found is None:
        raise NotFound
    is_own = found.owner_id == actor.person_id
    if not is_own and (actor.role == "teacher" or not reaches(actor, found.school_id, found.subject)):
        raise NotFound
    return found
