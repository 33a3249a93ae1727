"""What is done to rounds: plan, open, close, reopen; another date or a lock for one school."""

from __future__ import annotations

from datetime import date

import msgspec

from flatwater.clock import Clock, today
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import AlreadyTaken, Conflict, Fault, InUse, Invalid, NotFound, Stale
from rightlevel.programme.languages import tell_of_change
from rightlevel.programme.levels import FIRST_KEYS, Measured, measured
from rightlevel.programme.permissions import Actor, Subject, require
from rightlevel.programme.rounds import approvals_store, store
from rightlevel.programme.rounds.model import (
    MAX_SCHOOLS,
    STEPS,
    DatesAnswer,
    NewRound,
    Round,
    RoundChange,
    RoundSchool,
    SchoolDates,
    date_faults,
    own_days_fault,
)
from rightlevel.programme.rounds.open_retests import settle_open_retests
from rightlevel.programme.scales import require_chosen
from rightlevel.programme.schools import SchoolYear, current_year, read_year, school_for_write
from rightlevel.programme.webhooks import WebhookEvent, tell_webhooks

TOLD: dict[tuple[str, str], WebhookEvent] = {
    ("open", "closed"): "round.closed",
    ("closed", "open"): "round.reopened",
    ("closed", "frozen"): "round.frozen",
}
"""The steps of a round that webhooks are told of."""
STATES = ("planned", "open", "closed", "frozen")


class NoSuchStep(Conflict):
    """A round goes from planned to open to closed, and from closed back to open or on to frozen, with a reason. A frozen one stays so."""

    code = "no_such_step"


async def list_rounds(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    school_year_id: int | None = None,
    state: str | None = None,
    deleted: bool = False,
) -> Page[Round]:
    """Rounds, the latest first. *Cost*: one statement."""
    require(actor, "restore" if deleted else "read", "round")
    if state is not None and state not in STATES:
        raise Invalid(faults=(Fault("state", f"One of: {', '.join(STATES)}", state),))
    return await store.page_of_rounds(
        session, page, school_year_id=school_year_id, state=state, deleted=deleted
    )


async def read_round(session: Session, actor: Actor, round_id: int) -> Round:
    """One round. *Errors*: NotFound."""
    require(actor, "read", "round")
    found = await store.find_round(session, round_id)
    if found.is_deleted:
        require(actor, "restore", "round")
    return found


async def current_round(session: Session, actor: Actor, clock: Clock) -> Round | None:
    """The round to work in: the open one, else the one that began last."""
    require(actor, "read", "round")
    return await store.current_round(session, today(clock))


async def create_round(session: Session, actor: Actor, new: NewRound) -> Round:
    """A new planned round. *Errors*: Invalid with every fault, AlreadyTaken when the year has this kind."""
    require(actor, "create", "round")
    year = await _year(session, actor, new.school_year_id)
    await _require_dates(session, new.kind, new.starts_on, new.ends_on, year, round_id=0)
    scales = await _scales(session, new.language_scale, new.math_scale)
    fields = {**msgspec.structs.asdict(new), "school_year_id": year.id, **scales}
    try:
        round_id = await store.insert_round(session, fields)
    except ConstraintViolated as error:
        raise _collision(error, new.kind) from error
    await _tell_if_measured(session, *scales.values())
    await write_audit(session, actor, "create", "round", round_id, after=msgspec.to_builtins(fields))
    return await store.find_round(session, round_id)


async def _scales(session: Session, language: str | None, math: str | None) -> dict[str, str]:
    """The keys of what a round is measured by; of the program's own scales where none is told. *Errors*: Invalid for one that can't be chosen."""
    chosen: dict[Subject, str] = {
        "language": (language or FIRST_KEYS["language"]).lower(),
        "math": (math or FIRST_KEYS["math"]).lower(),
    }
    for subject, key in chosen.items():
        await require_chosen(session, subject, key)
    return {f"{subject}_scale": key for subject, key in chosen.items()}


