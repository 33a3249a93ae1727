"""The grades that the programme works with."""

from __future__ import annotations

from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.schools import store

LOWEST, HIGHEST = 1, 12


async def change_grades(session: Session, actor: Actor, grades: list[int]) -> list[int]:
    """Sets the grades, in order and each once. *Errors*: Forbidden, Invalid. Children and classes of other
    grades stay as they are and can still be corrected: only a grade that changes is judged by today's."""
    require(actor, "change", "setting")
    wanted = sorted(set(grades))
    if not wanted or not all(LOWEST <= grade <= HIGHEST for grade in wanted):
        raise Invalid(
            faults=(Fault("grades", f"At least one, each between {LOWEST} and {HIGHEST}", str(grades)[:60]),)
        )
    before = await store.read_grades(session)
    await store.save_grades(session, wanted)
    await write_audit(
        session, actor, "change", "setting", "grades", before={"grades": before}, after={"grades": wanted}
    )
    return wanted
