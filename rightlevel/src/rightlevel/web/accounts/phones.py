"""Phones on which somebody keeps work: what they ask, and how one is ended from afar."""

from __future__ import annotations

import msgspec

from flatwater.contract import Everyone
from rightlevel.programme.accounts.phones import (
    Phone,
    PhoneState,
    end_phone,
    end_phone_of,
    keep_phone,
    list_phones,
    list_phones_of,
    phone_state,
)
from rightlevel.programme.permissions import May
from rightlevel.web.feature import Deeds
from rightlevel.web.language import N_
from rightlevel.web.request import ByUuid, Request, actor_of

OWN = May("manage", "self")
RESET = May("reset", "person")

routes = Deeds("people", "self", deeds={"read": "manage", "change": "manage", "delete": "manage"})


class PhoneOfPerson(msgspec.Struct, frozen=True):
    """A path with a person and one of their phones."""

    id: int
    phone_id: str = msgspec.field(name="phone")


class Phones(msgspec.Struct, frozen=True):
    """Phones, those seen last first."""

    phones: list[Phone]


ENDED = N_("That phone is ended. What is on it goes at its next connection.")


@routes.put("/api/v1/me/phones/{id}", OWN)
async def keep_my_phone(request: Request, *, path: ByUuid) -> PhoneState:
    """Notes that the caller keeps work on a phone, whose id it made itself; `phone_ended` for one that was ended."""
    label = request.headers.get("user-agent", "")
    await keep_phone(request.session, actor_of(request), path.id, label=label, clock=request.clock)
    return PhoneState("kept")


@routes.get("/api/v1/phones/{id}", Everyone())
async def read_phone_state(request: Request, *, path: ByUuid) -> PhoneState:
    """Whether a phone may keep what is on it: `kept` or `ended`. Asked by the phone itself, also where nobody is signed in any more."""
    return await phone_state(request.session, path.id)


routes.answers(
    "list_my_phones",
    "GET /api/v1/me/phones",
    list_phones,
    gives=Phones,
    says="The phones on which the caller keeps work.",
)
routes.does(
    end_phone,
    json=("end_my_phone", "DELETE /api/v1/me/phones/{id}"),
    html=("end_own_phone", "/account/phones/{id}/end"),
    then="/account",
    word=ENDED,
    says="Ends one of the caller's phones: its session at once, what lies on it at its next connection.",
)
routes.answers(
    "list_phones_of_one",
    "GET /api/v1/people/{id}/phones",
    list_phones_of,
    may=RESET,
    gives=Phones,
    says="The phones on which somebody below keeps work.",
)
routes.does(
    end_phone_of,
    json=("end_phone_of_one", "DELETE /api/v1/people/{id}/phones/{phone}"),
    html=("post_end_phone", "/people/{id}/phones/{phone}/end"),
    may=RESET,
    path=PhoneOfPerson,
    then="/people/{path.id}",
    word=ENDED,
    says="Ends a phone of somebody below.",
)
