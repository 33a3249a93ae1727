"""A room's routes, each with the policy that its verb implies; a route says only where it deviates."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final, TypeAlias, TypedDict, Unpack

from flatwater.contract import UNSAFE, Handler, Registry, Together, Who, Work
from flatwater.load_shedding import Priority
from flatwater.memory_budget import RequestBudget
from flatwater.paging import PageLimit
from flatwater.rate_limit import RateClass
from rightlevel.web.request import READ_S, READS, SIGN_IN, SMALL_BODY, WRITE_S, WRITES

Declaring: TypeAlias = Callable[[Handler], Handler]


class Deviations(TypedDict, total=False):
    """What a route may say otherwise than its verb. Sizes in bytes, times in seconds."""

    rate: RateClass
    deadline_s: float
    work: Work
    body_bytes: int
    page: PageLimit
    tags: tuple[str, ...]
    statuses: dict[int, str]
    media: tuple[str, ...]
    refusals: dict[str, int]
    priority: Priority
    budget: RequestBudget
    together: Together


class GuessBound(TypedDict):
    """What keeps guessing slow."""

    rate: RateClass
    work: Work


SIGNING_IN: Final[GuessBound] = {"rate": SIGN_IN, "work": "none"}
"""What guesses a secret: few a second, and no connection is held while a password is hashed."""


class Hashing(GuessBound):
    """What is said of a route that hashes a secret."""

    deadline_s: float


HASHING: Final[Hashing] = {**SIGNING_IN, "deadline_s": 30.0}
"""Argon2 on a busy small server takes its turn; everybody signs in at eight in the morning."""


class Routes(Registry):
    """Routes that are declared by verb.

    | verb | allowance | deadline | work | body |
    |---|---|---|---|---|
    | GET, and what says `work="read"` | `READS` | `READ_S` | read | `SMALL_BODY` where it takes one |
    | POST, PUT, PATCH, DELETE | `WRITES` | `WRITE_S` | write | `SMALL_BODY` where it takes one |

    `work="snapshot"` is a read in which every statement sees the same moment: for what lists things and then reads each.
    A handler that takes `page` gives `PageLimit()` of rows at once. `tags` are those of every route that names none.
    """

    def __init__(self, *tags: str) -> None:
        super().__init__()
        self._tags = tags

    def get(self, path: str, who: Who, **deviations: Unpack[Deviations]) -> Declaring:
        """Declares the handler that shows what is there."""
        return self.on("GET", path, who, **deviations)

    def post(self, path: str, who: Who, **deviations: Unpack[Deviations]) -> Declaring:
        """Declares the handler that makes something, or does a deed."""
        return self.on("POST", path, who, **deviations)

    def put(self, path: str, who: Who, **deviations: Unpack[Deviations]) -> Declaring:
        """Declares the handler that puts something in the place of what is there."""
        return self.on("PUT", path, who, **deviations)

    def patch(self, path: str, who: Who, **deviations: Unpack[Deviations]) -> Declaring:
        """Declares the handler that changes parts of what is there."""
        return self.on("PATCH", path, who, **deviations)

    def delete(self, path: str, who: Who, **deviations: Unpack[Deviations]) -> Declaring:
        """Declares the handler that takes something away."""
        return self.on("DELETE", path, who, **deviations)

    def on(self, method: str, path: str, who: Who, **deviations: Unpack[Deviations]) -> Declaring:
        """Declares a handler with the policy of its verb, and its own where it deviates."""

        def declare(handler: Handler) -> Handler:
            inputs = inspect.signature(handler).parameters
            work: Work = deviations.get("work", "write" if method in UNSAFE else "read")
            is_reading = method not in UNSAFE or work in ("read", "snapshot")
            takes_body = bool({"body", "form", "upload"} & inputs.keys())
            declared = self.endpoint(
                method,
                path,
                who=who,
                rate=deviations.get("rate", READS if is_reading else WRITES),
                deadline_s=deviations.get("deadline_s", READ_S if is_reading else WRITE_S),
                work=work,
                body_bytes=deviations.get("body_bytes", SMALL_BODY if takes_body else 0),
                page=deviations.get("page", PageLimit() if "page" in inputs else None),
                tags=deviations.get("tags", self._tags),
                statuses=deviations.get("statuses"),
                media=deviations.get("media", ()),
                refusals=deviations.get("refusals"),
                priority=deviations.get("priority"),
                budget=deviations.get("budget"),
                together=deviations.get("together"),
            )
            return declared(handler)

        return declare
