"""The second factor: enrol, confirm, use at sign-in, take away; and whether admins need one."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.transaction import Session
from rightlevel.programme.accounts import keys_store, store, totp
from rightlevel.programme.accounts.entry import count_failures, open_session, refuse_locked
from rightlevel.programme.accounts.model import SignedIn
from rightlevel.programme.accounts.passwords import ALPHABET, PasswordHasher, generate_password
from rightlevel.programme.accounts.people import end_everything, manageable
from rightlevel.programme.accounts.sealing import Seal, seal_of
from rightlevel.programme.accounts.sign_in import require_password
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Fault, Forbidden, Invalid
from rightlevel.programme.permissions import Actor, require

DEADLINE_S: Final = 5.0
RECOVERY_CODES: Final = 10
ISSUER: Final = "RightLevel"


class WrongCode(Forbidden):
    """This code is not right, or it was used already. Wait for the next one and try again."""

    code = "wrong_code"


class TwoStepAlreadyOn(Conflict):
    """There is a second factor already. Take it away first to set up another."""

    code = "two_step_already_on"


class FactorNeeded(Conflict):
    """Admins need a second factor here, so it can't be taken away; somebody above may reset it."""

    code = "factor_needed"


class EnrolFirst(Conflict):
    """Set up your own second factor first: this would lock you out."""

    code = "enrol_first"


class Enrolment(msgspec.Struct, frozen=True):
    """What goes into an authenticator app, as text to type and as the address that a QR code holds."""

    secret: str
    address: str


class Confirmed(msgspec.Struct, frozen=True):
    """The recovery codes, shown this once, and the session that now is whole."""

    recovery_codes: tuple[str, ...]
    signed_in: SignedIn


class FactorState(msgspec.Struct, frozen=True):
    """Whether somebody has a second factor, since when, and how many recovery codes are left."""

    is_on: bool
    since_at: datetime | None
    codes_left: int
    admins_need_it: bool


def _owner(person_id: int) -> str:
    return f"second factor of {person_id}"


def _require_own_session(actor: Actor) -> None:
    """Passes for somebody at their own keys: signed in by password, in a session that lacks nothing but enrolling."""
    require(actor, "finish", "sign_in")
    if actor.session_id is None or actor.is_by_pin or actor.pending == "second_factor":
        raise Forbidden("Sign in with your password to do this.")


async def factor_state(session: Session, actor: Actor) -> FactorState:
    """The actor's own second factor. *Cost*: two statements."""
    require(actor, "finish", "sign_in")
    needs = await keys_store.entry_needs(session, actor.person_id)
    factor = await keys_store.read_factor(session, actor.person_id)
    if factor is None or factor.confirmed_at is None:
        return FactorState(is_on=False, since_at=None, codes_left=0, admins_need_it=needs.admins_need_it)
    return FactorState(
        is_on=True,
        since_at=factor.confirmed_at,
        codes_left=factor.codes_left,
        admins_need_it=needs.admins_need_it,
    )


async def begin_second_factor(
    database: Database, passwords: PasswordHasher, clock: Clock, actor: Actor, *, password: str
) -> Enrolment:
    """A fresh secret, not yet in force. *Errors*: TwoStepAlreadyOn, Invalid for a wrong password, SignInLocked.

    Whoever finds an open session can't put their own phone in front of the account: the password is asked again, but of a sign-in that is
    only just waiting for this.
    """
    _require_own_session(actor)
    if not actor.pending:
        await require_password(database, passwords, clock, actor, password=password, field="password")
    secret = totp.new_secret()

    async def settle(session: Session) -> None:
        sealed = (await seal_of(session)).close(secret, of=_owner(actor.person_id))
        kept = await keys_store.do(
            session, "keep_secret", person_id=actor.person_id, sealed_secret=sealed, now=clock.now()
        )
        if not kept:
            raise TwoStepAlreadyOn
        await write_audit(session, actor, "begin_enrol", "second_factor", actor.person_id)

    await database.run(settle, deadline_s=DEADLINE_S)
    return _enrolment(secret, actor)


def _enrolment(secret: bytes, actor: Actor) -> Enrolment:
    return Enrolment(totp.shown(secret), totp.address_of(secret, issuer=ISSUER, account=actor.username))


