"""People and their keys: frozen values and the rules about them, without SQL, HTTP or a clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from flatwater.shown_once import Secret, ShownOnce
from rightlevel.programme.accounts.blocklist import is_guessed_first
from rightlevel.programme.errors import Conflict, Fault, Forbidden, Invalid
from rightlevel.programme.names import unseen_faults
from rightlevel.programme.permissions import RANK, ROLES, Actor, Role

USERNAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,99}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
MIN_PASSWORD_CHARS = 10
MAX_PASSWORD_CHARS = 200
_ROLES: dict[str, Role] = {role: role for role in ROLES}

PIN_ROLES = frozenset[Role]({"teacher", "mentor"})
"""Those who are assigned to schools; whoever may change more signs in with more."""

FREE_FAILURES = {
    "pair": 5,
    "account": 100,
    "address": 50,
    "factor": 5,
    "pin_pair": 5,
    "pin": 100,
    "device": 20,
    "link": 10,
    "code": 5,
    "password": 5,
}
"""Failures before a lock. `pair` is an account at one address or one known device, `pin_pair` a person at one linked device, `code` a
one-time code at one address. *Source*: NIST SP 800-63B, 3.2.2: at most a hundred failures of an account, which `account` and `pin` keep."""
FIRST_LOCK_S = 30.0
LONGEST_LOCK_S = 3_600.0
FORGET_FAILURES_S = 86_400.0
SLOWED = frozenset({"address", "device", "link"})
"""What many share is slowed, never closed: its lock stays short, and it forgets a failure each minute."""
SLOWED_LOCK_S = 60.0
SLOWED_FORGETS_S = 60.0


class Person(msgspec.Struct, frozen=True):
    """Somebody with an account."""

    id: int
    username: str
    email: str | None
    display_name: str
    role: Role
    language: str
    is_active: bool
    version: int
    is_deleted: bool


class NewPerson(msgspec.Struct, frozen=True):
    """What is needed to make an account; without a password one is generated."""

    username: str
    display_name: str
    role: str
    email: str | None = None
    language: str = "en"
    password: Secret | None = None


class PersonChange(msgspec.Struct, frozen=True):
    """What may be changed about an account; what is None stays."""

    version: int
    display_name: str | None = None
    email: str | None = None
    role: str | None = None
    language: str | None = None


class SignedIn(msgspec.Struct, frozen=True):
    """A fresh session: the token goes into the cookie and is kept nowhere else."""

    token: str
    person_id: int
    language: str
    pending: str = ""
    """What is still to be done before anything else: `second_factor`, `enrol`, or nothing."""
    life_s: float = 0.0
    device_name: str = ""
    """The name by which this device is known again."""


class NameHere(msgspec.Struct, frozen=True):
    """Somebody who may sign in by PIN at a school."""

    id: int
    display_name: str
    sorted_by: str


class SchoolDevice(msgspec.Struct, frozen=True):
    """A device that is linked to a school."""

    id: str
    school_id: int
    school_name: str


class DeviceRow(msgspec.Struct, frozen=True):
    """A linked device as those who look after it see it."""

    id: str
    school_id: int
    label: str
    address: str
    linked_by: str | None
    linked_at: datetime
    last_used_at: datetime


class OpenSession(msgspec.Struct, frozen=True):
    """One place where a person is signed in."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    address: str
    device: str
    is_by_pin: bool


class TokenRow(msgspec.Struct, frozen=True):
    """An API token without the token itself."""

    id: str
    label: str
    created_at: datetime
    expires_at: datetime
    is_revoked: bool
    may_write: bool
    resources: tuple[str, ...] | None


class TokenMade(msgspec.Struct, frozen=True):
    """A new API token; `token` is shown this once."""

    id: str
    token: ShownOnce
    expires_at: datetime


def lock_s(kind: str, failures: int) -> float:
    """For how long a sign-in is locked after so many failures: nothing, then 30 s doubling up to an hour (a minute for what many share)."""
    over = failures - FREE_FAILURES[kind]
    longest_s = SLOWED_LOCK_S if kind in SLOWED else LONGEST_LOCK_S
    return 0.0 if over < 0 else min(FIRST_LOCK_S * 2 ** min(over, 10), longest_s)


