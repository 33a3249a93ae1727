"""People of a file: accounts made without a password, changed, switched on and off, as on the page of people.

The permission table and who stands above whom judge each row; nobody's file touches their own account.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from flatwater.transaction import Session
from rightlevel.programme.accounts import (
    NewPerson,
    Person,
    PersonChange,
    change_person,
    create_person,
    delete_person,
    read_person,
    restore_person,
    set_active,
)
from rightlevel.programme.exchange.row_deeds import (
    QUERIES,
    UNCHANGED,
    Asking,
    Done,
    Kept,
    Row,
    RowKind,
    StandsOn,
    differing,
    wrong,
)
from rightlevel.programme.languages import SOURCE

WHY_UNDONE: Final = "Import undone"


class _Found(msgspec.Struct, frozen=True):
    person_id: int | None
    display_name: str | None
    role: str | None
    email: str | None
    language: str | None
    is_active: bool | None
    version: int | None
    is_deleted: bool
    was_undone: bool | None
    """Whether it is deleted since the import that brought it was undone."""
    assignments: list[int]
    """Those that are not ended."""


async def _look_up(session: Session, _asking: Asking, rows: Sequence[Row]) -> list[_Found]:
    values = {"usernames": [row.cells["username"] for row in rows], "undone": WHY_UNDONE}
    return await session.fetch_all(QUERIES["look_up_people"], values, into=_Found)


async def _do(session: Session, asking: Asking, row: Row, found: _Found) -> Done:
    if found.person_id is None:
        return await _add(session, asking, row)
    if found.was_undone:
        return await _bring_back(session, asking, row, found.person_id)
    if found.is_deleted:
        rule = "An account with this name was deleted: restore it, or choose another name"
        raise wrong("username", rule, row.cells["username"])
    before, after = differing(msgspec.structs.asdict(found), _wanted(asking, row))
    if not after:
        return UNCHANGED
    if found.person_id == asking.actor.person_id:
        raise wrong("username", "Nobody changes their own account by a file", row.cells["username"])
    version = found.version or 0
    said = {name: value for name, value in after.items() if name != "is_active"}
    if said:
        change = PersonChange(version, **_fields(said))
        version = (await change_person(session, asking.actor, found.person_id, change, asking.clock)).version
    kept: list[Kept] = []
    if "is_active" in after:
        if not after["is_active"]:
            # They end with the account and come back with it; what opened it (sessions, tokens, codes) doesn't.
            kept = [Kept("assignment", each, before={"ended_at": None}) for each in found.assignments]
        switched = await set_active(
            session, asking.actor, found.person_id, is_active=after["is_active"], clock=asking.clock
        )
        version = switched.version
    kept.append(Kept("person", found.person_id, version, before=before))
    return Done("changed", before, after, tuple(kept))


def _wanted(asking: Asking, row: Row) -> dict[str, Any]:
    """What the file says of somebody who is there; a blank language, and a blank whether they are in use, say nothing."""
    cells = row.cells
    wanted = {"display_name": cells["display_name"], "role": cells["role"]}
    if "email" in asking.mapped:
        wanted["email"] = cells["email"]
    return wanted | {name: cells[name] for name in ("language", "is_active") if cells[name] is not None}


async def _add(session: Session, asking: Asking, row: Row) -> Done:
    cells = row.cells
    new = NewPerson(
        cells["username"],
        cells["display_name"],
        cells["role"],
        email=cells["email"],
        language=cells["language"] or SOURCE,
    )
    person = await create_person(session, asking.actor, new, password_hash=None)
    return await _added(session, asking, row, person)


async def _bring_back(session: Session, asking: Asking, row: Row, person_id: int) -> Done:
    """The account that an earlier import brought and that went with its undoing: the same one comes again, as the file says it now."""
    cells = row.cells
    person = await restore_person(session, asking.actor, person_id)
    change = PersonChange(
        person.version,
        display_name=cells["display_name"],
        email=row.text("email"),
        role=cells["role"],
        language=cells["language"] or SOURCE,
    )
    person = await change_person(session, asking.actor, person_id, change, asking.clock)
    return await _added(session, asking, row, person)


async def _added(session: Session, asking: Asking, row: Row, person: Person) -> Done:
    is_active = row.cells["is_active"] is not False
    if is_active != person.is_active:
        person = await set_active(session, asking.actor, person.id, is_active=is_active, clock=asking.clock)
    names = ("role", "email", "language", "is_active")
    after = {name: getattr(person, name) for name in names if getattr(person, name) is not None}
    return Done("new", {}, after, (Kept("person", person.id, person.version, is_new=True),))


async def undo_person(session: Session, asking: Asking, kept: Kept) -> None:
    """Takes an account away that a file made, or puts it back as it was. *Errors*: StandsOn, Forbidden, those of `change_person`."""
    person = await read_person(session, asking.actor, kept.thing_id)
    if person.version != kept.version or person.is_deleted:
        raise StandsOn("This account was changed since")
    if kept.is_new:
        await _remove(session, asking, kept.thing_id)
        return
    if "is_active" in kept.before:
        person = await set_active(
            session, asking.actor, person.id, is_active=kept.before["is_active"], clock=asking.clock
        )
    fields = {name: value for name, value in kept.before.items() if name != "is_active"}
    if fields:
        change = PersonChange(person.version, **_fields(fields))
        await change_person(session, asking.actor, person.id, change, asking.clock)


def _fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as a change takes them: no e-mail is an empty one."""
    return fields | ({"email": fields["email"] or ""} if "email" in fields else {})


class _Standing(msgspec.Struct, frozen=True):
    was_assigned: bool
    has_keys: bool


async def _remove(session: Session, asking: Asking, person_id: int) -> None:
    """Takes an account out of use that nobody has used yet; a file that brings it again brings this very one back.

    Its row stays: the audit names it, and the database would look through every table in which somebody's work stands, results among them.
    """
    stands = await session.fetch_one(QUERIES["what_stands_on_person"], {"id": person_id}, into=_Standing)
    if stands is not None and stands.was_assigned:
        raise StandsOn("This person is or was assigned to a school")
    if stands is None or stands.has_keys:
        raise StandsOn("This account has a code or was used since")
    await delete_person(session, asking.actor, person_id, reason=WHY_UNDONE, clock=asking.clock)


PEOPLE = RowKind("make_staged_people", _look_up, _do, key="username")