async def _tell_if_measured(session: Session, *keys: str) -> None:
    """Makes every process learn anew what is measured by what, where another scale than the program's own is, or was."""
    if set(keys) - set(FIRST_KEYS.values()) or measured.get() != Measured():
        await tell_of_change(session)


async def _year(session: Session, actor: Actor, year_id: int | None) -> SchoolYear:
    try:
        year = (
            await read_year(session, actor, year_id) if year_id is not None else await current_year(session)
        )
    except NotFound:
        year = None
    if year is None:
        raise Invalid(faults=(Fault("school_year_id", "There is no such school year", str(year_id or "")),))
    return year


async def _require_dates(
    session: Session, kind: str, starts_on: date, ends_on: date, year: SchoolYear, *, round_id: int
) -> None:
    others = await store.other_rounds(session, year.id, but=round_id)
    faults = date_faults(
        kind, starts_on, ends_on, (year.starts_on, year.ends_on), [each for each in others if each[0] != kind]
    )
    if faults:
        raise Invalid(faults=tuple(faults))


def _collision(error: ConstraintViolated, kind: str) -> Exception:
    if error.constraint == "rounds_do_not_overlap":
        return Invalid(faults=(Fault("starts_on", "Another round has some of these days"),))
    return AlreadyTaken(faults=(Fault("kind", "This school year has this round already", kind),))


class ResultsOutside(Conflict):
    """{results} results lie outside these days. Confirm it if the days are right and the results stay as they are."""

    code = "results_outside"


class ApprovalHolds(Conflict):
    """The results of this school are approved, which holds the lock. Return them instead, with a reason."""

    code = "approval_holds"


class ScaleStays(Conflict):
    """What a round is measured by can be changed only until it is opened."""

    code = "scale_stays_in_round"


class RoundFrozen(Conflict):
    """This round is frozen: its days and locks stay as they are."""

    code = "round_is_frozen"


async def change_round(session: Session, actor: Actor, round_id: int, change: RoundChange) -> Round:
    """Changes a round's days, and while it is planned what it is measured by.

    *Errors*: NotFound, Stale with both, Invalid; ScaleStays once it was opened; ResultsOutside with their number unless confirmed.
    """
    require(actor, "change", "round")
    found = await _changeable(session, round_id)
    starts_on, ends_on = change.starts_on or found.starts_on, change.ends_on or found.ends_on
    year = await _year(session, actor, found.school_year_id)
    await _require_dates(session, found.kind, starts_on, ends_on, year, round_id=round_id)
    await _require_room(session, round_id, starts_on, ends_on, confirm=change.confirm)
    was = {"language_scale": found.language_scale, "math_scale": found.math_scale}
    wanted = (change.language_scale or was["language_scale"], change.math_scale or was["math_scale"])
    scales = was
    if wanted != tuple(was.values()):
        if found.state != "planned":
            raise ScaleStays
        scales = await _scales(session, *wanted)
    try:
        changed = await store.change_round_row(
            session, round_id, change.version, {"starts_on": starts_on, "ends_on": ends_on, **scales}
        )
    except ConstraintViolated as error:
        raise _collision(error, found.kind) from error
    if not changed:
        raise Stale(current=msgspec.to_builtins(found), yours=msgspec.to_builtins(change))
    before = {"starts_on": found.starts_on.isoformat(), "ends_on": found.ends_on.isoformat()}
    after = {"starts_on": starts_on.isoformat(), "ends_on": ends_on.isoformat()}
    if scales != was:
        before, after = before | was, after | scales
        await tell_of_change(session)
    await write_audit(session, actor, "change", "round", round_id, before=before, after=after)
    return await store.find_round(session, round_id)


