"""A run says which kinds of deeds were never accepted, and a long one is not clean with any."""

from __future__ import annotations

from simulation import rooms
from simulation.deeds import KINDS
from simulation.reporting import ENOUGH_DEEDS, REFUSED_ALWAYS, Report, reasons_known

assert rooms


def _with_all_accepted(deeds: int) -> Report:
    report = Report()
    report.deeds = deeds
    report.done.update(name for name in KINDS if name not in REFUSED_ALWAYS)
    return report


def test_a_long_run_is_not_clean_while_a_kind_of_deed_was_never_accepted() -> None:
    report = _with_all_accepted(ENOUGH_DEEDS)
    assert report.is_clean
    del report.done["fill_gaps"]
    report.refused["fill_gaps", "422"] = 3
    assert report.not_accepted == ["fill_gaps"]
    assert not report.is_clean
    assert "never accepted   fill_gaps (422 3)" in report.words(1, 2)


def test_a_short_run_names_them_and_is_clean() -> None:
    report = _with_all_accepted(ENOUGH_DEEDS - 1)
    del report.done["fill_gaps"]
    assert report.is_clean
    assert "never accepted   fill_gaps (never tried)" in report.words(1, 2)


def test_what_is_refused_always_is_a_kind_of_deed() -> None:
    assert REFUSED_ALWAYS.keys() <= KINDS.keys()


def test_a_run_names_the_reasons_of_refusal_that_it_never_met_and_what_it_passed_over() -> None:
    known = reasons_known()
    assert {"round_is_open", "school_locked", "code_taken", "out_of_scope", "roll_over_stands"} <= known
    report = _with_all_accepted(1)
    report.met.update(known - {"round_is_open"})
    report.counts["passed over: retest"] = 2
    words = report.words(1, 2)
    assert f"refusals         {len(known) - 1} of {len(known)} reasons met; never round_is_open" in words
    assert "passed over      retest 2" in words


def test_a_run_names_what_was_never_accepted_by_its_page_and_tells_each_outcome() -> None:
    report = _with_all_accepted(1)
    report.done_by_page.update(name for name, kind in KINDS.items() if kind.has_page)
    assert report.not_by_page == []
    del report.done_by_page["approve_school"]
    report.refused["approve_school", "forbidden"] = 2
    assert "never by a page  approve_school" in report.words(1, 2)
    assert "| approve_school | 1 | 0 | forbidden 2 |" in report.markdown().splitlines()
