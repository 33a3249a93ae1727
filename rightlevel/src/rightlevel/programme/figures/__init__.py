"""Figures: what is known of many children at once, from counts kept in every write's own transaction.

Public: `read_figures`, `read_breakdown`, `figures_below`, `children_behind`, `moved_schools`, `hold_different_children`; `FigureQuery`, `Figures`,
`Indicator`, `LevelCount`,
`UnitFigures`, `INDICATORS`; `Telling` for looks of several figures.
"""

from rightlevel.programme.figures.actions import (
    Telling,
    children_behind,
    figures_below,
    moved_schools,
    read_breakdown,
    read_figures,
)
from rightlevel.programme.figures.model import (
    BOUNDARIES,
    INDICATORS,
    BehindQuery,
    ChildBehind,
    FigureQuery,
    Figures,
    Indicator,
    IndicatorDefinition,
    LevelCount,
    MovedSchool,
    MovedSchools,
    Slice,
    UnitFigures,
    hold_different_children,
)

__all__ = [
    "BOUNDARIES",
    "INDICATORS",
    "BehindQuery",
    "ChildBehind",
    "FigureQuery",
    "Figures",
    "Indicator",
    "IndicatorDefinition",
    "LevelCount",
    "MovedSchool",
    "MovedSchools",
    "Slice",
    "Telling",
    "UnitFigures",
    "children_behind",
    "figures_below",
    "hold_different_children",
    "moved_schools",
    "read_breakdown",
    "read_figures",
]
