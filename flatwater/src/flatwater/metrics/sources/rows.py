"""Metrics of plain values: a row says which number of a value is which metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from flatwater.metrics.exposition import Labels
from flatwater.metrics.kinds import Kind
from flatwater.metrics.registry import Metrics

RowT = TypeVar("RowT")
Rows = Callable[[], Iterable[RowT]]
Row = tuple[str, str, Kind, Callable[[RowT], float | None]]
"""A metric's name, what it tells, its kind, and where its number stands; None is left out, never 0."""


def each_of(
    metrics: Metrics, label: str, name_of: Callable[[RowT], str], read: Rows[RowT], rows: Iterable[Row[RowT]]
) -> None:
    """One metric for each row, one label set for each of what is read."""

    def numbers(number: Callable[[RowT], float | None]) -> dict[Labels, float]:
        pairs = (((name_of(found),), number(found)) for found in read())
        return {labels: value for labels, value in pairs if value is not None}

    for name, about, kind, number in rows:
        metrics.source(name, about, kind, lambda number=number: numbers(number), labels=(label,))


def one_of(metrics: Metrics, read: Callable[[], RowT | None], rows: Iterable[Row[RowT]]) -> None:
    """One metric without labels for each row; none while there is nothing to read."""

    def numbers(number: Callable[[RowT], float | None]) -> dict[Labels, float]:
        found = read()
        value = None if found is None else number(found)
        return {} if value is None else {(): value}

    for name, about, kind, number in rows:
        metrics.source(name, about, kind, lambda number=number: numbers(number))
