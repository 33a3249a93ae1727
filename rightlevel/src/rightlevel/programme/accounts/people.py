"""What is done to accounts: make, change, switch off, remove, bring back, give a new password."""

from __future__ import annotations

import msgspec

from flatwater.clock import Clock
from flatwater.paging import Page, PageRequest
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.accounts import keys_store, store
from rightlevel.programme.accounts.model import (
    PIN_ROLES,
    LastAdmin,
    NewPerson,
    Person,
    PersonChange,
    check_new_person,
    check_person_change,
    language_faults,
    require_manage,
)
from rightlevel.programme.accounts.scopes import end_assignments_of
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import AlreadyTaken, Fault, Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.languages import SOURCE, is_offered
from rightlevel.programme.permissions import RANK, Actor, Role, allowed, require


async def create_person(
    session: Session, actor: Actor | None, new: NewPerson, *, password_hash: str | None
) -> Person:
    """A new account. `actor` is None only for the command line. *Errors*: Invalid, Forbidden, AlreadyTaken."""
    role = check_new_person(new)
    if actor is not None:
        require(actor, "create", "person")
        require_manage(actor, role)
    if new.language != SOURCE:
        await _require_offered(session, new.language)
    try:
        person_id = await store.insert_person(
            session,
            username=new.username,
            email=new.email or None,
            display_name=new.display_name.strip(),
            role=role,
            password_hash=password_hash,
            language=new.language,
            created_by=actor.person_id if actor else None,
            password_from=actor.role if actor and password_hash else None,
        )
    except ConstraintViolated as error:
        raise _taken(error, new.username) from error
    person = await store.find_person(session, person_id)
    await write_audit(session, actor, "create", "person", person_id, after=msgspec.to_builtins(person))
    return person


def _taken(error: ConstraintViolated, username: str) -> AlreadyTaken:
    field = "email" if error.constraint == "person_email_is_unique" else "username"
    return AlreadyTaken(faults=(Fault(field, "Somebody has this already", username),))


async def list_people(
    session: Session,
    actor: Actor,
    page: PageRequest,
    *,
    role: str | None = None,
    search: str | None = None,
    deleted: bool = False,
) -> Page[Person]:
    """Accounts by name. *Cost*: one statement."""
    require(actor, "read", "person")
    return await store.page_of_people(session, page, role=role, search=search, deleted=deleted)


async def read_person(session: Session, actor: Actor, person_id: int) -> Person:
    """One account; anybody may read their own. *Errors*: NotFound, Forbidden."""
    if person_id != actor.person_id:
        require(actor, "read", "person")
    return await store.find_person(session, person_id)


async def change_person(
    session: Session, actor: Actor, person_id: int, change: PersonChange, clock: Clock
) -> Person:
    """Changes name, e-mail, language or role. *Errors*: Stale, Invalid, Forbidden, LastAdmin, AlreadyTaken.

    With a higher role ends what somebody below it may know: a password, code or PIN that they gave and all that it opened. The person then
    needs a one-time code from above. A lower role ends sessions, tokens, codes, PIN and calendar links; the password stays.
    """
    person = await manageable(session, actor, "change", person_id)
    fields = check_person_change(person, change, actor)
    if person.role == "admin" and fields["role"] != "admin":
        await _require_another_admin(session, person_id)
    if fields["language"] != person.language:
        await _require_offered(session, fields["language"])
    try:
        changed = await store.change_person_row(session, person_id, change.version, fields)
    except ConstraintViolated as error:
        raise _taken(error, str(fields["email"])) from error
    if not changed:
        raise Stale(current=msgspec.to_builtins(person), yours=msgspec.to_builtins(change))
    if person.role != fields["role"]:
        await _fit_keys_to_role(session, person, fields["role"], clock)
    before = {name: getattr(person, name) for name in fields}
    await write_audit(session, actor, "change", "person", person_id, before=before, after=fields)
    return await store.find_person(session, person_id)