async def _require_room(
    session: Session, round_id: int, starts_on: date, ends_on: date, *, confirm: bool
) -> None:
    """Passes when schools' own days still make sense, and no result lies outside or that is confirmed. *Errors*: Invalid, ResultsOutside."""
    if schools := await store.windows_outside(session, round_id, starts_on, ends_on):
        rule = "Schools have own days that would begin after they end: #".replace("#", str(schools))
        raise Invalid(faults=(Fault("ends_on", rule, ends_on.isoformat()),))
    if not confirm and (results := await store.results_outside(session, round_id, starts_on, ends_on)):
        raise ResultsOutside(results=results)


async def _live(session: Session, round_id: int) -> Round:
    """The round, held against change and against results that are being entered. *Errors*: NotFound."""
    await store.hold_results(session)
    found = await store.find_round(session, round_id, for_update=True)
    if found.is_deleted:
        raise NotFound
    return found


async def _changeable(session: Session, round_id: int) -> Round:
    """The round, held. *Errors*: NotFound, RoundFrozen."""
    found = await _live(session, round_id)
    if found.state == "frozen":
        raise RoundFrozen
    return found


async def changeable_round(session: Session, round_id: int) -> Round:
    """A round that is not frozen, held against change and against results that are being entered. *Errors*: NotFound, RoundFrozen."""
    return await _changeable(session, round_id)


async def set_round_state(
    session: Session,
    actor: Actor,
    round_id: int,
    *,
    version: int,
    state: str,
    clock: Clock,
    reason: str = "",
    with_open_retests: bool = False,
) -> Round:
    """Opens, closes, reopens or freezes a round. *Errors*: NotFound, NoSuchStep, Stale, Invalid without a reason where one is needed.

    One with open re-tests is frozen only when that is said (RetestsOpen tells how many).
    """
    require(actor, "change", "round")
    if state == "frozen":
        require(actor, "freeze", "round")
    await store.hold_rolls(session)
    found = await _live(session, round_id)
    if (found.state, state) not in STEPS:
        raise NoSuchStep
    if STEPS[found.state, state] and not reason.strip():
        raise Invalid(
            faults=(Fault("reason", "Opening a closed round again, or freezing it, needs a reason"),)
        )
    if not await store.set_state(
        session, round_id, version, before=found.state, state=state, now=clock.now()
    ):
        raise Stale(current=msgspec.to_builtins(found), yours={"version": version, "state": state})
    if state == "open":
        await _tell_if_measured(session, found.language_scale, found.math_scale)
    # Within its days a round that is opened again is measured by who is enrolled now; after them who it is measured by stays.
    if state == "open" and found.roll_at is not None and today(clock) <= found.ends_on:
        await store.loosen_roll(session, round_id)
    after: dict[str, object] = {"state": state}
    if state == "frozen":
        left = await settle_open_retests(session, round_id, clock.now(), is_confirmed=with_open_retests)
        await store.begin_snapshot(session, round_id, person_id=actor.person_id, now=clock.now())
        after |= {"open_retests": msgspec.to_builtins(left)} if left.are_any else {}
    await write_audit(
        session,
        actor,
        "change_state",
        "round",
        round_id,
        before={"state": found.state},
        after=after,
        reason=reason or None,
    )
    changed = await store.find_round(session, round_id)
    if (event := TOLD.get((found.state, state))) is not None:
        about = {"id": round_id, "year": found.year_name, "kind": found.kind, "state": state}
        await tell_webhooks(session, event, {"round": about}, clock.now())
    return changed


async def round_has_results(session: Session, round_id: int) -> bool:
    """Whether anything was entered in a round, so that it can't be removed. *Cost*: one statement."""
    return await store.has_results(session, round_id)


async def delete_round(session: Session, actor: Actor, round_id: int, *, reason: str, clock: Clock) -> None:
    """Takes a round out of use, restorably. *Errors*: NotFound, InUse once it has results, RoundFrozen."""
    require(actor, "delete", "round")
    await _changeable(session, round_id)
    if await store.has_results(session, round_id):
        raise InUse("This round has results, so it can’t be removed.")
    await store.delete_round_row(session, round_id, by=actor.person_id, reason=reason, now=clock.now())
    await write_audit(session, actor, "delete", "round", round_id, reason=reason)


