"""Drawing schools into two ways of working, and reading out how the same children moved under each."""

from __future__ import annotations

import secrets

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Invalid
from rightlevel.programme.figures.actions import subject_asked
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.rounds import read_round
from rightlevel.programme.trials import store
from rightlevel.programme.trials.drawing import LEAST_SCHOOLS, MAX_SEED, MOST_SCHOOLS, draw
from rightlevel.programme.trials.model import (
    NewTrial,
    ReadOut,
    ReadOutQuery,
    SchoolRow,
    Trial,
    TrialSchool,
    trial_faults,
    way_told,
)
from rightlevel.programme.trials.reading import SchoolSums, difference


class TooFewSchools(Conflict):
    """There are {schools} open schools here. At least {least} are needed, so that a difference can be told from chance."""

    code = "too_few_schools"


class TooManySchools(Conflict):
    """There are more schools here than can be drawn at once. Choose a place."""

    code = "too_many_schools"


async def draw_trial(session: Session, actor: Actor, new: NewTrial, clock: Clock) -> Trial:
    """Draws the open schools of a place into two ways of working, half of each stratum each, and keeps it for good.

    *Errors*: Forbidden, Invalid, TooFewSchools, TooManySchools. *Cost*: five statements, at most 10,000 schools.
    """
    require(actor, "draw", "trial")
    faults = trial_faults(new)
    if new.place_id is not None and not await store.place_is_there(session, new.place_id):
        faults.append(Fault("place_id", "There is no such place", str(new.place_id)))
    if faults:
        raise Invalid(faults=tuple(faults))
    schools = await store.eligible_schools(session, new)
    if len(schools) > MOST_SCHOOLS:
        raise TooManySchools
    if len(schools) < LEAST_SCHOOLS:
        raise TooFewSchools(schools=len(schools), least=LEAST_SCHOOLS)
    seed = secrets.randbelow(MAX_SEED) if new.seed is None else new.seed
    named = {field: getattr(new, field).strip() for field in ("name", "way_a", "way_b")}
    new = msgspec.structs.replace(new, **named)
    trial_id = await store.insert_trial(
        session, new, seed, draw(schools, seed), by=actor.person_id, now=clock.now()
    )
    found = await store.find_trial(session, trial_id)
    after = msgspec.structs.asdict(new) | {
        "seed": seed,
        "schools_a": found.schools_a,
        "schools_b": found.schools_b,
    }
    await write_audit(session, actor, "draw", "trial", trial_id, after=after)
    return found


async def list_trials(session: Session, actor: Actor, page: PageRequest) -> Page[Trial]:
    """Every draw that was made, the last first: nobody draws until they like it without that being seen. *Cost*: one statement."""
    require(actor, "read", "trial")
    return await store.page_of_trials(session, page)


async def read_trial(session: Session, actor: Actor, trial_id: int) -> Trial:
    """One draw. *Errors*: NotFound."""
    require(actor, "read", "trial")
    return await store.find_trial(session, trial_id)


async def list_trial_schools(
    session: Session, actor: Actor, trial_id: int, page: PageRequest
) -> Page[TrialSchool]:
    """The schools of a draw, each with its way. *Errors*: NotFound. *Cost*: two statements."""
    require(actor, "read", "trial")
    await store.find_trial(session, trial_id)
    return await store.page_of_schools(session, trial_id, page)


async def read_out(session: Session, actor: Actor, trial_id: int, asked: ReadOutQuery) -> ReadOut:
    """How much more the same children moved under the second way than under the first, with its 95 % interval.

    Schools count by the way they were drawn into, whatever they did (intention to treat), and children where they sat in the first round.
    *Errors*: Forbidden, NotFound, Invalid. *Cost*: four statements over kept counts, the same for any number of children.
    """
    require(actor, "read", "trial")
    trial = await store.find_trial(session, trial_id)
    rows = await school_rows(session, actor, trial_id, asked)
    ways = ([each for each in rows if not each.is_b], [each for each in rows if each.is_b])
    sums = [SchoolSums(each.school_id, each.stratum_id, each.is_b, each.matched, each.shift) for each in rows]
    return ReadOut(trial, way_told(trial.way_a, ways[0]), way_told(trial.way_b, ways[1]), difference(sums))


async def school_rows(session: Session, actor: Actor, trial_id: int, asked: ReadOutQuery) -> list[SchoolRow]:
    """What is counted of each school of a draw. *Errors*: Forbidden, NotFound, Invalid."""
    require(actor, "read", "trial")
    subject_asked(asked.subject)
    earlier = await read_round(session, actor, asked.round_id)
    later = await read_round(session, actor, asked.later_round_id)
    if earlier.starts_on >= later.starts_on:
        raise Invalid(faults=(Fault("later_round_id", "Later than the first round", str(later.id)),))
    return await store.sums_by_school(session, trial_id, asked)
