"""Whether the colours of a scale can be told apart: by those who see red and green alike, and on grey paper."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

LEAST_APART: Final = 15.0
"""Between neighbours, in CIE lightness and colour (ΔE*ab). *Source*: measured here: the program's own scale, made by ColorBrewer to survive colour
blindness, has 18.8 between its two closest neighbours as a deuteranope sees them."""
LEAST_CONTRAST: Final = 4.5
"""Of the text on a colour. *Source*: WCAG 2.2, success criterion 1.4.3."""
_SEEN: Final = {
    # *Source*: Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009, severity 1.0.
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}

Rgb = tuple[float, float, float]


def colour_notes(colours: Sequence[str]) -> list[tuple[int, str]]:
    """Which rungs (by rank) are hard to tell from the one below, and by whom: `everybody`, `protanopia`, `deuteranopia` or `grey`.

    A note and no fault: bars on paper have patterns, and every colour has its name beside it.
    """
    notes: list[tuple[int, str]] = []
    for rank, (below, above) in enumerate(pairwise(colours), start=2):
        first, second = _linear(below), _linear(above)
        if _apart(first, second) < LEAST_APART:
            notes.append((rank, "everybody"))
            continue
        notes += [
            (rank, name)
            for name, seen in _SEEN.items()
            if _apart(_through(seen, first), _through(seen, second)) < LEAST_APART
        ]
        if abs(_lab(first)[0] - _lab(second)[0]) < LEAST_APART / 2:
            notes.append((rank, "grey"))
    return notes


def contrast(colour: str, text: str) -> float:
    """The contrast of a text's colour on another, from 1 to 21. *Source*: WCAG 2.2."""
    light, dark = sorted((_luminance(_linear(colour)), _luminance(_linear(text))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def text_on(colour: str) -> str:
    """White or nearly black, whichever reads better on a colour."""
    return max(("#ffffff", "#1b1b1b"), key=lambda text: contrast(colour, text))


def _linear(colour: str) -> Rgb:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _straight(red), _straight(green), _straight(blue)


def _straight(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _luminance(rgb: Rgb) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def _through(matrix: tuple[Rgb, Rgb, Rgb], rgb: Rgb) -> Rgb:
    red, green, blue = (
        min(1.0, max(0.0, sum(each * value for each, value in zip(row, rgb, strict=True)))) for row in matrix
    )
    return red, green, blue


def _lab(rgb: Rgb) -> Rgb:
    red, green, blue = rgb
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047
    y = _luminance(rgb)
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883
    fx, fy, fz = (each ** (1 / 3) if each > 0.008856 else 7.787 * each + 16 / 116 for each in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


def _apart(first: Rgb, second: Rgb) -> float:
    return sum((a - b) ** 2 for a, b in zip(_lab(first), _lab(second), strict=True)) ** 0.5
