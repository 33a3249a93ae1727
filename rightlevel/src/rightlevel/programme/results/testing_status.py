"""How far testing is: the one way in which bars, sheets, figures and homes count children as tested."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class TestingStatus(msgspec.Struct, frozen=True):
    """The children of some roll in one round and subject, each in exactly one of five parts.

    *tested* is assessed, and nothing else: who was absent, refused or had left has a result and is told beside it, never in it.
    *Source*: product.md section 7, "26 tested, 2 absent, 0 to do, of 28".
    """

    __test__ = False  # its name is no test's

    tested: int = 0
    absent: int = 0
    refused: int = 0
    left: int = 0
    to_do: int = 0

    @property
    def with_result(self) -> int:
        """The children of whom something is recorded."""
        return self.tested + self.absent + self.refused + self.left

    @property
    def enrolled(self) -> int:
        """All of them."""
        return self.with_result + self.to_do


def sum_of(statuses: Iterable[TestingStatus]) -> TestingStatus:
    """Several rolls as one. They must not share a child."""
    tested = absent = refused = left = to_do = 0
    for each in statuses:
        tested, absent, refused = tested + each.tested, absent + each.absent, refused + each.refused
        left, to_do = left + each.left, to_do + each.to_do
    return TestingStatus(tested, absent, refused, left, to_do)
