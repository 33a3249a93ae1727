"""What is done to scales: begin a draft, change it, publish, retire; and how a process learns of it."""

from __future__ import annotations

import msgspec

from flatwater.clock import Clock
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import AlreadyTaken, Conflict, Fault, Invalid, NotFound, Stale
from rightlevel.programme.languages import list_languages, tell_of_change
from rightlevel.programme.levels import (
    FIRST_KEYS,
    Threshold,
    known_scales,
    learn_scale,
    measured,
)
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject, require
from rightlevel.programme.scales import store
from rightlevel.programme.scales.model import (
    MOST_DRAFTS,
    MOST_PUBLISHED,
    KeptScales,
    NewScale,
    ScaleChange,
    ScaleRow,
    ScaleSearch,
    ScaleShown,
    ScaleText,
    scale_faults,
)


class ScaleIsKept(Conflict):
    """A published scale never changes: copy it, and change the copy."""

    code = "scale_is_kept"


class TooManyScales(Conflict):
    """There are as many versions of scales as there may be."""

    code = "too_many_scales"


class ScaleInUse(Conflict):
    """The program’s own scale is not retired."""

    code = "scale_stays"


async def learn_scales(session: Session, kept: KeptScales, *, mark: str | None = None) -> None:
    """Takes what the database says of scales, where `mark` is another than the one known; from here on whoever works in this context knows it.

    *Cost*: two or three statements when it is another mark, else none.
    """
    if mark is None or mark != kept.mark:
        known = [each.key for subject in SUBJECTS for each in known_scales(subject)]
        for scale in await store.unknown_scales(session, known):
            learn_scale(scale)
        kept.measured = await store.read_measured(session)
        kept.mark = mark or kept.mark
    measured.set(kept.measured)


async def list_scales(session: Session, actor: Actor, asked: ScaleSearch) -> list[ScaleRow]:
    """Every version of every scale, the program's own first. *Cost*: one statement."""
    require(actor, "read", "scale")
    return await store.list_scales(session, asked)


async def read_scale(session: Session, actor: Actor, key: str) -> ScaleShown:
    """One version of a scale. *Errors*: NotFound, also for a draft of those who may not change one. *Cost*: one statement."""
    require(actor, "read", "scale")
    found = await store.find_scale(session, key)
    if found.row.state == "draft":
        require(actor, "change", "scale")
    return found


async def start_scale(session: Session, actor: Actor, new: NewScale, clock: Clock) -> ScaleShown:
    """A draft: a copy of a version, or what a file or program says; of a name that there is it becomes the next version.

    *Errors*: Forbidden, NotFound, Invalid with every fault, AlreadyTaken where the name has a draft, TooManyScales. *Cost*: six statements.
    """
    require(actor, "change", "scale")
    if new.copy_of is not None and new.text is not None:
        raise Invalid(faults=(Fault("copy_of", "Either a scale to copy or the text of one"),))
    if (await store.count_scales(session)).drafts >= MOST_DRAFTS:
        raise TooManyScales
    text = new.text or (await store.find_scale(session, new.copy_of or FIRST_KEYS["language"])).text
    if new.name is not None and new.name.strip():
        text = msgspec.structs.replace(text, name=new.name.strip())
    if faults := scale_faults(text):
        raise Invalid(faults=tuple(faults))
    try:
        key = await store.insert_scale(session, text, person_id=actor.person_id, now=clock.now())
    except ConstraintViolated as error:
        if error.constraint in ("scale_one_draft", "scale_version_is_unique"):
            raise AlreadyTaken(faults=(Fault("name", "This name has a draft already", text.name),)) from error
        raise
    await write_audit(session, actor, "create", "scale", key, after=_told(text))
    return await store.find_scale(session, key)


async def change_scale(
    session: Session, actor: Actor, key: str, change: ScaleChange, clock: Clock
) -> ScaleShown:
    """A draft from now on. *Errors*: Forbidden, NotFound, Invalid by field, ScaleIsKept, Stale with both. *Cost*: six statements."""
    require(actor, "change", "scale")
    there = await store.find_scale(session, key, for_update=True)
    if there.row.state != "draft":
        raise ScaleIsKept
    if change.text.subject != there.row.subject or change.text.name.strip() != there.row.name:
        raise Invalid(
            faults=(Fault("name", "A draft keeps its subject and its name", change.text.name[:60]),)
        )
    if faults := scale_faults(change.text):
        raise Invalid(faults=tuple(faults))
    if not await store.change_scale(
        session, key, change.text, edited=change.edited, person_id=actor.person_id, now=clock.now()
    ):
        raise Stale(current=msgspec.to_builtins(there), yours=msgspec.to_builtins(change))
    await write_audit(
        session, actor, "change", "scale", key, before=_told(there.text), after=_told(change.text)
    )
    return await store.find_scale(session, key)