async def _fit_keys_to_role(session: Session, person: Person, role: Role, clock: Clock) -> None:
    """Whoever may change more signs in with more, and with nothing that somebody below gave them."""
    if RANK[role] < RANK[person.role]:
        await end_everything(session, person.id, clock)
        return
    keys = await keys_store.key_origins(session, person.id)
    if keys.has_password and not _is_from_above(keys.password_from, role):
        # Who knew the password may have opened sessions, made tokens and enrolled a second factor with it.
        await keys_store.do(session, "forget_password", person_id=person.id)
        await keys_store.do(session, "forget_factor", person_id=person.id)
        await end_everything(session, person.id, clock)
        return
    if keys.has_code and not _is_from_above(keys.code_from, role):
        await keys_store.do(session, "forget_code", person_id=person.id)
    if keys.has_pin and (
        role not in PIN_ROLES or not (keys.is_own_pin or _is_from_above(keys.pin_from, role))
    ):
        await keys_store.do(session, "forget_pin", person_id=person.id)
        await keys_store.do(session, "end_pin_sessions", person_id=person.id)
    if role == "admin":
        await store.end_sessions_of(session, person.id)


def _is_from_above(role_of_giver: Role | None, role: Role) -> bool:
    """Whether whoever gave a key stands above the role that it opens; the command line stands above all."""
    return role_of_giver is None or role_of_giver == "admin" or RANK[role_of_giver] > RANK[role]


async def set_active(
    session: Session, actor: Actor, person_id: int, *, is_active: bool, clock: Clock
) -> Person:
    """Switches an account on or off; off ends all its sessions, tokens, codes and assignments at once. *Errors*: Forbidden, LastAdmin.

    A school whose only teacher is switched off is without one; whoever is switched on again is assigned anew.
    """
    person = await manageable(session, actor, "change", person_id)
    ended: dict[str, list[int]] = {}
    if not is_active:
        await _require_removable(session, actor, person)
        await end_everything(session, person_id, clock)
        ended = await end_assignments_of(session, clock.now(), person_id=person_id)
    await store.set_active_flag(session, person_id, is_active=is_active)
    deed = "activate" if is_active else "deactivate"
    await write_audit(session, actor, deed, "person", person_id, after=ended or None)
    return await store.find_person(session, person_id)


async def delete_person(session: Session, actor: Actor, person_id: int, *, reason: str, clock: Clock) -> None:
    """Takes an account out of use, restorably, and ends its sessions. *Errors*: Forbidden, LastAdmin."""
    person = await manageable(session, actor, "delete", person_id)
    await _require_removable(session, actor, person)
    if not await store.delete_person_row(
        session, person_id, by=actor.person_id, reason=reason, now=clock.now()
    ):
        raise NotFound
    await end_everything(session, person_id, clock)
    ended = await end_assignments_of(session, clock.now(), person_id=person_id)
    await write_audit(session, actor, "delete", "person", person_id, after=ended or None, reason=reason)


async def end_everything(
    session: Session,
    person_id: int,
    clock: Clock,
    *,
    kept_session: str | None = None,
    kept_device: str = "",
) -> None:
    """Ends at once, everywhere, what opens an account beside its password: the one function that knows all of it.

    Sessions, tokens, the one-time code, the PIN, calendar links and known devices; live streams end with the session they read. One session
    and device may stay: those in which the person does this.
    """
    await store.end_sessions_of(session, person_id, kept_id=kept_session)
    await keys_store.do(session, "revoke_tokens_of", person_id=person_id, now=clock.now())
    await keys_store.do(session, "forget_code", person_id=person_id)
    await keys_store.do(session, "forget_pin", person_id=person_id)
    await keys_store.do(session, "end_calendar_links", person_id=person_id, now=clock.now())
    await keys_store.do(session, "forget_known_devices", person_id=person_id, kept=kept_device)