async def restore_round(session: Session, actor: Actor, round_id: int) -> Round:
    """Brings a round back. *Errors*: NotFound; Invalid or AlreadyTaken when another has its days or its kind by now."""
    require(actor, "restore", "round")
    found = await store.find_round(session, round_id, for_update=True)
    year = await _year(session, actor, found.school_year_id)
    await _require_dates(session, found.kind, found.starts_on, found.ends_on, year, round_id=round_id)
    try:
        if not await store.restore_round_row(session, round_id):
            raise NotFound
    except ConstraintViolated as error:
        raise _collision(error, found.kind) from error
    await write_audit(session, actor, "restore", "round", round_id)
    return await store.find_round(session, round_id)


async def list_round_schools(
    session: Session, actor: Actor, round_id: int, page: PageRequest
) -> Page[RoundSchool]:
    """The schools that have their own days or are locked in a round. *Cost*: one statement."""
    require(actor, "lock", "round")
    return await store.page_of_round_schools(session, round_id, page)


async def set_school_dates(
    session: Session,
    actor: Actor,
    round_id: int,
    school_id: int,
    *,
    starts_on: date | None,
    ends_on: date | None,
    confirm: bool = False,
) -> RoundSchool:
    """Gives a school its own days in a round, within its school year (None is the round's).

    *Errors*: NotFound, Invalid; ResultsOutside with their number unless confirmed.
    """
    require(actor, "lock", "round")
    found = await _changeable(session, round_id)
    year = await _year(session, actor, found.school_year_id)
    fault = own_days_fault(
        starts_on or found.starts_on, ends_on or found.ends_on, (year.starts_on, year.ends_on)
    )
    if fault == "ends_before_start":
        raise Invalid(faults=(Fault("ends_on", "Not before the first day", str(ends_on or "")),))
    if fault is not None:
        rule = f"Within the school year, {year.starts_on} to {year.ends_on}"
        raise Invalid(faults=(Fault("starts_on", rule, str(starts_on or found.starts_on)),))
    await school_for_write(session, school_id)
    own = [store.OwnDays(school_id, starts_on, ends_on)]
    outside = await store.results_outside(session, round_id, found.starts_on, found.ends_on, of_schools=own)
    if outside and not confirm:
        raise ResultsOutside(results=outside)
    await store.set_school_dates(session, round_id, school_id, starts_on, ends_on)
    after = {
        "school_id": school_id,
        "starts_on": str(starts_on),
        "ends_on": str(ends_on),
        "results_outside": outside,
    }
    await write_audit(session, actor, "change", "round", round_id, after=after)
    return await _round_school(session, round_id, school_id)


async def set_dates_of_schools(
    session: Session, actor: Actor, round_id: int, days: list[SchoolDates], *, confirm: bool = False
) -> list[DatesAnswer]:
    """What became of each school's days, in order; what is left out of a row stays as it is. *Errors*: NotFound, Invalid, RoundFrozen.

    *Cost*: five statements, and one for each school whose days become fewer while the round has results.
    """
    require(actor, "lock", "round")
    if not 1 <= len(days) <= MAX_SCHOOLS or len({each.school_id for each in days}) != len(days):
        raise Invalid(
            faults=(
                Fault("schools", f"Between 1 and {MAX_SCHOOLS} different schools at once", str(len(days))),
            )
        )
    found = await _changeable(session, round_id)
    year = await _year(session, actor, found.school_year_id)
    present = {
        each.school_id: each
        for each in await store.days_of_schools(
            session, round_id, rows=MAX_SCHOOLS, school_ids=[each.school_id for each in days]
        )
    }
    missing = [each.school_id for each in days if each.school_id not in present]
    if missing:
        told = (Fault("school_id", "There is no such school", str(each)) for each in missing[:20])
        raise Invalid(faults=tuple(told))
    answers: list[DatesAnswer] = []
    for each in days:
        has = present[each.school_id]
        starts_on = has.starts_on if each.starts_on is msgspec.UNSET else each.starts_on
        ends_on = has.ends_on if each.ends_on is msgspec.UNSET else each.ends_on
        code = own_days_fault(
            starts_on or found.starts_on, ends_on or found.ends_on, (year.starts_on, year.ends_on)
        )
        if code is None:
            code = "unchanged" if (starts_on, ends_on) == (has.starts_on, has.ends_on) else "saved"
        if code == "saved" and not confirm:
            own = [store.OwnDays(each.school_id, starts_on, ends_on)]
            if await store.results_outside(session, round_id, found.starts_on, found.ends_on, of_schools=own):
                code = "results_outside"
        answers.append(DatesAnswer(each.school_id, code, starts_on, ends_on))
    await _save_dates(session, actor, round_id, [each for each in answers if each.code == "saved"])
    return answers


