"""Requests to join: frozen values and their rules."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from rightlevel.programme.errors import Conflict, Fault

ROLES_TO_WISH: Final = ("teacher", "mentor")
MAX_OPEN: Final = 200
"""More than a coordinator reads in a week; rows that strangers make have a bound."""
STATES: Final = ("open", "approved", "declined")


class TooManyRequests(Conflict):
    """Very many requests are waiting at the moment. Please try again in a few days, or speak to your coordinator."""

    code = "too_many_requests_to_join"


class NotOpen(Conflict):
    """Somebody has decided about this request already."""

    code = "not_open"


class NewJoinRequest(msgspec.Struct, frozen=True):
    """What a stranger tells about themselves."""

    name: str
    contact: str
    role: str
    school: str = ""
    words: str = ""


class JoinRequest(msgspec.Struct, frozen=True):
    """One request, as coordinators see it."""

    id: int
    name: str
    contact: str
    school_wished: str
    role_wished: str
    words: str
    language: str
    state: str
    made_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None
    person_id: int | None


class Approval(msgspec.Struct, frozen=True):
    """The account that a request becomes, and the school and subjects that go with it."""

    username: str
    display_name: str
    role: str
    school_id: int
    subjects: tuple[str, ...]
    email: str | None = None


def request_faults(new: NewJoinRequest) -> list[Fault]:
    """What is wrong with a request."""
    faults: list[Fault] = []
    for field, text, low, high in (
        ("name", new.name, 1, 200),
        ("contact", new.contact, 3, 200),
        ("school_wished", new.school, 0, 200),
        ("words", new.words, 0, 1_000),
    ):
        if not low <= len(text.strip()) <= high:
            faults.append(Fault(field, f"Between {low} and {high} characters", text.strip()[:50]))
    if new.role not in ROLES_TO_WISH:
        faults.append(Fault("role", f"One of: {', '.join(ROLES_TO_WISH)}", new.role[:50]))
    return faults
