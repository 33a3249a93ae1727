"""One page of a set being read: whole schools, forty at a time, until it is full; the next one begins after the last of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any, Final

from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.exports import store
from rightlevel.programme.exports.actions import check_ask
from rightlevel.programme.exports.model import ExportAsk
from rightlevel.programme.exports.odata import Mark, ODataPage, PageState, met_by
from rightlevel.programme.exports.reading import OF_SCHOOLS, Part, Rows, SheetBegun
from rightlevel.programme.permissions import Actor
from rightlevel.programme.visits import VisitSearch, forms_in_use, rows_of_visits

PAGE_ROWS: Final = 50_000
"""A page ends after the forty schools with which it has so many."""


async def check_mark(session: Session, ask: ExportAsk, page: ODataPage) -> None:
    """Passes where a page may begin at its mark: else rows would be told twice or passed over. *Errors*: Invalid."""
    if page.after is None:
        return
    of = page.of
    has_pages = of.what in OF_SCHOOLS and not of.is_deidentified
    rounds = await store.rounds_of(session, ask.round_id) if of.what == "results" else [ask.round_id or 0]
    if not has_pages or page.after.round_id not in rounds:
        raise Invalid(
            faults=(Fault("$skiptoken", "This is not the address of a next page", page.after.text()[:40]),)
        )


class PageReading:
    """One page being read in one snapshot; `state` is whole once its parts are."""

    def __init__(self, session: Session, actor: Actor, ask: ExportAsk, page: ODataPage) -> None:
        self.counts: dict[str, Any] = {}
        self.state = PageState()
        self._session = session
        self._actor = actor
        self._ask = ask
        self._page = page

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return self.state.rows

    async def parts(self, *, key: bytes, today: date) -> AsyncIterator[Part]:
        """Its rows. *Errors*: those of `check_ask`. *Cost*: a statement for forty schools; a count reads every row of the set once more."""
        await check_ask(self._session, self._actor, self._ask)
        page = self._page
        await check_mark(self._session, self._ask, page)
        values = store.values_of(self._actor, self._ask, key, today) | {
            "fields": [each.field for each in page.conditions],
            "tests": [each.test for each in page.conditions],
            "wanted": [each.value for each in page.conditions],
            "left_out": [
                each.name for each in page.of.columns if page.picked and each.name not in page.picked
            ],
        }
        if page.is_counted:
            self.state.count = await self._count(values)
        yield SheetBegun(page.of.name, page.of.columns)
        if page.is_only_count or page.top == 0:
            return
        if page.of.what == "visits":
            async for rows in self._visits():
                kept = rows[: self._left()]
                self.state.rows += len(kept)
                yield Rows(kept)
                if self._left() == 0:
                    return
            return
        query = store.page_statement_of(page.of.what, self._ask, is_picked=bool(page.picked))
        async for asked, mark in self._groups(values, page.after):
            async for block in store.rows_of(self._session, query, asked | {"most": self._left()}):
                self.state.rows += block.rows
                yield block
            if self._left() == 0:
                return
            if mark is not None and self.state.rows >= PAGE_ROWS:
                self.state.next = mark
                return

    def _left(self) -> int | None:
        return None if self._page.top is None else self._page.top - self.state.rows

    async def _count(self, values: dict[str, Any]) -> int:
        if self._page.of.what == "visits":
            return sum([len(rows) async for rows in self._visits()])
        query = store.count_statement_of(self._page.of.what, self._ask)
        found = 0
        async for asked, _mark in self._groups(values, None):
            async for block in store.rows_of(self._session, query, asked):
                found += int(block.content)
        return found

    async def _groups(
        self, values: dict[str, Any], after: Mark | None
    ) -> AsyncIterator[tuple[dict[str, Any], Mark | None]]:
        """What each statement is told, in the order of the rows, and the mark that stands after its rows, where a page may end there."""
        what = self._page.of.what
        round_id = self._ask.round_id
        rounds = await store.rounds_of(self._session, round_id) if what == "results" else [round_id]
        if after is not None and after.round_id in rounds:
            rounds = rounds[rounds.index(after.round_id) :]
        only = {
            each.value for each in self._page.conditions if (each.field, each.test) == ("school_code", "eq")
        }
        for number, each in enumerate(rounds):
            asked = values | {"round_id": each}
            if what not in OF_SCHOOLS:
                yield asked, None
                continue
            begin = after.school_code if after is not None and number == 0 else ""
            schools = store.schools_of(
                self._session, asked, keeps_removed=what in ("results", "statistics"), after=begin
            )
            if self._ask.is_deidentified:
                # In one order over all of them, and in one answer: its cells are counted once.
                asked["shown"] = await store.shown_of(self._session, each)
                together = [school.id async for some in schools for school in some]
                yield asked | {"schools": together}, None
                continue
            async for some in schools:
                ids = [school.id for school in some if not only or {school.code} == only]
                if ids:
                    yield asked | {"schools": ids}, Mark(each or 0, some[-1].code)

    async def _visits(self) -> AsyncIterator[list[list[Any]]]:
        """Visits without the answers to their questions: a set's columns are the same whatever is asked."""
        forms = await forms_in_use(self._session)
        names = [each.name for each in self._page.of.columns]
        search = VisitSearch(
            school_id=self._ask.school_id,
            mentor_id=self._ask.mentor_id,
            subject=self._ask.subject,
            from_on=self._ask.from_on,
            to_on=self._ask.to_on,
        )
        async for rows in rows_of_visits(self._session, self._actor, search, forms):
            told = [row[: len(names)] for row in rows]
            yield [row for row in told if met_by(self._page.conditions, dict(zip(names, row, strict=True)))]