async def set_dates_of_place(
    session: Session,
    actor: Actor,
    round_id: int,
    place_id: int,
    *,
    starts_on: date | None,
    ends_on: date | None,
    confirm: bool = False,
) -> list[DatesAnswer]:
    """Gives all schools below a place these days; None leaves each school's as it is. *Errors*: as `set_dates_of_schools`."""
    require(actor, "lock", "round")
    below = await store.days_of_schools(session, round_id, rows=MAX_SCHOOLS + 1, place_id=place_id)
    unset = msgspec.UNSET
    days = [SchoolDates(each.school_id, starts_on or unset, ends_on or unset) for each in below]
    if not days:
        raise Invalid(faults=(Fault("place_id", "There is no school below this place", str(place_id)),))
    return await set_dates_of_schools(session, actor, round_id, days, confirm=confirm)


async def _save_dates(session: Session, actor: Actor, round_id: int, saved: list[DatesAnswer]) -> None:
    if not saved:
        return
    rows = [store.OwnDays(each.school_id, each.starts_on, each.ends_on) for each in saved]
    await store.set_many_dates(session, round_id, rows)
    after = {"schools": msgspec.to_builtins(saved)}
    await write_audit(session, actor, "change", "round", round_id, after=after)


async def _round_school(session: Session, round_id: int, school_id: int) -> RoundSchool:
    return (await store.page_of_round_schools(session, round_id, PageRequest(1), school_id=school_id)).items[
        0
    ]


async def lock_school(
    session: Session, actor: Actor, round_id: int, school_id: int, *, reason: str, clock: Clock
) -> RoundSchool:
    """Locks a school in a round: nothing of it changes any more. *Errors*: NotFound, Invalid without a reason."""
    require(actor, "lock", "round")
    if not reason.strip():
        raise Invalid(faults=(Fault("reason", "A lock needs a reason"),))
    await _changeable(session, round_id)
    await school_for_write(session, school_id)
    await store.lock_school_row(
        session, round_id, school_id, by=actor.person_id, reason=reason.strip()[:200], now=clock.now()
    )
    await write_audit(
        session, actor, "lock", "round", round_id, after={"school_id": school_id}, reason=reason
    )
    return await _round_school(session, round_id, school_id)


async def unlock_school(
    session: Session, actor: Actor, round_id: int, school_id: int, *, reason: str
) -> RoundSchool:
    """Unlocks a school in a round. *Errors*: NotFound when it isn't locked, Invalid without a reason."""
    require(actor, "lock", "round")
    if not reason.strip():
        raise Invalid(faults=(Fault("reason", "Unlocking needs a reason"),))
    await _changeable(session, round_id)
    if await approvals_store.is_approved(session, round_id, school_id):
        raise ApprovalHolds
    if not await store.unlock_school_row(session, round_id, school_id):
        raise NotFound
    await write_audit(
        session, actor, "unlock", "round", round_id, after={"school_id": school_id}, reason=reason
    )
    return await _round_school(session, round_id, school_id)
