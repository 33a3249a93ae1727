"""All that was measured of one endpoint."""

from __future__ import annotations

import msgspec

from flatwater.audit.dynamic.growth import Growth
from flatwater.audit.dynamic.hostile import HostileReading
from flatwater.audit.dynamic.left import Left
from flatwater.audit.dynamic.measure import Costs
from flatwater.audit.model import Endpoint, EndpointVerdict, Place


class EndpointReading(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint, driven.

    *Shape*: `reason` says why it was not examined, wholly or in part; `statuses` counts the good calls' answers; `rows` are those
    of the answer's longest list; `growth_on_faults` is that of calls which must be refused.
    """

    method: str
    path: str
    where: Place
    reason: str = ""
    calls: int = 0
    statuses: dict[int, int] = {}
    has_page_size: bool = False
    rows: int = 0
    costs: Costs | None = None
    is_counted: bool = True
    """Whether its statements and rows could be seen."""
    growth: Growth | None = None
    growth_on_faults: Growth | None = None
    left: Left = Left()
    hostile: tuple[HostileReading, ...] = ()

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def verdict(self) -> EndpointVerdict:
        """What may be said of its memory; not examined where its good calls were not driven or not answered well."""
        if self.growth is None:
            return "not_examined"
        verdicts = [each.verdict for each in (self.growth, self.growth_on_faults) if each is not None]
        for worst in ("grows", "cannot_tell", "shrinks"):
            if worst in verdicts:
                return worst
        return "flat"

    @property
    def told(self) -> Endpoint:
        """It as reports tell it: of good and of faulty calls the growth that is worse."""
        costs = self.costs
        growths = [each for each in (self.growth, self.growth_on_faults) if each is not None]
        worst = max(growths, key=lambda each: each.slope.slope, default=None)
        told = Endpoint(
            route=self.route,
            verdict=self.verdict,
            reason=self.reason,
            calls=self.calls,
            grows_low=worst.slope.low if worst else None,
            grows_high=worst.slope.high if worst else None,
            bytes_per_request=worst.bytes_per_request if worst else 0.0,
        )
        if costs is None:
            return told
        return msgspec.structs.replace(
            told,
            statements=costs.statements if self.is_counted else None,
            rows=costs.rows if self.is_counted else None,
            with_connection_s=costs.held_s,
            waited_for_connection_s=costs.waited_s,
            peak_bytes=costs.peak_bytes,
            seconds=costs.seconds,
        )