async def enrolment_begun(session: Session, actor: Actor) -> Enrolment | None:
    """What was begun and not confirmed, to be shown again to its owner."""
    _require_own_session(actor)
    factor = await keys_store.read_factor(session, actor.person_id)
    if factor is None or factor.confirmed_at is not None:
        return None
    seal = await seal_of(session)
    return _enrolment(seal.open(factor.sealed_secret, of=_owner(actor.person_id)), actor)


async def confirm_second_factor(
    session: Session,
    actor: Actor,
    *,
    code: str,
    clock: Clock,
    device: str,
    life_s: float,
    device_name: str = "",
) -> Confirmed:
    """Puts the second factor in force with its first code; ends every other session, and the PIN. *Errors*: Invalid, TwoStepAlreadyOn."""
    _require_own_session(actor)
    now = clock.now()
    factor = await keys_store.read_factor(session, actor.person_id, for_update=True)
    if factor is None or factor.confirmed_at is not None:
        raise TwoStepAlreadyOn if factor is not None else Invalid(faults=(Fault("code", "Begin again"),))
    seal = await seal_of(session)
    secret = seal.open(factor.sealed_secret, of=_owner(actor.person_id))
    step = totp.step_of(secret, _digits(code), now.timestamp())
    if step is None or step <= factor.last_step:
        raise Invalid(faults=(Fault("code", "This is not the code that the app shows now"),))
    await keys_store.do(session, "confirm_factor", person_id=actor.person_id, now=now, step=step)
    codes = await _new_recovery_codes(session, actor.person_id)
    await end_everything(session, actor.person_id, clock, kept_device=device_name)
    key = await store.key_by_person(session, actor.person_id)
    await write_audit(session, actor, "enrol", "second_factor", actor.person_id)
    signed_in = await open_session(
        session,
        key,
        address=actor.address,
        device=device,
        clock=clock,
        life_s=life_s,
        device_name=device_name,
    )
    return Confirmed(codes, signed_in)


async def _new_recovery_codes(session: Session, person_id: int) -> tuple[str, ...]:
    codes = tuple(generate_password() for _ in range(RECOVERY_CODES))
    await keys_store.do(session, "forget_recovery_codes", person_id=person_id)
    hashes = [store.digest(code) for code in codes]
    await keys_store.do(session, "keep_recovery_codes", person_id=person_id, hashes=hashes)
    return codes


async def finish_sign_in(
    database: Database,
    clock: Clock,
    actor: Actor,
    *,
    code: str,
    device: str,
    life_s: float,
    device_name: str = "",
) -> SignedIn:
    """Two-step verification: a whole session for a code of the app or a recovery code. *Errors*: WrongCode, SignInLocked.

    The device (`device_name`) is known as this person's from then on.

    A used step and a used recovery code are refused, of two at once one; failures lock the second factor by itself.
    """
    require(actor, "finish", "sign_in")
    tried = ("factor", str(actor.person_id))

    async def settle(session: Session) -> SignedIn | None:
        now = clock.now()
        if actor.session_id is None or actor.pending != "second_factor":
            raise Forbidden("Sign in with your password to do this.")
        await refuse_locked(session, now, tried)
        if not await _use_code(session, actor.person_id, code, now):
            await count_failures(session, now, tried)
            await write_audit(session, actor, "sign_in", "second_factor", actor.person_id, outcome="denied")
            return None
        # The half-open session ends here; of two requests with it, one goes on.
        if not await store.end_session(session, actor.person_id, actor.session_id):
            return None
        await keys_store.do(session, "forget_failures", kind="factor", subject=str(actor.person_id))
        key = await store.key_by_person(session, actor.person_id)
        return await open_session(
            session,
            key,
            address=actor.address,
            device=device,
            clock=clock,
            life_s=life_s,
            device_name=device_name,
        )

    signed_in = await database.run(settle, deadline_s=DEADLINE_S)
    if signed_in is None:
        raise WrongCode
    return signed_in


