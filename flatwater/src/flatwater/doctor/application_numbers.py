"""What an application tells the doctor of itself: its processes, how long its statements took, and where its memory grew.

No server sees these. An application hands them to `Look(application_numbers=…)`, or writes them where its own doctor reads them.
"""

from __future__ import annotations

import msgspec

from flatwater.monitors.endpoints import EndpointStanding
from flatwater.statement_times import QueryTimes

MOST_STATEMENTS = 50
MOST_ENDPOINTS = 50


class ApplicationNumbers(msgspec.Struct, frozen=True):
    """One application's own numbers. *Units*: seconds; `for_s` is how long it has been counting.

    *Shape*: at most fifty statements, those that took most time in all, and fifty endpoints, those that grew most.
    """

    process_ids: tuple[int, ...] = ()
    for_s: float = 0.0
    statements: tuple[QueryTimes, ...] = ()
    endpoints: tuple[EndpointStanding, ...] = ()
