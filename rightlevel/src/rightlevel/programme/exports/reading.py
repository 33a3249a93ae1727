"""What a file is made of: its tables one after another, each begun with its columns, then its rows as the database gives them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from flatwater.transaction import CopiedBlock, Session
from rightlevel.programme.exports import store
from rightlevel.programme.exports.actions import check_ask, part_of, sheets_of
from rightlevel.programme.exports.columns import DEFINITIONS, codebook, columns_of
from rightlevel.programme.exports.model import Column, ExportAsk, What
from rightlevel.programme.exports.text_files import Cell
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.permissions import SUBJECTS, Actor
from rightlevel.programme.visits import VisitSearch, forms_in_use, question_columns, rows_of_visits

OF_SCHOOLS: Final = frozenset(
    {
        "roster",
        "results",
        "verification",
        "data_quality",
        "attendance",
        "assignments",
        "classes",
        "statistics",
    }
)
OF_FIGURES: Final = frozenset({"round_id", "place_id", "school_id", "grade", "sex"})
ABOUT: Final = (Column("what", "text", ""), Column("value", "text", ""))
CODEBOOK: Final = tuple(Column(name, "text", "") for name in ("sheet", "column", "kind", "meaning"))
_ENDS: Final[dict[str, bytes]] = {
    "csv": b",%s,%s\n",
    "jsonl": b'"tested":"%s","without_result":"%s"}\n',
    "xlsx": b"\t%s\t%s\n",
    "parquet": b"\t%s\t%s\n",
}
_PAIRS: Final = (
    ("both", "none"),
    ("language", "none"),
    ("language", "math"),
    ("math", "none"),
    ("math", "language"),
    ("neither", "none"),
    ("neither", "language"),
    ("neither", "math"),
    ("neither", "both"),
)
"""In which subjects a child can be assessed and have no result at all."""


class SheetBegun(msgspec.Struct, frozen=True):
    """A table begins: its name and its columns."""

    name: str
    columns: tuple[Column, ...]


class Rows(msgspec.Struct, frozen=True):
    """Rows that are made here."""

    cells: Sequence[Sequence[Cell]]


Part = SheetBegun | CopiedBlock | Rows


class Reading:
    """One file being read in one snapshot; `counts` and `rows` grow while it is."""

    def __init__(self, session: Session, actor: Actor, ask: ExportAsk, *, key: bytes, today: date) -> None:
        self.rows = 0
        self.counts: dict[str, Any] = {}
        self._session = session
        self._actor = actor
        self._ask = ask
        self._key = key
        self._today = today

    async def parts(self) -> AsyncIterator[Part]:
        """The file's tables. *Errors*: those of `check_ask`. *Cost*: a statement for forty schools; one block of rows in memory."""
        # Who may was asked when the file was begun, and it may have waited since.
        await check_ask(self._session, self._actor, self._ask)
        whats = sheets_of(self._actor, self._ask)
        for what in whats:
            async for part in self._table(what, part_of(self._ask, what)):
                yield part
        if self._ask.format == "xlsx":
            async for part in self._about(whats):
                yield part

    async def _table(self, what: What, ask: ExportAsk) -> AsyncIterator[Part]:
        columns = columns_of(what, is_deidentified=ask.is_deidentified)
        if what == "visits":
            async for part in self._visits(ask, columns):
                yield part
            return
        yield SheetBegun(what, columns)
        values = store.values_of(self._actor, ask, self._key, self._today)
        rounds = await store.rounds_of(self._session, ask.round_id) if what == "results" else [ask.round_id]
        for round_id in rounds:
            told = self._begin_counts(round_id) if what == "results" else None
            async for block in self._blocks(what, ask, values | {"round_id": round_id}):
                self.rows += block.rows
                if told is not None:
                    told.add(block)
                yield block
            if told is not None and round_id is not None:
                await self._end_counts(told, round_id, ask)

    async def _blocks(self, what: What, ask: ExportAsk, values: dict[str, Any]) -> AsyncIterator[CopiedBlock]:
        query = store.statement_of(what, ask)
        if what not in OF_SCHOOLS:
            async for block in store.rows_of(self._session, query, values):
                yield block
            return
        if ask.is_deidentified:
            values["shown"] = await store.shown_of(self._session, values["round_id"])
        schools = store.schools_of(self._session, values, keeps_removed=what in ("results", "statistics"))
        together: list[int] = []
        async for found in schools:
            some = [each.id for each in found]
            if ask.is_deidentified:
                # In one order over all of them: where a row stands would tell its school.
                together += some
                continue
            async for block in store.rows_of(self._session, query, values | {"schools": some}):
                yield block
        if ask.is_deidentified:
            async for block in store.rows_of(self._session, query, values | {"schools": together}):
                yield block

    async def _visits(self, ask: ExportAsk, columns: tuple[Column, ...]) -> AsyncIterator[Part]:
        forms = await forms_in_use(self._session)
        known = {each.name for each in columns}
        asked = [Column(name, "text", "") for name in question_columns(forms) if name not in known]
        taken = [number for number, name in enumerate(question_columns(forms)) if name not in known]
        yield SheetBegun("visits", (*columns, *asked))
        search = VisitSearch(
            school_id=ask.school_id,
            mentor_id=ask.mentor_id,
            subject=ask.subject,
            from_on=ask.from_on,
            to_on=ask.to_on,
        )
        first = len(columns)
        async for rows in rows_of_visits(self._session, self._actor, search, forms):
            self.rows += len(rows)
            yield Rows([[*row[:first], *(row[first + number] for number in taken)] for row in rows])

    def _begin_counts(self, round_id: int | None) -> _Told:
        told = _Told(_ENDS[self._ask.format])
        self.counts[str(round_id)] = {}
        return told

    async def _end_counts(self, told: _Told, round_id: int, ask: ExportAsk) -> None:
        """What the rows of a round say, and what the figures say of the same children at the same moment, for whom sees all of them."""
        counts = told.counts()
        is_comparable = (
            self._actor.scope.is_everything and set(ask.filters()) <= OF_FIGURES and not ask.is_deidentified
        )
        if is_comparable:
            counts["figures"] = {}
            for subject in SUBJECTS:
                asked = FigureQuery(
                    round_id,
                    subject,
                    place_id=ask.place_id,
                    school_id=ask.school_id,
                    grade=ask.grade,
                    sex=ask.sex,
                )
                found = await read_figures(self._session, self._actor, asked)
                counts["figures"][subject] = {
                    "assessed": found.assessed,
                    "enrolled": found.enrolled,
                    "to_do": found.to_do,
                }
        self.counts[str(round_id)] = counts

    async def _about(self, whats: list[What]) -> AsyncIterator[Part]:
        yield SheetBegun("codebook", CODEBOOK)
        lines = codebook(tuple(whats))
        is_coded = self._ask.is_deidentified
        there = [line for line in lines if (line.is_in_deidentified if is_coded else line.is_in_named)]
        yield Rows([[line.what, line.column, line.kind, line.meaning] for line in there])
        yield SheetBegun("about", ABOUT)
        told: list[Sequence[Cell]] = [["of", self._ask.what]]
        told += [[f"definition: {what}", DEFINITIONS[what]] for what in whats]
        told += [[name, str(value)] for name, value in self._ask.filters().items()]
        told.append(["de-identified", "yes" if self._ask.is_deidentified else "no"])
        told.append(["as of", (await store.moment(self._session)).isoformat()])
        told.append(["rows", str(self.rows)])
        for round_id, counts in self.counts.items():
            told += [[f"round {round_id}: {name}", str(value)] for name, value in counts.items()]
        yield Rows(told)


class _Told:
    """Counts children by what ends their rows, for reading the rows themselves would cost as much as making them."""

    def __init__(self, end: bytes) -> None:
        self._ends = [(pair, end % (pair[0].encode(), pair[1].encode())) for pair in _PAIRS]
        self._pairs = dict.fromkeys(_PAIRS, 0)
        self._rows = 0

    def add(self, block: CopiedBlock) -> None:
        self._rows += block.rows
        for pair, end in self._ends:
            self._pairs[pair] += block.content.count(end)

    def counts(self) -> dict[str, Any]:
        """Children, those assessed and those without a result in each subject.

        A text with a line's end and these very words after it would be counted as a child; then the sum is another than the rows', and
        nothing is said but how many there are.
        """
        if sum(self._pairs.values()) != self._rows:
            return {"children": self._rows}
        return {
            "children": self._rows,
            "assessed": {subject: self._sum(0, subject) for subject in SUBJECTS},
            "without_result": {subject: self._sum(1, subject) for subject in SUBJECTS},
        }

    def _sum(self, at: int, subject: str) -> int:
        return sum(count for pair, count in self._pairs.items() if pair[at] in (subject, "both"))