async def _use_code(session: Session, person_id: int, code: str, now: datetime) -> bool:
    """Whether the code was good, and is used up by this."""
    factor = await keys_store.read_factor(session, person_id, for_update=True)
    if factor is None or factor.confirmed_at is None:
        return False
    digits = _digits(code)
    if len(digits) == totp.DIGITS:
        seal: Seal = await seal_of(session)
        step = totp.step_of(seal.open(factor.sealed_secret, of=_owner(person_id)), digits, now.timestamp())
        return step is not None and bool(
            await keys_store.do(session, "use_step", person_id=person_id, step=step)
        )
    recovery = _recovery(code)
    return recovery is not None and bool(
        await keys_store.do(
            session, "use_recovery_code", person_id=person_id, code_hash=store.digest(recovery)
        )
    )


def _digits(code: str) -> str:
    """The code's digits in any script, blanks taken out; empty for what is no code of an app."""
    text = "".join(code.split())
    return "".join(str(int(each)) for each in text) if text.isdecimal() and len(text) < 12 else ""


def _recovery(code: str) -> str | None:
    """A recovery code as it was made, however it was typed."""
    letters = [each for each in code.lower()[:60] if each in ALPHABET]
    if len(letters) != 16:
        return None
    return "-".join("".join(letters[at : at + 4]) for at in range(0, 16, 4))


async def remove_second_factor(database: Database, actor: Actor, *, code: str, clock: Clock) -> None:
    """Takes one's own second factor away with one of its codes. *Errors*: WrongCode, FactorNeeded, SignInLocked."""
    tried = ("factor", str(actor.person_id))

    async def settle(session: Session) -> bool:
        require(actor, "manage", "self")
        _require_own_session(actor)
        now = clock.now()
        await refuse_locked(session, now, tried)
        needs = await keys_store.entry_needs(session, actor.person_id)
        if actor.role == "admin" and needs.admins_need_it:
            raise FactorNeeded
        if not await _use_code(session, actor.person_id, code, now):
            await count_failures(session, now, tried)
            return False
        await keys_store.do(session, "forget_factor", person_id=actor.person_id)
        await write_audit(session, actor, "remove", "second_factor", actor.person_id)
        return True

    if not await database.run(settle, deadline_s=DEADLINE_S):
        raise WrongCode


async def renew_recovery_codes(
    database: Database, actor: Actor, *, code: str, clock: Clock
) -> tuple[str, ...]:
    """Ten new recovery codes in place of the old ones, for one code. *Errors*: WrongCode, SignInLocked."""
    tried = ("factor", str(actor.person_id))

    async def settle(session: Session) -> tuple[str, ...] | None:
        require(actor, "manage", "self")
        _require_own_session(actor)
        now = clock.now()
        await refuse_locked(session, now, tried)
        if not await _use_code(session, actor.person_id, code, now):
            await count_failures(session, now, tried)
            return None
        codes = await _new_recovery_codes(session, actor.person_id)
        await write_audit(session, actor, "renew_codes", "second_factor", actor.person_id)
        return codes

    codes = await database.run(settle, deadline_s=DEADLINE_S)
    if codes is None:
        raise WrongCode
    return codes


async def reset_second_factor(session: Session, actor: Actor | None, person_id: int, clock: Clock) -> None:
    """Takes the second factor of somebody below away and ends all that opened their account but the password. `actor` is None only for the command line."""
    if actor is not None:
        person = await manageable(session, actor, "reset", person_id)
        if person.id == actor.person_id:
            raise Forbidden("Nobody resets their own account.")
    await keys_store.do(session, "forget_factor", person_id=person_id)
    await end_everything(session, person_id, clock)
    await write_audit(session, actor, "reset", "second_factor", person_id)


async def set_admins_need_second_factor(session: Session, actor: Actor | None, *, is_needed: bool) -> None:
    """Whether admins need a second factor; switched on, sessions of admins without one may only enrol. *Errors*: EnrolFirst."""
    person_id = actor.person_id if actor is not None else 0
    needs = await keys_store.entry_needs(session, person_id)
    if actor is not None:
        require(actor, "change", "setting")
        if is_needed and not needs.has_factor:
            raise EnrolFirst
    await keys_store.do(session, "keep_setting", value="true" if is_needed else "false")
    if is_needed:
        await keys_store.do(session, "ask_admins_to_enrol")
    await write_audit(
        session,
        actor,
        "change",
        "setting",
        "admins_need_second_factor",
        before={"is_needed": needs.admins_need_it},
        after={"is_needed": is_needed},
    )
