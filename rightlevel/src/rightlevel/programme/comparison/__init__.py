"""Comparison: one indicator of many places or schools beside each other, in order, with intervals.

Public: `compare`, `positions_of`; `ComparisonQuery`, `Comparison`, `Compared`, `Position`, `MEASURES`.
"""

from rightlevel.programme.comparison.actions import compare
from rightlevel.programme.comparison.model import MEASURES, Compared, Comparison, ComparisonQuery, Measure
from rightlevel.programme.comparison.positions import Position, positions_of

__all__ = [
    "MEASURES",
    "Compared",
    "Comparison",
    "ComparisonQuery",
    "Measure",
    "Position",
    "compare",
    "positions_of",
]
