"""What is asked about progress."""

from __future__ import annotations

from collections.abc import Sequence

from flatwater.transaction import Session
from rightlevel.programme.errors import Invalid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.progress import store
from rightlevel.programme.progress.model import ClassProgress, within

MOST_SCHOOLS = 50


async def class_progress(
    session: Session, actor: Actor, school_ids: Sequence[int], round_id: int
) -> list[ClassProgress]:
    """The classes of some schools, each in the subjects within the actor's reach, by school, grade and section.

    *Errors*: Forbidden, Invalid for more than 50 schools. *Cost*: one statement that reads those schools' children.
    """
    require(actor, "read", "result")
    if len(school_ids) > MOST_SCHOOLS:
        raise Invalid
    reached = [each for each in school_ids if actor.scope.reaches_school(each)]
    return within(await store.read_class_progress(session, reached, round_id), actor.scope) if reached else []
