"""Comparison: one indicator of many places or schools beside each other, in order, with intervals.

Public: `compare`; `ComparisonQuery`, `Comparison`, `Compared`, `MEASURES`.
"""

from rightlevel.programme.comparison.actions import compare
from rightlevel.programme.comparison.model import MEASURES, Compared, Comparison, ComparisonQuery, Measure

__all__ = ["MEASURES", "Compared", "Comparison", "ComparisonQuery", "Measure", "compare"]
