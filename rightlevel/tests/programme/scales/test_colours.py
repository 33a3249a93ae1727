"""Colours of neighbours are told apart by everybody, or the page says by whom not."""

from __future__ import annotations

from other_scale import COLOURS

from rightlevel.programme.levels import LANGUAGE
from rightlevel.programme.scales import colour_notes, contrast
from rightlevel.programme.scales.colours import LEAST_CONTRAST, text_on


def test_the_programs_own_colours_are_told_apart_save_two_on_a_grey_copy() -> None:
    assert colour_notes([level.colour for level in LANGUAGE]) == [(4, "grey")]


def test_red_beside_green_is_hard_for_some_and_like_beside_like_for_everybody() -> None:
    assert {seen for _, seen in colour_notes(["#a05a2c", "#6b7a22"])} & {"protanopia", "deuteranopia"}
    assert colour_notes(["#336699", "#33669a"]) == [(2, "everybody")]


def test_a_text_can_be_read_on_every_colour() -> None:
    for colour in (*COLOURS, *(level.colour for level in LANGUAGE), "#808080"):
        assert contrast(colour, text_on(colour)) >= LEAST_CONTRAST - 0.6, colour
