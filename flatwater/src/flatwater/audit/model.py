"""What an audit is made of: findings with their places and routes, the verdict on each route, and the report of all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

Priority = Literal["P1", "P2", "P3"]
"""P1 ends a service in time (memory, connections, security); P2 makes it slow under load; P3 makes it hard to keep."""

Evidence = Literal["source", "driving", "both"]
EndpointVerdict = Literal["flat", "grows", "shrinks", "cannot_tell", "not_examined"]
State = Literal["clean", "P1", "P2", "P3", "not_examined"]

RANK: Final[dict[Priority, int]] = {"P1": 0, "P2": 1, "P3": 2}


class Place(Struct, frozen=True):
    """Where in the source. *Shape*: `path` relative to the audited root, `symbol` as in `Class.method`; line 0 is not known."""

    path: str
    line: int
    symbol: str


class Route(Struct, frozen=True):
    """One address that the application answers, and the function that does it."""

    method: str
    path: str
    where: Place

    @property
    def name(self) -> str:
        """How findings and reports name it: `GET /schools/{id}`."""
        return f"{self.method} {self.path}"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that will not stay flat.

    *Shape*: `key` is stable when lines move ("rule/path:symbol"), so it can be acknowledged; `route` is `Route.name`
    where one is known; `saw` holds the numbers or the text, `why` the harm, `change` what to do instead.
    """

    key: str
    rule: str
    priority: Priority
    where: Place
    route: str | None
    saw: str
    why: str
    change: str
    by: Evidence = "source"


class Unseen(Struct, frozen=True):
    """Something that could not be examined, and why in one sentence; never counted as clean."""

    what: str
    why: str


class Ignored(Struct, frozen=True):
    """A finding that somebody accepted in the source, with the reason given there."""

    finding: Finding
    reason: str


class Verdict(Struct, frozen=True):
    """What the audit says of one route: the worst priority found, clean, or not examined and why."""

    route: str
    state: State
    findings: tuple[str, ...] = ()
    reason: str = ""


class Endpoint(Struct, frozen=True, kw_only=True):
    """What driving one route came to.

    *Shape*: `reason` says why it was not examined, wholly or in part. *Units*: `grows_low` to `grows_high` is the 95 % interval of
    the things a request leaves behind, None where that was not measured; the rest is what one call takes at the median,
    `peak_bytes` at the most.
    """

    route: str
    verdict: EndpointVerdict
    reason: str = ""
    calls: int = 0
    grows_low: float | None = None
    grows_high: float | None = None
    bytes_per_request: float = 0.0
    statements: int | None = 0
    """None where they could not be counted: another driver than those that are counted is loaded."""
    rows: int | None = 0
    with_connection_s: float = 0.0
    waited_for_connection_s: float = 0.0
    peak_bytes: int = 0
    seconds: float = 0.0


class Report(Struct, frozen=True):
    """One audit.

    *Shape*: findings worst first; a verdict for each route; what was ignored and what was not examined; what was driven, if so.
    """

    subject: str
    findings: tuple[Finding, ...]
    verdicts: tuple[Verdict, ...]
    ignored: tuple[Ignored, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    files: int = 0
    rules: int = 0
    endpoints: tuple[Endpoint, ...] = ()
    at_least: float = 1.0
    """The share that has to be examined for an exit code of 0."""

    @property
    def examined(self) -> float:
        """The share of its routes that was examined, and driven to a verdict where it was driven; 0 where no route was found.

        *Shape*: 1 only when nothing at all was left out, of files too.
        """
        if self.endpoints:
            told = [each.verdict not in {"not_examined", "cannot_tell"} for each in self.endpoints]
        else:
            told = [each.state != "not_examined" for each in self.verdicts]
        share = sum(told) / len(told) if told else 0.0
        return min(share, 0.99) if self.unseen else share

    @property
    def worst(self) -> Priority | None:
        """The gravest priority found; None when nothing was."""
        return self.findings[0].priority if self.findings else None

    @property
    def exit_code(self) -> int:
        """2 for a P1, 1 for a P2, 3 where less was examined than had to be, else 0: a P3 is advice and stops no build."""
        if self.worst == "P1":
            return 2
        if self.worst == "P2":
            return 1
        return 3 if self.examined < self.at_least or not self.verdicts else 0


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings as they are told: the gravest first, then by file and line."""
    return tuple(
        sorted(findings, key=lambda each: (RANK[each.priority], each.where.path, each.where.line, each.key))
    )