def failures_after(kind: str, before: int, last_failed_at: datetime | None, now: datetime) -> int:
    """The count with one more failure; a day without any starts again at one, what many share forgets one each minute."""
    if last_failed_at is None:
        return 1
    quiet_s = (now - last_failed_at).total_seconds()
    if kind in SLOWED:
        return max(before - int(quiet_s / SLOWED_FORGETS_S), 0) + 1
    return 1 if quiet_s > FORGET_FAILURES_S else before + 1


def may_manage(actor: Actor, role: Role) -> bool:
    """Whether this actor may give, take or act on this role: only roles below their own, and admins admins."""
    return RANK[role] < RANK[actor.role] or actor.role == "admin"


def require_manage(actor: Actor, role: Role) -> None:
    """Passes when the actor stands above the role. *Errors*: Forbidden."""
    if not may_manage(actor, role):
        raise Forbidden("Only somebody above this role may do that.")


def password_faults(password: str, about: Iterable[str] = ()) -> list[Fault]:
    """What is wrong with a password; `about` are its owner's names. *Source*: NIST SP 800-63B: length counts, composition rules don't."""
    if len(password) < MIN_PASSWORD_CHARS:
        return [Fault("password", f"At least {MIN_PASSWORD_CHARS} characters")]
    if len(password) > MAX_PASSWORD_CHARS:
        return [Fault("password", f"At most {MAX_PASSWORD_CHARS} characters")]
    if len(set(password)) < 4:
        return [Fault("password", "At least four different characters")]
    if is_guessed_first(password, about):
        return [Fault("password", "Too easy to guess: add words that nobody expects")]
    return []


def check_new_person(new: NewPerson) -> Role:
    """The role of a well-formed new account. *Errors*: Invalid with every fault."""
    faults = (
        []
        if USERNAME.fullmatch(new.username)
        else [Fault("username", "Small letters, digits and . _ @ + - ; at least two", new.username)]
    )
    faults += (
        _display_name_faults(new.display_name) + _email_faults(new.email) + language_faults(new.language)
    )
    role = _ROLES.get(new.role)
    if role is None:
        faults.append(Fault("role", f"One of: {', '.join(ROLES)}", new.role))
    if new.password is not None:
        faults += password_faults(new.password, (new.username, new.display_name, new.email or ""))
    if faults or role is None:
        raise Invalid(faults=tuple(faults))
    return role


def check_person_change(person: Person, change: PersonChange, actor: Actor) -> dict[str, Any]:
    """The columns to set. *Errors*: Invalid, Forbidden (own role, or one not below one's own)."""
    faults = _email_faults(change.email)
    faults += _display_name_faults(change.display_name) if change.display_name is not None else []
    faults += language_faults(change.language) if change.language is not None else []
    role = _ROLES.get(change.role or "")
    if change.role is not None and role is None:
        faults.append(Fault("role", f"One of: {', '.join(ROLES)}", change.role))
    if faults:
        raise Invalid(faults=tuple(faults))
    if role is not None and role != person.role:
        if person.id == actor.person_id:
            raise Forbidden("Nobody changes their own role.")
        require_manage(actor, role)
    return {
        "display_name": person.display_name if change.display_name is None else change.display_name.strip(),
        "email": person.email if change.email is None else change.email or None,
        "role": role or person.role,
        "language": change.language or person.language,
    }


class LastAdmin(Conflict):
    """This is the last admin, who can't be removed. Make another admin first."""

    code = "last_admin"


def _display_name_faults(name: str) -> list[Fault]:
    return (
        unseen_faults(display_name=name)
        if 1 <= len(name.strip()) <= 200
        else [Fault("display_name", "Between 1 and 200 characters", name[:50])]
    )


def _email_faults(email: str | None) -> list[Fault]:
    return (
        []
        if not email or EMAIL.fullmatch(email)
        else [Fault("email", "An address like name@example.org", email[:80])]
    )


def language_faults(language: str) -> list[Fault]:
    """What is wrong with a language's code; whether pages are offered in it, the database says."""
    if re.fullmatch("[a-z]{2,3}", language):
        return []
    return [Fault("language", "A language code, for example km", language[:20])]
