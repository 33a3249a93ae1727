"""Deeds under way: what may run beside what, and that the order in which answers come changes nothing of what the model knows when."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from simulation.deeds import EVERYTHING, KINDS, Deed, Kind, World
from simulation.player import Told
from simulation.window import Window

SIZE = 5


@dataclass
class Notes:
    """Who owns a window, and only notes what it is told."""

    world: World = field(default_factory=lambda: World(1, random.Random(1)))
    settled_deeds: list[int] = field(default_factory=list)
    known_at: dict[int, int] = field(default_factory=dict)
    named: set[bytes] = field(default_factory=set)
    differences: list[str] = field(default_factory=list)

    def settled(self, deed: Deed, _verdict: str, _told: Told) -> None:
        self.settled_deeds.append(deed.key)

    def without_right(self, _who: str, names: set[bytes], *, but: set[object]) -> set[bytes]:
        return {each for each in names if each not in self.named and each.decode() not in but}

    def differ(self, sort: str, *_more: Any, **_where: Any) -> None:
        self.differences.append(sort)


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Notes:
    made = Notes()

    def judge(_w: World, d: Deed) -> str:
        made.known_at[d.key] = len(made.settled_deeds)
        return ""

    kind = Kind("noted", (), lambda _w: None, judge, None, lambda *_: None, lambda _w, d: d.given["touches"])
    monkeypatch.setitem(KINDS, "noted", kind)
    return made


def deeds_of(seed: int) -> list[Deed]:
    dice = random.Random(seed)
    found: list[Deed] = []
    for key in range(60):
        touches = [f"child {dice.randrange(12)}"] if dice.random() < 0.9 else [EVERYTHING]
        found.append(Deed(key, "noted", f"person {dice.randrange(8)}", {"touches": touches}))
    return found


async def played(
    notes: Notes, deeds: list[Deed], patience: random.Random
) -> tuple[int, list[tuple[Deed, Deed]]]:
    """How many were under way at once at most, and the pairs that touched the same at the same time."""
    window = Window(notes, SIZE)  # type: ignore[arg-type]
    running: list[Deed] = []
    together: list[tuple[Deed, Deed]] = []
    most = 0

    async def perform(deed: Deed) -> Told:
        nonlocal most
        mine = set(deed.given["touches"])
        for other in running:
            theirs = set(other.given["touches"])
            if mine & theirs or EVERYTHING in mine | theirs:
                together.append((deed, other))
        running.append(deed)
        most = max(most, len(running))
        await asyncio.sleep(patience.random() * 0.004)
        running.remove(deed)
        return Told(200, "")

    for deed in deeds:
        touched = set(deed.given["touches"])
        await window.make_room_for(deed, touched)
        window.begin(deed, touched, perform)
    await window.settle_all()
    return most, together


def test_what_touches_the_same_is_never_under_way_at_once(notes: Notes) -> None:
    most, together = asyncio.run(played(notes, deeds_of(3), random.Random(4)))
    assert not together
    assert 1 < most <= SIZE


def test_deeds_are_settled_as_they_began_whatever_answer_came_first(notes: Notes) -> None:
    """What the model knew when each was judged is the same in every run: one seed gives the same deeds again."""
    known: list[dict[int, int]] = []
    for patience in (1, 2):
        notes.settled_deeds.clear()
        notes.known_at.clear()
        asyncio.run(played(notes, deeds_of(3), random.Random(patience)))
        assert notes.settled_deeds == list(range(60))
        known.append(dict(notes.known_at))
    assert known[0] == known[1]


def test_a_name_is_judged_once_nothing_is_under_way_that_may_have_given_the_right(notes: Notes) -> None:
    async def play(*, comes: bool) -> list[str]:
        window = Window(notes, SIZE)  # type: ignore[arg-type]
        notes.named.clear()
        notes.differences.clear()
        gate = asyncio.Event()

        async def perform(_deed: Deed) -> Told:
            await gate.wait()
            return Told(200, "")

        for key in range(2):
            window.begin(Deed(key, "noted", "a", {}), {f"child {key}"}, perform)
        window.shown("teacher", {b"Zq"}, "GET /", 0)
        gate.set()
        await window.settle_first()
        assert not notes.differences
        if comes:
            notes.named.add(b"Zq")
        await window.settle_first()
        return list(notes.differences)

    notes.world.p.people.clear()
    assert asyncio.run(play(comes=True)) == []
    assert asyncio.run(play(comes=False)) == ["a name shown to somebody without a right"]


def test_what_was_changed_while_the_question_was_on_its_way_is_not_judged(notes: Notes) -> None:
    async def play() -> None:
        window = Window(notes, SIZE)  # type: ignore[arg-type]

        async def perform(_deed: Deed) -> Told:
            return Told(200, "")

        since = window.settled
        window.begin(Deed(1, "noted", "a", {}), {"Zq"}, perform)
        await window.settle_all()
        window.shown("teacher", {b"Zq"}, "GET /", since)
        window.judge_names()
        assert not notes.differences
        window.shown("teacher", {b"Zq"}, "GET /", window.settled)
        window.judge_names()
        assert notes.differences

    asyncio.run(play())
