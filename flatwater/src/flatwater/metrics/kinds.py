"""The kinds of metrics: counter, gauge, histogram, and a source that is read when somebody asks. Each has a ceiling."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Generic, Literal, Protocol, TypeVar

import msgspec

from flatwater.metrics.exposition import Family, Labels, Spread

Kind = Literal["counter", "gauge"]
Read = Callable[[], Mapping[Labels, float]]
CellT = TypeVar("CellT")

OTHER: Final = "other"
"""The label values of what came when a metric had all the label sets it may have."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Bounds for durations. *Source*: OpenTelemetry semantic conventions, http.server.request.duration."""


class Declaration(msgspec.Struct, frozen=True):
    """What a metric is called, what it tells, and how many label sets it may have; `refused` is told of those beyond."""

    name: str
    about: str
    labels: Labels
    ceiling: int
    refused: Callable[[str], None]


class Declared(Protocol):
    """A metric as the registry knows it."""

    @property
    def declaration(self) -> Declaration: ...

    def family(self) -> Family: ...


def _family(
    declaration: Declaration,
    kind: Literal["counter", "gauge", "histogram"],
    samples: Sequence[tuple[Labels, float | Spread]],
) -> Family:
    return Family(declaration.name, declaration.about, kind, declaration.labels, samples)


class _Cells(Generic[CellT]):
    """What a metric keeps for each label set, up to its ceiling; the one called other comes on top."""

    def __init__(self, declaration: Declaration, empty: Callable[[], CellT]) -> None:
        self.kept: dict[Labels, CellT] = {}
        self.other = (OTHER,) * len(declaration.labels)
        self._declaration, self._empty = declaration, empty

    def cell(self, labels: Labels) -> CellT:
        """The cell of a label set that has none yet: a new one, or that of `other` when the ceiling is reached."""
        declaration = self._declaration
        if len(labels) != len(declaration.labels):
            raise ValueError(f"{declaration.name} has the labels {', '.join(declaration.labels) or '(none)'}")
        if self.is_let_in(labels):
            return self.kept.setdefault(labels, self._empty())
        declaration.refused(declaration.name)
        return self.kept.setdefault(self.other, self._empty())

    def is_let_in(self, labels: Labels) -> bool:
        if labels in self.kept:
            return True
        own = len(self.kept) - (self.other in self.kept)
        return own < self._declaration.ceiling or labels == self.other


class Counter:
    """A number for each label set that only grows."""

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self._cells = _Cells[list[float]](declaration, lambda: [0.0])
        self._kept = self._cells.kept

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Counts. *Errors*: ValueError for a negative amount or labels of another number."""
        if not amount >= 0:
            raise ValueError(f"{self.declaration.name} only grows")
        cell = self._kept.get(labels)
        if cell is None:
            cell = self._cells.cell(labels)
        cell[0] += amount

    def family(self) -> Family:
        samples = [(labels, cell[0]) for labels, cell in self._kept.items()]
        return _family(self.declaration, "counter", samples)


class Gauge:
    """A number for each label set that is what it was last set to."""

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self._cells = _Cells[list[float]](declaration, lambda: [0.0])

    def set(self, value: float, labels: Labels = ()) -> None:
        self._cells.cell(labels)[0] = value

    def family(self) -> Family:
        samples = [(labels, cell[0]) for labels, cell in self._cells.kept.items()]
        return _family(self.declaration, "gauge", samples)


class Histogram:
    """How observations are spread over bounds, for each label set."""

    def __init__(self, declaration: Declaration, bounds: tuple[float, ...]) -> None:
        self.declaration, self._bounds = declaration, bounds
        # Counts, the one without a bound, and the sum: one list, so that an observation touches one object.
        width = len(bounds) + 2
        self._cells = _Cells[list[float]](declaration, lambda: [0.0] * width)
        self._kept = self._cells.kept

    def observe(self, value: float, labels: Labels = ()) -> None:
        """Counts a value. *Errors*: ValueError when it is negative or not a number, which would spoil the sum for good."""
        if not value >= 0:
            raise ValueError(f"{self.declaration.name} takes numbers that are not negative")
        cell = self._kept.get(labels)
        if cell is None:
            cell = self._cells.cell(labels)
        cell[bisect_left(self._bounds, value)] += 1
        cell[-1] += value

    def family(self) -> Family:
        samples = [
            (labels, Spread(self._bounds, tuple(int(count) for count in cell[:-1]), cell[-1]))
            for labels, cell in self._kept.items()
        ]
        return _family(self.declaration, "histogram", samples)


class Source:
    """A metric that is read when somebody asks.

    The label sets let in first stay; what comes on top is, in one label set called other, added up for a counter and
    the greatest of them for a gauge.
    """

    def __init__(self, declaration: Declaration, kind: Kind, read: Read) -> None:
        self.declaration = declaration
        self._kind: Kind = kind
        self._read = read
        # Which label sets are let in must not change with the order in which they are read.
        self._cells = _Cells[None](declaration, lambda: None)

    def family(self) -> Family:
        samples: dict[Labels, float] = {}
        for labels, value in self._let_in(self._read()):
            before = samples.get(labels)
            if before is None:
                samples[labels] = value
            else:
                samples[labels] = before + value if self._kind == "counter" else max(before, value)
        return _family(self.declaration, self._kind, list(samples.items()))

    def _let_in(self, read: Mapping[Labels, float]) -> Iterator[tuple[Labels, float]]:
        for labels, value in read.items():
            is_let_in = self._cells.is_let_in(labels)
            self._cells.cell(labels)
            yield (labels if is_let_in else self._cells.other), value
