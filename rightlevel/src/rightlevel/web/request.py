"""What every handler here is given, and the allowances that routes declare."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from flatwater import shown_once
from flatwater.contract import Call, Endpoint
from flatwater.rate_limit import RateClass
from flatwater.shown_once import secret_fields_of
from rightlevel.assembly import Platform
from rightlevel.programme.errors import Forbidden
from rightlevel.programme.permissions import Actor

Request: TypeAlias = Call[Actor, Platform]
Secret: TypeAlias = shown_once.Secret

# A shared school address must not starve forty teachers, so allowances are per session or token where there is one.
READS = RateClass("reads", per_s=200, burst=2_000)
WRITES = RateClass("writes", per_s=200, burst=2_000)
SIGN_IN = RateClass("sign_in", per_s=1, burst=60, store="durable", when_store_fails="closed")
JOINS = RateClass("joins", per_s=1 / 180, burst=20, store="durable", when_store_fails="closed")
"""Requests to join: a school's forty teachers ask behind one address in a morning, a machine gets no further."""
IMPORTS = RateClass("imports", per_s=0.2, burst=20)

READ_S = 5.0
WRITE_S = 10.0
ERASE_S = 30.0
"""It reads every receipt and import fault once."""
ROLL_S = 30.0
"""Ten statements over at most 5,000 children."""
SMALL_BODY = 64 * 1024
CLASS_BODY = 1024 * 1024


def secret_fields(endpoint: Endpoint) -> frozenset[str]:
    """The fields of a route's form or body that hold secrets. *Cost*: resolving annotations, once a type."""
    kinds = (endpoint.inputs.get(part) for part in ("form", "body"))
    found = (
        secret_fields_of(kind)
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    )
    return frozenset[str]().union(*found)


class ById(msgspec.Struct, frozen=True):
    """A path with the number of the thing in it."""

    id: int


class ByUuid(msgspec.Struct, frozen=True):
    """A path with the child's or result's id in it."""

    id: str


class ByCode(msgspec.Struct, frozen=True):
    """A path with a code in it."""

    code: str


class Deletion(msgspec.Struct, frozen=True):
    """Why something is removed."""

    reason: str = ""


class SchoolSought(msgspec.Struct, frozen=True):
    """Which school is looked for."""

    search: str = ""


class WithReason(msgspec.Struct, frozen=True):
    """Why."""

    reason: str


class AtVersion(msgspec.Struct, frozen=True):
    """The version that the sender saw."""

    version: int


class VersionAndReason(msgspec.Struct, frozen=True):
    """The version that the sender saw, and why."""

    version: int
    reason: str


def actor_of(request: Request) -> Actor:
    """Who is calling, on a route that only the signed-in may call. *Errors*: Forbidden for a stranger."""
    if request.actor is None:
        raise Forbidden
    return request.actor
