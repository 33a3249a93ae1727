"""What is made of a reading: where the driver keeps something of the connections that an endpoint opens."""

from __future__ import annotations

from pathlib import Path

import msgspec

from flatwater.audit.dynamic.growth import Growth
from flatwater.audit.dynamic.measure import Costs
from flatwater.audit.dynamic.places import Source
from flatwater.audit.dynamic.reading import EndpointReading
from flatwater.audit.dynamic.verdicts import judge
from flatwater.audit.model import Place
from flatwater.slope import fit_slope

HERE = Place("shop.py", 3, "show")
GROWS = Growth(
    "grows",
    fit_slope([(float(n), 2.0 * n) for n in range(40)], seed=1, resamples=20),
    calls=40,
    bytes_per_request=162,
)
OPENS = Costs(
    statements=1,
    rows=1,
    repeated="",
    repeats=1,
    statement_s=0.001,
    held_s=0.001,
    waited_s=0.0,
    connects=1,
    body_bytes=10,
    largest_piece_bytes=10,
    peak_bytes=1_000,
    seconds=0.01,
)


def rules_of(growth: Growth, costs: Costs) -> list[str]:
    reading = EndpointReading(method="GET", path="/shop", where=HERE, growth=growth, costs=costs, calls=40)
    return sorted(each.rule for each in judge(reading, Source(None, Path.cwd())))


def test_what_stays_of_opened_connections_is_told_as_connections() -> None:
    assert rules_of(GROWS, OPENS) == ["client-per-request"]


def test_what_a_line_of_the_application_holds_is_told_all_the_same() -> None:
    growth = msgspec.structs.replace(GROWS, lines=((HERE, 162.0),))
    assert rules_of(growth, OPENS) == ["client-per-request", "memory-grows"]
    assert rules_of(GROWS, msgspec.structs.replace(OPENS, connects=0)) == ["memory-grows"]
