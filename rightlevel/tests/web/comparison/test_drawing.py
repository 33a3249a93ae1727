"""The map of a comparison: north at the top, steps told apart by size, bounded, and nothing of what is withheld."""

from __future__ import annotations

import json

from rightlevel.programme.comparison import Compared, Position
from rightlevel.programme.verification.agreement import Interval, share
from rightlevel.web.comparison.drawing import MOST_HEIGHT, WIDTH, draw, features


def unit(number: int, part: int | None = 5, of: int | None = 10) -> Compared:
    estimate = None if part is None or of is None else share(part, of)
    return Compared(
        is_school=True,
        id=number,
        code=f"S{number}",
        name_local=f"School {number}",
        n=of,
        part=part,
        estimate=estimate,
    )


def test_north_is_at_the_top_and_east_at_the_right() -> None:
    drawn = draw([unit(1), unit(2)], [Position(10, 100), Position(14, 103)], is_share=True)
    south_west, north_east = drawn.points
    assert south_west.x < north_east.x
    assert south_west.y > north_east.y
    assert drawn.has_names


def test_shares_have_the_same_steps_on_every_map_and_what_is_withheld_has_none() -> None:
    units = [unit(0, 0), unit(1, 1), unit(2, 2), unit(3, 10), unit(4, None, None)]
    drawn = draw(units, [Position(10 + number, 100) for number in range(5)], is_share=True)
    assert [each.step for each in drawn.points] == [1, 1, 2, 5, None]
    assert drawn.edges[0] == 0
    assert drawn.edges[-1] == 1


def test_a_change_in_levels_is_told_apart_by_what_there_is() -> None:
    shifts = [
        Compared(
            is_school=True, id=at, code="", name_local="", n=20, part=None, estimate=Interval(at / 2, 0, 9)
        )
        for at in (-1, 0, 4)
    ]
    drawn = draw(shifts, [Position(at, at) for at in range(3)], is_share=False)
    assert [each.step for each in drawn.points] == [1, 2, 5]


def test_everything_stays_on_the_drawing_wherever_it_is() -> None:
    """A country along a meridian, one along the equator, both poles, one school, all at one point."""
    for positions in (
        [Position(-50, 20), Position(50, 20.001)],
        [Position(0, -179), Position(0.001, 179)],
        [Position(90, 0), Position(-90, 0)],
        [Position(90, 0), Position(90, 170)],
        [Position(11, 104)],
        [Position(11, 104)] * 40,
    ):
        drawn = draw([unit(number) for number in range(len(positions))], [*positions], is_share=True)
        assert 0 < drawn.height <= MOST_HEIGHT
        assert all(0 <= each.x <= WIDTH and 0 <= each.y <= drawn.height for each in drawn.points)


def test_what_has_no_position_is_counted_and_nothing_at_all_is_drawn_of_nothing() -> None:
    drawn = draw([unit(1), unit(2)], [None, None], is_share=True)
    assert (drawn.points, drawn.without_position) == ([], 2)
    assert draw([], [], is_share=False).without_position == 0


def test_geojson_tells_longitude_first_and_keeps_what_has_no_position() -> None:
    told = features([unit(1), unit(2, None, None)], [Position(11.5, 104.25), None], "coverage")
    first, second = json.loads(json.dumps(told))["features"]
    assert first["geometry"] == {"type": "Point", "coordinates": [104.25, 11.5]}
    assert first["properties"]["value"] == 0.5
    assert second["geometry"] is None
    assert [second["properties"][name] for name in ("n", "part", "value", "low", "high")] == [None] * 5
