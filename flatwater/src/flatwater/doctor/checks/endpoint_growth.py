"""Memory that requests leave behind in the application, by endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from flatwater.doctor.look import Look
from flatwater.doctor.model import Cure, Finding, NotExamined
from flatwater.doctor.processes import in_words
from flatwater.doctor.relations import graded
from flatwater.monitors.endpoints import EndpointStanding

NAME: Final = "endpoint_growth"
MIB: Final = 1 << 20


class EndpointGrowth(Struct, frozen=True):
    """*Source*: our own: the middle of the newest followed requests can't be moved by the odd freed list, so a block a request is
    growth; 16 MiB of it is a tenth of a budget of 150 MB, and below a twentieth of that it is not worth a line. Twenty followed
    requests, so that the first ones, which fill caches, are not taken for growth."""

    least_followed: int = 20
    notice_bytes: int = MIB
    warning_bytes: int = 16 * MIB
    critical_bytes: int = 64 * MIB
    name: str = NAME
    title: str = "Growth by endpoint"
    why: str = "What each request leaves behind adds up until the process is replaced; the endpoint is where to look for the cause."

    def look(self, look: Look) -> Iterator[Finding]:
        told = look.own_numbers()
        if told is None:
            raise NotExamined("The application told nothing of its endpoints, and no server sees them.")
        judged = [each for each in told.endpoints if each.followed >= self.least_followed]
        if not judged:
            raise NotExamined(
                f"Of {len(told.endpoints)} endpoints none had {self.least_followed} requests followed yet, which is what it takes to tell growth."
            )
        found = [each for each in map(self._finding, judged) if each is not None]
        yield from found
        if not found:
            followed = sum(each.followed for each in judged)
            yield Finding(
                check=NAME,
                key=f"{NAME}/all",
                severity="ok",
                saw=f"{len(judged)} endpoints looked at over {followed} followed requests; none leaves {in_words(self.notice_bytes)} behind.",
                why=self.why,
                cures=(),
                numbers={"endpoints": len(judged), "followed": followed},
            )

    def _finding(self, endpoint: EndpointStanding) -> Finding | None:
        grown = endpoint.growth_bytes
        if grown < self.notice_bytes:
            return None
        return Finding(
            check=NAME,
            key=f"{NAME}/{endpoint.name}",
            severity=graded(
                grown, notice=self.notice_bytes, warning=self.warning_bytes, critical=self.critical_bytes
            ),
            saw=f"{endpoint.name} left about {in_words(grown)} behind in {endpoint.requests:,} requests "
            f"({endpoint.growth_per_request:.0f} blocks each, by {endpoint.followed} that were followed).",
            why=self.why,
            cures=(
                Cure(
                    explanation="Replace the process for now (let it drain and start a fresh one). Then find what keeps it: `flatwater audit` reads the "
                    "route's code for containers that only grow, and drives it until a slope can be told."
                ),
            ),
            numbers={"growth_bytes": grown, "requests": endpoint.requests, "followed": endpoint.followed},
        )


CHECK = EndpointGrowth()
