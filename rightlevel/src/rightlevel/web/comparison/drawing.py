"""The map of a comparison: points that the server draws, and the same as GeoJSON."""

from __future__ import annotations

from math import cos, radians
from typing import Any, Final

import msgspec

from rightlevel.programme.comparison import Compared, Position

WIDTH: Final = 1_000
"""Of the drawing; its height follows from what is on it."""
MARGIN: Final = 40
LEAST_HEIGHT, MOST_HEIGHT = 240, 1_400
LEAST_DEGREES: Final = 0.02
"""What is nearer together than this (2 km) is drawn as if it were not, so that one school has a map too."""
STEPS: Final = 5
"""Of colour and size. Darker is more and so is larger: told apart without colours, and on paper."""
MOST_NAMED: Final = 30
"""So many points have their names beside them; more would cover each other."""


class Point(msgspec.Struct, frozen=True):
    """One unit on the drawing; `step` is None where nothing is told of it."""

    unit: Compared
    x: float
    y: float
    step: int | None


class Drawing(msgspec.Struct, frozen=True):
    """The points in the list's order, so that smaller ones lie on larger ones, and how many units have no position."""

    height: int
    points: list[Point]
    edges: list[float]
    without_position: int
    has_names: bool


def draw(units: list[Compared], positions: list[Position | None], *, is_share: bool) -> Drawing:
    """Where each unit stands on a drawing with north at the top, and in which step its value is.

    Degrees of longitude are as long as they are in the middle of what is drawn; a share's steps are each of 20 %, so that two maps can be
    laid beside each other, other values' are equal parts of what there is.
    """
    placed = [(unit, at) for unit, at in zip(units, positions, strict=True) if at is not None]
    edges = _edges([unit for unit, _ in placed], is_share=is_share)
    if not placed:
        return Drawing(LEAST_HEIGHT, [], edges, len(units), has_names=False)
    south, north = _ends([at.latitude for _, at in placed])
    squeeze = max(0.05, cos(radians((south + north) / 2)))
    west, east = _ends([at.longitude * squeeze for _, at in placed])
    wide = WIDTH - 2 * MARGIN
    height = round(min(MOST_HEIGHT, max(LEAST_HEIGHT, wide * (north - south) / (east - west) + 2 * MARGIN)))
    tall = height - 2 * MARGIN
    scale = min(wide / (east - west), tall / (north - south))
    left = (WIDTH - scale * (east - west)) / 2
    top = (height - scale * (north - south)) / 2
    points = [
        Point(
            unit,
            round(left + scale * (at.longitude * squeeze - west), 1),
            round(top + scale * (north - at.latitude), 1),
            _step(unit, edges),
        )
        for unit, at in placed
    ]
    return Drawing(height, points, edges, len(units) - len(placed), has_names=len(points) <= MOST_NAMED)


def features(units: list[Compared], positions: list[Position | None], measure: str) -> dict[str, Any]:
    """The same as a GeoJSON FeatureCollection; what has no position is in it with no geometry. *Source*: RFC 7946."""
    return {
        "type": "FeatureCollection",
        "features": list(map(_feature, units, positions, [measure] * len(units))),
    }


def _feature(unit: Compared, at: Position | None, measure: str) -> dict[str, Any]:
    told = unit.estimate
    return {
        "type": "Feature",
        "geometry": None
        if at is None
        else {"type": "Point", "coordinates": [round(at.longitude, 6), round(at.latitude, 6)]},
        "properties": {
            "kind": "school" if unit.is_school else "place",
            "code": unit.code,
            "name": unit.name_local,
            "measure": measure,
            "n": unit.n,
            "part": unit.part,
            "value": None if told is None else round(told.value, 4),
            "low": None if told is None else round(told.low, 4),
            "high": None if told is None else round(told.high, 4),
        },
    }


def _ends(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    more = max(0.0, LEAST_DEGREES - (high - low)) / 2
    return low - more, high + more


def _edges(units: list[Compared], *, is_share: bool) -> list[float]:
    """The values between the steps, the lowest and the highest with them."""
    low, high = 0.0, 1.0
    if not is_share:
        known = [each.estimate.value for each in units if each.estimate is not None] or [0.0]
        low, high = min(known), max(known)
        high = max(high, low + 0.05)
    return [low + (high - low) * number / STEPS for number in range(STEPS + 1)]


def _step(unit: Compared, edges: list[float]) -> int | None:
    """From 1 on."""
    if unit.estimate is None:
        return None
    return max(1, sum(unit.estimate.value >= edge - 1e-9 for edge in edges[:-1]))