async def restore_person(session: Session, actor: Actor, person_id: int) -> Person:
    """Brings a deleted account back. *Errors*: AlreadyTaken when its name was given away meanwhile."""
    person = await manageable(session, actor, "restore", person_id)
    try:
        if not await store.restore_person_row(session, person_id):
            raise NotFound
    except ConstraintViolated as error:
        raise _taken(error, person.username) from error
    await write_audit(session, actor, "restore", "person", person_id)
    return await store.find_person(session, person_id)


async def reset_password(
    session: Session, actor: Actor | None, person_id: int, *, password_hash: str, clock: Clock
) -> Person:
    """Sets the password of somebody below and ends all that opened their account. `actor` is None only for the command line.

    People do this with a one-time code (`reset_with_code`), so that nobody but its owner ever knows a password.
    """
    person = (
        await manageable(session, actor, "change", person_id)
        if actor is not None
        else await store.find_person(session, person_id)
    )
    await store.set_password_hash(session, person_id, password_hash)
    role = actor.role if actor is not None else None
    await keys_store.do(session, "keep_password_from", person_id=person_id, role=role)
    await end_everything(session, person_id, clock)
    await write_audit(session, actor, "reset_password", "person", person_id)
    return person


async def choose_language(session: Session, actor: Actor, language: str) -> None:
    """Keeps the language in which the actor reads. *Errors*: Invalid for one that there is not."""
    require(actor, "manage", "self")
    if faults := language_faults(language):
        raise Invalid(faults=tuple(faults))
    await _require_offered(session, language)
    await store.set_language(session, actor.person_id, language)
    before, after = {"language": actor.language}, {"language": language}
    await write_audit(
        session, actor, "choose_language", "person", actor.person_id, before=before, after=after
    )


async def _require_offered(session: Session, language: str) -> None:
    """Passes for a language that pages are offered in. *Errors*: Invalid. *Cost*: one statement."""
    if not await is_offered(session, language):
        raise Invalid(faults=(Fault("language", "Pages are not offered in this language", language[:20]),))


async def choose_digits(session: Session, actor: Actor, *, has_own_digits: bool) -> None:
    """Keeps whether the actor reads digits in their language's own script, or 0 to 9. *Cost*: two statements."""
    require(actor, "manage", "self")
    await store.set_digits(session, actor.person_id, is_own=has_own_digits)
    before, after = {"has_own_digits": actor.has_own_digits}, {"has_own_digits": has_own_digits}
    await write_audit(session, actor, "change", "person", actor.person_id, before=before, after=after)


async def require_still(
    session: Session, actor: Actor, action: str, resource: str, *, hold: bool = False
) -> None:
    """Passes when the account is still in use, and its role is no lower than it was and still allows this: for work that goes on long after the request that began it.

    `hold` keeps the account as it is until the transaction ends, so it belongs to the last moment. *Errors*: Forbidden. *Cost*: one statement.
    """
    now = await store.standing_of(session, actor.person_id, hold=hold)
    is_lower = now is not None and RANK[now.role] < RANK[actor.role]
    if now is None or not now.is_in_use or is_lower or not allowed(now.role, action, resource):
        raise Forbidden("You may not do this any more, so it was not done.")


async def manageable(session: Session, actor: Actor, action: str, person_id: int) -> Person:
    """The account, locked, if this actor stands above it (or it is their own)."""
    require(actor, action, "person")
    person = await store.find_person(session, person_id, for_update=True)
    if person.id != actor.person_id:
        require_manage(actor, person.role)
    return person


async def _require_removable(session: Session, actor: Actor, person: Person) -> None:
    if person.role == "admin":
        await _require_another_admin(session, person.id)
    if person.id == actor.person_id:
        raise Forbidden("Nobody removes their own account.")


async def _require_another_admin(session: Session, person_id: int) -> None:
    if not set(await store.admins_in_use(session)) - {person_id}:
        raise LastAdmin
