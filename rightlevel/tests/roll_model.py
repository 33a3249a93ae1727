"""Who sits where, said once more in plain Python: numbers instead of instants, lists instead of indexes, no sums kept anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field

Cell = tuple[int, int | None, int, int]
"""School, class, grade, sex."""
SUBJECTS = ("language", "math")


@dataclass
class Stint:
    """Where a child stood, from one deed to another."""

    year: int
    cell: Cell
    since: int
    until: int | None = None
    closes_year: bool = False
    rolled: str = ""


@dataclass
class ModelChild:
    """A child with everything that it was."""

    stints: list[Stint]
    is_active: bool = True
    is_deleted: bool = False
    left_reason: str = ""
    year: int = 0
    cell: Cell = (0, None, 0, 0)

    @property
    def present(self) -> Stint:
        """The last stint; of a child that is here, where it is."""
        return self.stints[-1]


@dataclass
class ModelRound:
    """A round of a year; `roll` is the deed after which its roll was fixed."""

    year: int
    starts: int
    state: str = "planned"
    roll: int | None = None
    was_opened: bool = False


@dataclass
class Model:
    """Children, rounds and results, and how many deeds were done."""

    children: dict[str, ModelChild] = field(default_factory=dict[str, ModelChild])
    rounds: dict[int, ModelRound] = field(default_factory=dict[int, ModelRound])
    results: dict[tuple[str, int, str], Cell] = field(default_factory=dict[tuple[str, int, str], Cell])
    deeds: int = 0

    def tick(self) -> int:
        self.deeds += 1
        return self.deeds

    def base(self, child: ModelChild, round_: ModelRound) -> Cell | None:
        """Where a child sits in a round by its stints."""
        began = [
            s
            for s in child.stints
            if s.year == round_.year and (round_.roll is None or s.since <= round_.roll)
        ]
        if not began:
            return None
        last = max(began, key=lambda s: s.since)
        if last.until is None or last.closes_year:
            return last.cell
        return last.cell if round_.roll is not None and last.until > round_.roll else None

    def seats(self) -> dict[tuple[int, str, int, int, int], int]:
        """Seats by round, subject, school, grade and sex."""
        counted: dict[tuple[int, str, int, int, int], int] = {}
        for child_id, child in self.children.items():
            if child.is_deleted:
                continue
            for round_id, round_ in self.rounds.items():
                for subject in SUBJECTS:
                    cell = self.results.get((child_id, round_id, subject)) or self.base(child, round_)
                    if cell is not None:
                        key = (round_id, subject, cell[0], cell[2], cell[3])
                        counted[key] = counted.get(key, 0) + 1
        return counted

    def cell_for(self, child: ModelChild, round_: ModelRound) -> Cell | None:
        """Where a new result of a child is made."""
        stints = sorted((s for s in child.stints if s.year == round_.year), key=lambda s: s.since)
        if not stints:
            return None
        if round_.roll is None:
            return stints[-1].cell
        roll = round_.roll
        covering = [s for s in stints if s.since <= roll and (s.until is None or s.until > roll)]
        if covering:
            return covering[-1].cell
        before = [s for s in stints if s.since <= roll]
        if before and before[-1].closes_year:
            return before[-1].cell
        after = [s for s in stints if s.since > roll]
        return after[0].cell if after else stints[-1].cell

    def move(self, child: ModelChild, year: int, cell: Cell) -> None:
        """Another stint begins, whichever way the child comes to it."""
        at = self.tick()
        if child.is_active:
            child.present.until = at
        child.stints.append(Stint(year, cell, at))
        child.is_active, child.left_reason, child.year, child.cell = True, "", year, cell

    def leave(self, child: ModelChild, reason: str) -> None:
        child.present.until = self.tick()
        child.is_active, child.left_reason = False, reason

    def correct(self, child_id: str, cell: Cell) -> None:
        """The child was always so, but for rounds whose roll holds it as it was."""
        child, at = self.children[child_id], self.tick()
        before = child.cell
        stint = child.present
        held = [each for each, r in self.rounds.items() if r.year == child.year and r.roll is not None]
        tested = {round_id for owner, round_id, _ in self.results if owner == child_id}
        if any((self.rounds[each].roll or 0) >= stint.since or each in tested for each in held):
            stint.until = at
            child.stints.append(Stint(stint.year, cell, at))
        else:
            stint.cell = cell
        child.cell = cell
        for (owner, round_id, subject), made in self.results.items():
            round_ = self.rounds[round_id]
            if owner == child_id and round_.year == child.year and round_.roll is None:
                school, class_id, grade, sex = made
                if (school, class_id, grade) == before[:3]:
                    class_id, grade = cell[1], cell[2]
                self.results[owner, round_id, subject] = (
                    school,
                    class_id,
                    grade,
                    cell[3] if sex == before[3] else sex,
                )

    def set_state(self, round_id: int, state: str, *, loosens: bool) -> None:
        at = self.tick()
        round_ = self.rounds[round_id]
        was_closed = round_.state == "closed"
        round_.state, round_.was_opened = state, True
        if state in ("closed", "frozen") and round_.roll is None:
            round_.roll = at
        for other in self.rounds.values():
            if other.starts < round_.starts and other.roll is None:
                other.roll = at
        later = any(o.starts > round_.starts and o.was_opened for o in self.rounds.values())
        if state == "open" and was_closed and loosens and not later:
            round_.roll = None
