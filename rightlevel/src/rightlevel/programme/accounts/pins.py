"""PINs of six digits for people who don't type well: good only on a device that is linked to one of their schools."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Final

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store
from rightlevel.programme.accounts.model import PIN_ROLES, Person
from rightlevel.programme.accounts.passwords import PasswordHasher
from rightlevel.programme.accounts.people import manageable
from rightlevel.programme.accounts.store import find_person
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Forbidden, Invalid
from rightlevel.programme.permissions import Actor, require

DEADLINE_S: Final = 5.0
PIN_DIGITS: Final = 6
OFTEN_CHOSEN: Final = frozenset(
    {"123321", "102030", "147258", "258369", "159753", "112358", "147852", "131420", "520131"}
)
"""*Source*: the commonest of published lists of six-digit PINs that the rules below don't catch."""


class NoPinHere(Conflict):
    """A PIN is for teachers and mentors without a second factor."""

    code = "no_pin_here"


def pin_of(text: str) -> str:
    """The digits that were typed, in any script; empty for anything else."""
    plain = "".join(text.split())
    is_pin = len(plain) == PIN_DIGITS and plain.isdecimal()
    return "".join(str(int(each)) for each in plain) if is_pin else ""


def pin_faults(text: str) -> list[Fault]:
    """What is wrong with a PIN: not six digits, or one that is guessed first."""
    pin = pin_of(text)
    if not pin:
        return [Fault("pin", "Six digits")]
    return [Fault("pin", "Too easy to guess: choose other digits")] if _is_trivial(pin) else []


def _is_trivial(pin: str) -> bool:
    digits = [int(each) for each in pin]
    steps = {(after - before) % 10 for before, after in pairwise(digits)}
    return (
        len(set(digits)) < 3
        or len(steps) == 1  # 123456, 987654, 135791
        or pin[:3] == pin[3:]
        or all(pin[at] == pin[at + 1] for at in (0, 2, 4))  # 112233
        or pin in OFTEN_CHOSEN
        or pin[::-1] in OFTEN_CHOSEN
    )


def generate_pin() -> str:
    """A PIN that is not trivial, to be told to its owner."""
    while True:
        pin = f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"
        if not _is_trivial(pin):
            return pin


async def choose_pin(
    database: Database,
    passwords: PasswordHasher,
    clock: Clock,
    actor: Actor,
    *,
    pin: str,
    keep: Callable[[Session, None], Awaitable[None]] | None = None,
) -> None:
    """Sets one's own PIN; `keep` is done last in the same transaction.

    *Errors*: Invalid for a trivial one, NoPinHere, Forbidden in a session that a PIN opened.
    """
    require(actor, "manage", "self")
    if actor.is_by_pin or actor.session_id is None:
        raise Forbidden("Sign in with your password to do this.")
    if faults := pin_faults(pin):
        raise Invalid(faults=tuple(faults))
    pin_hash = await passwords.hash(pin_of(pin))

    async def settle(session: Session) -> None:
        person = await find_person(session, actor.person_id, for_update=True)
        await _keep(session, actor, person=person, pin_hash=pin_hash, clock=clock, deed="choose")
        if keep is not None:
            await keep(session, None)

    await database.run(settle, deadline_s=DEADLINE_S)


async def reset_pin(session: Session, actor: Actor, person_id: int, *, pin_hash: str, clock: Clock) -> Person:
    """Gives somebody below a new PIN and ends what the old one opened. *Errors*: Forbidden, NoPinHere."""
    person = await manageable(session, actor, "reset", person_id)
    if person.id == actor.person_id:
        raise Forbidden("Nobody resets their own account.")
    await _keep(session, actor, person=person, pin_hash=pin_hash, clock=clock, deed="reset")
    return person


async def _keep(
    session: Session, actor: Actor, person: Person, pin_hash: str, clock: Clock, deed: str
) -> None:
    needs = await keys_store.entry_needs(session, person.id)
    if person.role not in PIN_ROLES or needs.has_factor:
        raise NoPinHere
    await keys_store.do(
        session, "keep_pin", person_id=person.id, pin_hash=pin_hash, now=clock.now(), set_by=actor.person_id
    )
    await keys_store.do(session, "end_pin_sessions", person_id=person.id)
    await keys_store.do(session, "forget_failures", kind="pin", subject=str(person.id))
    await keys_store.do(session, "forget_pin_failures", person_id=person.id)
    await write_audit(session, actor, deed, "pin", person.id)


async def remove_pin(session: Session, actor: Actor, person_id: int) -> None:
    """Takes a PIN away, one's own or that of somebody below, and ends what it opened. *Errors*: Forbidden."""
    if person_id == actor.person_id:
        require(actor, "manage", "self")
    else:
        await manageable(session, actor, "reset", person_id)
    await keys_store.do(session, "forget_pin", person_id=person_id)
    await keys_store.do(session, "end_pin_sessions", person_id=person_id)
    await write_audit(session, actor, "remove", "pin", person_id)


async def has_pin(session: Session, actor: Actor, person_id: int) -> bool:
    """Whether somebody has a PIN. *Errors*: Forbidden for others' without the right to read people."""
    if person_id != actor.person_id:
        require(actor, "read", "person")
    return await keys_store.has_pin(session, person_id)
