"""Figures: what is known of many children at once, from counts kept in every write's own transaction.

Public: `read_figures`, `read_breakdown`, `figures_below`, `children_behind`, `hold_different_children`; `FigureQuery`, `Figures`, `Indicator`, `LevelCount`,
`UnitFigures`, `INDICATORS`.
"""

from rightlevel.programme.figures.actions import children_behind, figures_below, read_breakdown, read_figures
from rightlevel.programme.figures.model import (
    INDICATORS,
    BehindQuery,
    ChildBehind,
    FigureQuery,
    Figures,
    Indicator,
    IndicatorDefinition,
    LevelCount,
    Slice,
    UnitFigures,
    hold_different_children,
)

__all__ = [
    "INDICATORS", "BehindQuery", "ChildBehind", "FigureQuery", "Figures", "Indicator", "IndicatorDefinition", "LevelCount", "Slice",
    "UnitFigures", "children_behind", "figures_below", "hold_different_children", "read_breakdown", "read_figures",
]  # fmt: skip