async def publish_scale(session: Session, actor: Actor, key: str, clock: Clock, *, edited: int) -> ScaleShown:
    """A draft becomes a version that never changes again, and that rounds may be measured by. Each rung needs a label in each language
    that pages are offered in, and every tool as many items as are asked.

    *Errors*: Forbidden, NotFound, Invalid by field, ScaleIsKept, Stale, TooManyScales. *Cost*: nine statements.
    """
    require(actor, "publish", "scale")
    there = await store.find_scale(session, key, for_update=True)
    if there.row.state != "draft":
        raise ScaleIsKept
    languages = [each.code for each in await list_languages(session, actor) if each.is_offered]
    faults = scale_faults(there.text, languages)
    faults += _item_faults(there.text, await store.items_of_tools(session, there.row.subject))
    if faults:
        raise Invalid(faults=tuple(faults))
    if (await store.count_scales(session)).published >= MOST_PUBLISHED:
        raise TooManyScales
    return await _become(session, actor, there, "published", edited=edited, clock=clock)


def _item_faults(text: ScaleText, items: dict[str, int]) -> list[Fault]:
    """Where a test would ask more than a tool shows."""
    faults: list[Fault] = []
    for task, threshold in (text.climb.thresholds or {}).items():
        shown = items.get("paragraph" if task == "paragraph_again" else task)
        if shown is not None and threshold.most_mistakes is None and threshold.items > shown:
            rule = f"At most {shown} items: a tool shows no more"
            faults.append(Fault(f"climb.thresholds.{task}", rule, str(threshold.items)))
    return faults


async def retire_scale(session: Session, actor: Actor, key: str, clock: Clock, *, edited: int) -> ScaleShown:
    """A version that no new round is measured by; those that are stay so. *Errors*: Forbidden, NotFound, ScaleInUse, Stale. *Cost*: five statements."""
    require(actor, "publish", "scale")
    there = await store.find_scale(session, key, for_update=True)
    if not there.row.is_own or there.row.state != "published":
        raise ScaleInUse
    return await _become(session, actor, there, "retired", edited=edited, clock=clock)


async def _become(
    session: Session, actor: Actor, there: ScaleShown, state: str, *, edited: int, clock: Clock
) -> ScaleShown:
    row = there.row
    if not await store.set_state(
        session,
        row.key,
        before=row.state,
        state=state,
        edited=edited,
        person_id=actor.person_id,
        now=clock.now(),
    ):
        raise Stale(current=msgspec.to_builtins(row), yours={"edited": edited})
    await tell_of_change(session)
    await write_audit(
        session, actor, "publish", "scale", row.key, before={"state": row.state}, after={"state": state}
    )
    return await store.find_scale(session, row.key)


async def drop_draft(session: Session, actor: Actor, key: str) -> None:
    """Takes a draft away for good. *Errors*: Forbidden, NotFound, ScaleIsKept. *Cost*: four statements."""
    require(actor, "change", "scale")
    there = await store.find_scale(session, key, for_update=True)
    if not await store.drop_scale(session, key):
        raise ScaleIsKept
    await write_audit(session, actor, "delete", "scale", key, before=_told(there.text))


async def require_chosen(session: Session, subject: Subject, key: str) -> None:
    """Passes where a round may be measured by a scale. *Errors*: Invalid. *Cost*: one statement, none for the program's own."""
    if key == FIRST_KEYS[subject]:
        return
    fault = Fault(f"{subject}_scale", "A published scale of this subject", key[:60])
    try:
        found = (await store.find_scale(session, key)).row
    except NotFound as error:
        raise Invalid(faults=(fault,)) from error
    if found.subject != subject or found.state != "published":
        raise Invalid(faults=(fault,))


def _told(text: ScaleText) -> dict[str, object]:
    """What the audit keeps of a scale: its name, rungs and labels."""
    return {
        "name": text.name,
        "subject": text.subject,
        "rungs": [f"{rung.code} {rung.colour} {rung.labels.get('en', '')}" for rung in text.rungs],
    }


def needed_items(subject: Subject, thresholds: dict[str, Threshold]) -> dict[str, Threshold]:
    """What a tool has to show: for each task the most that any scale of the subject asks, and that the whole programme does."""
    most = dict(thresholds)
    for scale in known_scales(subject):
        for task, threshold in (scale.thresholds or {}).items():
            if task in most and threshold.items > most[task].items:
                most[task] = threshold
    return most
