"""Who a child was is erased for good, and every count stays exactly what it is."""

from __future__ import annotations

from flatwater.clock import Clock
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.enrolments import store
from rightlevel.programme.enrolments.forgetting import answer_instead
from rightlevel.programme.errors import Conflict, Fault, Invalid, NotFound, RoundSealing, reason_faults
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.permissions import Actor, require
from rightlevel.programme.rounds import amending
from rightlevel.programme.students import changing, code_form, name_key

SHORTEST_PART = 3
"""Shorter parts of a name are words of every other sentence."""


class MergedAway(Conflict):
    """This record was merged into another one. Erase that one: both go together."""

    code = "merged_away"


class AlreadyErased(Conflict):
    """Who this child was has been erased already."""

    code = "already_erased"


async def erase_identity(
    session: Session, actor: Actor, student_id: str, *, confirmation: str, reason: str, clock: Clock
) -> None:
    """Takes name, code, birth, guardian, notes and written words of a child, and of what was merged into it, out of everything.

    Of its codes a digest stays, tied to the school and not to the child, so that an old roster which names one adds nobody.
    What figures count by (school, year, grade, sex, status, outcomes and levels) stays. The audit says who did it and when.
    It is not undone: backups from before hold it until they are thrown away.
    *Errors*: Forbidden for all but admins; NotFound, AlreadyErased, MergedAway, RoundSealing; Invalid unless `confirmation` is the
    child's code and the reason says neither its name nor its code. *Cost*: 18 statements; reads every receipt and import fault once.
    """
    require(actor, "erase", "student")
    identities = await store.hold_identity(session, student_id) if is_uuid(student_id) else []
    own = next((each for each in identities if each.id == student_id.lower()), None)
    if own is None:
        raise NotFound
    if own.is_erased:
        raise AlreadyErased
    if own.merged_into is not None:
        raise MergedAway
    _check(own, confirmation, reason)
    # Notes are part of what a frozen round's snapshot holds the hash of; the amendment says why it changed, and no more.
    await amending(session, actor, "erasure of a child's identity")
    await changing(session, actor, "erase")
    try:
        async with session.savepoint():
            await store.erase(session, identities, clock.now())
    except ConstraintViolated as error:
        if error.constraint != "round_is_sealing":
            raise
        raise RoundSealing from error
    await store.forget_answers(session, [each.id for each in identities], answer_instead(), narrow=False)
    after = {"records": len(identities)}
    await write_audit(session, actor, "erase", "student", own.id, after=after, reason=reason.strip())


def _check(own: store.Identity, confirmation: str, reason: str) -> None:
    faults = reason_faults(reason)
    if code_form(confirmation) != own.code:
        faults.append(Fault("confirmation", "The child's code, exactly"))
    said = name_key(reason).split()
    known = [own.name, *own.former]
    parts = [each for name in known for each in name_key(name).split() if len(each) >= SHORTEST_PART]
    if any(part in word for part in parts for word in said) or own.code.casefold() in said:
        faults.append(Fault("reason", "Without the child's name or code: the reason is kept"))
    if faults:
        raise Invalid(faults=tuple(faults))
