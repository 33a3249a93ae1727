"""The stylesheet keeps the levels' colours, and letters on them can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rightlevel.web
from rightlevel.programme.levels import LANGUAGE, MATH

CSS = (Path(rightlevel.web.__file__).parent / "static/app.css").read_text("utf-8")
READABLE = 4.5


def brightness(colour: str) -> float:
    """Relative luminance. *Source*: WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("level", [*LANGUAGE, *MATH], ids=lambda level: level.code)
def test_a_levels_colour_is_the_stylesheets(level: object) -> None:
    assert f"--level-{level.rank}: {level.colour};" in CSS


@pytest.mark.parametrize("rank", range(1, 10))
def test_letters_on_a_levels_colour_can_be_read(rank: int) -> None:
    colour = re.search(rf"--level-{rank}: (#\w+);", CSS)
    ink = re.search(rf"\.level-{rank} {{ background: [^;]+; color: var\(--on-level-{rank}, (#\w+)\);", CSS)
    assert colour is not None
    assert ink is not None
    letters = ink[1] if len(ink[1]) == 7 else "#ffffff"
    assert contrast(colour[1], letters) >= READABLE


TEMPLATES = Path(rightlevel.web.__file__).parent
INLINE = re.compile(
    r"""\sstyle\s*=|<style|<script(?![^>]*(?:\bsrc=|type="application/json"))|\son[a-z]+\s*=\s*["']|javascript:"""
)


def test_no_page_holds_styles_or_scripts_of_its_own() -> None:
    """The policy that browsers are told lets none in: one that is written here would do nothing."""
    found = [
        f"{page.relative_to(TEMPLATES)}: {each[0]}"
        for page in sorted(TEMPLATES.rglob("*.html"))
        for each in INLINE.finditer(page.read_text("utf-8"))
    ]
    assert found == []


def test_every_share_of_a_bar_has_its_width() -> None:
    for number in range(1, 101):
        assert f".grow-{number} {{ flex-grow: {number}; }}" in CSS


LONGEST_LINE = 150


def test_no_line_of_a_template_runs_out_of_sight() -> None:
    pages = sorted(TEMPLATES.rglob("*.html"))
    long = [
        f"{page.relative_to(TEMPLATES)}:{number}"
        for page in pages
        for number, line in enumerate(page.read_text("utf-8").split("\n"), 1)
        if len(line) > LONGEST_LINE
    ]
    assert len(pages) > 100
    assert long == []
