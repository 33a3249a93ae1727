"""Published shares of children by level, for drawing children whose figures are known."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from rightlevel.programme.permissions import Subject


class Ladder(msgspec.Struct, frozen=True):
    """The shares of one grade at the five levels, lowest first; `page` is that of the published report."""

    state: str
    subject: Subject
    grade: int
    page: int
    percent: tuple[float, float, float, float, float]


@cache
def ladders() -> tuple[Ladder, ...]:
    """Every ladder in the file. *Source*: see ladders.toml."""
    text = files("rightlevel.operations.sample_data").joinpath("ladders.toml").read_text("utf-8")
    return tuple(msgspec.convert(tomllib.loads(text)["ladder"], list[Ladder]))


def states() -> list[str]:
    """The states that the file has figures of, in its order."""
    return list(dict.fromkeys(ladder.state for ladder in ladders()))


def percent_of(state: str, subject: Subject, grade: int) -> tuple[float, ...]:
    """One ladder's shares. *Errors*: LookupError for one that the file has not."""
    for ladder in ladders():
        if (ladder.state, ladder.subject, ladder.grade) == (state, subject, grade):
            return ladder.percent
    raise LookupError(f"no ladder of {state}, {subject}, grade {grade}")
