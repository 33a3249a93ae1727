"""Devices that are linked to a school, and signing in on them by name and PIN."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from flatwater.clock import Clock, today
from flatwater.forwarded import network_of
from flatwater.paging import Page, PageRequest
from flatwater.pool import Database
from flatwater.shown_once import ShownOnce
from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store, store
from rightlevel.programme.accounts.entry import (
    Tried,
    count_failures,
    forgive,
    open_session,
    refuse_locked,
)
from rightlevel.programme.accounts.model import DeviceRow, NameHere, SchoolDevice, SignedIn
from rightlevel.programme.accounts.passwords import PasswordHasher, generate_code, typed_code
from rightlevel.programme.accounts.pins import pin_of
from rightlevel.programme.accounts.sealing import seal_of
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Forbidden, NotFound
from rightlevel.programme.permissions import Actor, require

DEADLINE_S: Final = 5.0
MAX_DEVICES: Final = 20
MAX_LINK_CODES: Final = 5
LINK_CODE_LIFE: Final = timedelta(minutes=15)
"""Long enough to walk over to the other phone."""
PIN_SESSION_S: Final = 8 * 3_600.0
"""A school day; a device that many share asks again tomorrow."""


class DeviceLimit(Conflict):
    """Twenty devices are linked to this school already. Take one away that is no longer used."""

    code = "device_limit"


class LinkCodeLimit(Conflict):
    """Five codes of this school are open already. Use one of them, or wait a quarter of an hour."""

    code = "link_code_limit"


class LinkRefused(Forbidden):
    """This code is not right, or it was used or has run out."""

    code = "link_refused"


class PinRefused(Forbidden):
    """The name and the PIN do not belong together."""

    code = "pin_refused"


class LinkCode(msgspec.Struct, frozen=True):
    """A code with which one device may be linked; `code` is shown this once."""

    code: ShownOnce
    school_id: int
    school_name: str
    expires_at: datetime


class Linked(msgspec.Struct, frozen=True):
    """A linked device: the secret goes into its cookie and is kept nowhere else."""

    secret: str
    school_id: int


async def make_link_code(session: Session, actor: Actor, school_id: int, clock: Clock) -> LinkCode:
    """A code for one device of a school within reach. *Errors*: NotFound out of reach, LinkCodeLimit, Forbidden by PIN."""
    require(actor, "link", "device")
    if actor.is_by_pin:
        raise Forbidden("Sign in with your password to do this.")
    if not actor.scope.reaches_school(school_id):
        raise NotFound
    name = await keys_store.hold_school(session, school_id)
    if name is None:
        raise NotFound
    now = clock.now()
    await keys_store.do(session, "sweep_link_codes", school_id=school_id, now=now)
    if await keys_store.count(session, "count_link_codes", school_id=school_id) >= MAX_LINK_CODES:
        raise LinkCodeLimit
    code, expires_at = generate_code(), now + LINK_CODE_LIFE
    digest = (await seal_of(session)).digest(code, of="link code")
    await keys_store.do(
        session,
        "keep_link_code",
        code_hash=digest,
        school_id=school_id,
        made_by=actor.person_id,
        expires_at=expires_at,
    )
    await write_audit(session, actor, "invite", "device", school_id)
    return LinkCode(code, school_id, name, expires_at)


async def link_device(
    database: Database, clock: Clock, *, code: str, address: str, label: str, device_name: str | None = None
) -> Linked:
    """Links the device that shows a good code; of two at once, one. *Errors*: LinkRefused, SignInLocked, DeviceLimit.

    Wrong codes slow the address; a device on which somebody signed in before (`device_name`) is counted by itself.
    """
    tried: Tried = ("link", device_name or network_of(address))

    async def settle(session: Session) -> Linked | None:
        now = clock.now()
        await refuse_locked(session, now, tried)
        digest = (await seal_of(session)).digest(typed_code(code), of="link code")
        used = await keys_store.use_link_code(session, digest, now)
        if used is None or await keys_store.hold_school(session, used.school_id) is None:
            await count_failures(session, now, tried)
            await write_audit(session, None, "link", "device", outcome="denied", address=address)
            return None
        if await keys_store.count(session, "count_devices", school_id=used.school_id) >= MAX_DEVICES:
            raise DeviceLimit
        secret = secrets.token_urlsafe(32)
        device_id = await keys_store.insert_device(
            session,
            school_id=used.school_id,
            secret_hash=store.digest(secret),
            label=label[:200],
            address=address,
            linked_by=used.made_by,
            now=now,
        )
        after = {"school_id": used.school_id, "label": label[:200]}
        await write_audit(session, None, "link", "device", device_id, after=after, address=address)
        return Linked(secret, used.school_id)

    linked = await database.run(settle, deadline_s=DEADLINE_S)
    if linked is None:
        raise LinkRefused
    return linked


async def known_device(session: Session, secret: str | None) -> SchoolDevice | None:
    """The linked device that holds this secret. *Cost*: one statement, none without a secret."""
    if not secret or len(secret) > 100:
        return None
    return await keys_store.device_by_secret(session, store.digest(secret))


async def names_here(session: Session, device: SchoolDevice, clock: Clock) -> list[NameHere]:
    """Who may sign in by PIN on this device, by name, at most 200."""
    return await keys_store.names_here(session, device.school_id, today(clock))


async def sign_in_by_pin(
    database: Database,
    passwords: PasswordHasher,
    clock: Clock,
    *,
    secret: str | None,
    person_id: int,
    pin: str,
    address: str,
    label: str,
    replaces: str | None = None,
) -> SignedIn:
    """A short session for a name and PIN on a linked device. *Errors*: LinkRefused, PinRefused, SignInLocked, TooMany.

    Wrong PINs count for the person on this device; until that person has signed in on it, for the person and for the device too.

    A name that is not of this school takes as long and answers the same as a wrong PIN.
    """
    async with database.read(deadline_s=DEADLINE_S) as session:
        device = await known_device(session, secret)
        if device is None:
            raise LinkRefused("This device is not linked to a school.")
        name = f"school {device.id}"
        is_known = await keys_store.count(
            session, "count_devices_of_person", person_id=person_id, device=name
        )
        own: Tried = ("pin_pair", f"{device.id} {person_id}")
        tried = (own,) if is_known else (own, ("pin", str(person_id)), ("device", device.id))
        await refuse_locked(session, clock.now(), *tried)
        is_here = await keys_store.names_here(session, device.school_id, today(clock), person_id)
        key = await keys_store.pin_key(session, person_id) if is_here else None
    is_right = await passwords.verify(key.password_hash if key else None, pin_of(pin))

    async def settle(session: Session) -> SignedIn | None:
        now = clock.now()
        await refuse_locked(session, now, *tried)
        is_still_here = await known_device(session, secret) is not None and bool(
            await keys_store.names_here(session, device.school_id, today(clock), person_id)
        )
        if key is None or not is_right or not is_still_here:
            await count_failures(session, now, *tried)
            await write_audit(
                session,
                None,
                "sign_in",
                "pin",
                person_id,
                outcome="denied",
                address=address,
                after={"school_device": device.id},
            )
            return None
        await forgive(session, *tried)
        await keys_store.do(session, "touch_device", id=device.id, now=now)
        return await open_session(
            session,
            key,
            address=address,
            device=label,
            clock=clock,
            life_s=PIN_SESSION_S,
            school_device_id=device.id,
            device_name=name,
            replaces=replaces,
        )

    signed_in = await database.run(settle, deadline_s=DEADLINE_S)
    if signed_in is None:
        raise PinRefused
    return signed_in


async def list_devices(session: Session, actor: Actor, school_id: int, page: PageRequest) -> Page[DeviceRow]:
    """The devices of a school within reach, newest first. *Errors*: NotFound out of reach."""
    require(actor, "read", "device")
    if not actor.scope.reaches_school(school_id):
        raise NotFound
    return await keys_store.page_of_devices(session, school_id, page)


async def revoke_device(session: Session, actor: Actor, device_id: str) -> int:
    """Takes a device's link away, at once; what PINs opened on it ends too. *Shape*: its school. *Errors*: NotFound."""
    require(actor, "revoke", "device")
    try:
        known = await keys_store.school_of_device(session, str(UUID(device_id)))
    except ValueError:
        known = None
    if known is None or not actor.scope.reaches_school(known):
        raise NotFound
    if not await keys_store.do(session, "forget_device", id=device_id):
        raise NotFound
    await write_audit(session, actor, "revoke", "device", device_id, before={"school_id": known})
    return known
