"""Which refusals each route can give: what the contract implies, what our edge adds, what its actions raise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

from flatwater.asgi import NotSignedIn
from flatwater.contract import UNSAFE, Endpoint
from flatwater.errors import Refused
from flatwater.problems import ProblemKind, Reader, of_contract
from rightlevel.assembly import Platform
from rightlevel.programme.errors import (
    AlreadyTaken,
    Conflict,
    Forbidden,
    InUse,
    Invalid,
    ProgrammeError,
    RoundSealing,
    Stale,
)
from rightlevel.programme.receipts import WriteIdReused
from rightlevel.web.application import (
    API_HEADERS,
    EVERYWHERE_HEADERS,
    PAGE_HEADERS,
    PRECONDITION_FAILED,
    STATUSES,
    BadWriteId,
    CrossSite,
    DoneAlready,
    TokenReadsOnly,
    is_answered_with_pages,
)

EVERY_ANSWER: dict[str, Any] = {
    "api": dict.fromkeys({**EVERYWHERE_HEADERS, **API_HEADERS}, "On every answer.")
    | {
        "strict-transport-security": "Where https is: a year, with all that is below this host.",
        "connection": "close, where what is still on its way need not be sent.",
        "x-content-type-options": "Always nosniff: no browser guesses another type.",
        "cache-control": "Always no-store.",
        "ratelimit-policy": "The allowance that this call counts against (draft-ietf-httpapi-ratelimit-headers).",
        "ratelimit": "What is left of it.",
        "content-encoding": "gzip, where it was accepted and is worth it.",
        "vary": "What else the answer depends on.",
        "content-security-policy": "Nothing in an answer runs, and no page frames it.",
    },
    "page": dict.fromkeys({**EVERYWHERE_HEADERS, **PAGE_HEADERS}, "On every page.")
    | {
        "strict-transport-security": "Where https is: a year, with all that is below this host.",
        "connection": "close, where what is still on its way need not be sent.",
        "clear-site-data": "After signing out: what the browser kept of our pages goes.",
        "x-content-type-options": "Always nosniff.",
        "cache-control": "How long a browser may keep it; mostly no-store.",
        "referrer-policy": "Which sites are told where somebody came from.",
        "x-frame-options": "Always DENY.",
        "content-security-policy": "Only our own scripts, styles and pictures.",
        "ratelimit-policy": "The allowance that this call counts against.",
        "ratelimit": "What is left of it.",
        "content-encoding": "gzip, where it was accepted and is worth it.",
        "vary": "What else the answer depends on.",
        "x-accel-buffering": "On live pages: no proxy keeps pieces back.",
        "hx-retarget": "Where in the page htmx puts this answer.",
        "hx-reswap": "How htmx puts it there.",
        "hx-refresh": "That htmx loads the page anew.",
        "set-cookie": "The session, the device, the language, a notice that is told once.",
    },
}
"""The headers that every answer may have, told once: `page` for people's addresses, `api` for programs'."""


class ProblemsOfRoutes:
    """Every code that a route can answer with. *Cost*: the code of all handlers and actions is looked through once."""

    def __init__(self) -> None:
        # What hangs on the platform is called by its name there: `request.app.imports.submit(...)`.
        attributes = {name: kind for name, kind in get_type_hints(Platform).items() if isinstance(kind, type)}
        self._reader = Reader((ProgrammeError, Refused, NotSignedIn), ("rightlevel",), attributes)

    def __call__(self, endpoint: Endpoint) -> Iterator[ProblemKind]:
        """The statuses and codes of one route."""
        yield from of_contract(endpoint)
        yield from _of_house(endpoint)
        for kind in self._reader.raised_by(endpoint.handler):
            yield _kind_of(kind)
            if issubclass(kind, Stale) and endpoint.version_in:
                yield ProblemKind(PRECONDITION_FAILED, kind.code)


def _of_house(endpoint: Endpoint) -> Iterator[ProblemKind]:
    if endpoint.who.needs_actor:
        yield _kind_of(Forbidden)
    if is_answered_with_pages(endpoint) and endpoint.method == "GET":
        yield ProblemKind(303, "not_signed_in")
    if endpoint.method in UNSAFE:
        yield _kind_of(CrossSite)
        if endpoint.who.needs_actor:
            yield _kind_of(TokenReadsOnly)
        for kind in (AlreadyTaken, Conflict, InUse, Invalid, RoundSealing):
            yield _kind_of(kind)
    if endpoint.method in UNSAFE and (endpoint.work == "write" or endpoint.who.needs_actor):
        yield _kind_of(BadWriteId)
        yield _kind_of(WriteIdReused)
        yield _kind_of(DoneAlready)


def _kind_of(kind: type[BaseException]) -> ProblemKind:
    text = " ".join((kind.__doc__ or "").split())
    if issubclass(kind, ProgrammeError):
        return ProblemKind(STATUSES[kind.kind], kind.code, text)
    if issubclass(kind, Refused):
        return ProblemKind(kind.status, kind.code, text)
    return ProblemKind(401, getattr(kind, "code", "not_signed_in"), text)
