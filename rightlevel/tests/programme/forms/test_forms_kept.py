"""Forms as they are kept: drafts, versions that never change, and visits that keep the version they were begun with."""

from typing import Any

import msgspec
import pytest
from people import NOW, Cast
from visiting import a_visit

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.forms import (
    VISIT_FORM,
    Field,
    Form,
    FormPage,
    Section,
    change_draft,
    current_form,
    drop_draft,
    ensure_first_form,
    form_version,
    list_forms,
    list_versions,
    publish_form,
    read_form,
    start_form,
)
from rightlevel.programme.forms.actions import FormThere, NothingWritten
from rightlevel.programme.forms.first_form import first_visit_form
from rightlevel.programme.visits import read_visit, save_visit

pytestmark = pytest.mark.anyio
CHANGE = read_queries(
    "-- name: change\n-- Changes what is kept.\nupdate form_version set definition = '{}' where number = 1",
    origin="test",
)["change"]

FIRST = read_queries(
    "-- name: first\n-- The version that came with the tables.\nselect id from form_version where number = 1 limit 1",
    origin="test",
)["first"]


def a_form(*keys: str, **more: Any) -> Form:
    fields = tuple(Field(key, "text", {"en": key.title()}) for key in keys)
    return Form("A form", 1, ("en",), (Section("all", {"en": "All"}, fields),), **more)


async def in_use(session: Session, cast: Cast) -> FormPage:
    await ensure_first_form(session)
    return await read_form(session, cast.coordinator, VISIT_FORM)


async def test_the_first_whole_form_is_published_once_beside_the_four_questions(
    session: Session, cast: Cast
) -> None:
    assert await ensure_first_form(session)
    assert not await ensure_first_form(session)
    found = await current_form(session)
    assert (found.number, found.definition.sections) == (2, first_visit_form().sections)
    before = await form_version(session, await session.fetch_value(FIRST, {}))
    assert next(field.key for field in before.definition.fields()) == "session_ran"


async def test_a_published_version_never_changes_whoever_tries(session: Session, cast: Cast) -> None:
    with pytest.raises(ConstraintViolated, match="does not change"):
        async with session.savepoint():
            await session.execute(CHANGE, {})


async def test_what_is_published_is_asked_from_then_on_and_visits_from_before_keep_theirs(
    session: Session, cast: Cast
) -> None:
    clock = StandingClock(NOW)
    old = (await save_visit(session, cast.mentor, a_visit(cast), clock)).visit
    page = await in_use(session, cast)
    row = await change_draft(
        session, cast.coordinator, VISIT_FORM, a_form("only"), expected_version=page.form.version, at=NOW
    )
    assert row.has_draft
    published = await publish_form(
        session, cast.coordinator, VISIT_FORM, expected_version=row.version, at=NOW
    )
    assert (published.number, published.definition.version, published.published_by) == (3, 3, "Coordinator")
    new = await save_visit(
        session, cast.mentor, a_visit(cast, answers={"only": "Here"}), clock, is_submitting=True
    )
    assert (new.visit.form_version_id, new.visit.answers) == (published.id, {"only": "Here"})
    again = await read_visit(session, cast.mentor, old.id)
    assert again.form_version_id == old.form_version_id != published.id
    versions = await list_versions(session, cast.mentor, VISIT_FORM, PageRequest())
    assert next((each.number, each.questions) for each in versions.items) == (3, 1)


async def test_a_device_that_was_offline_sends_answers_to_the_version_it_had(
    session: Session, cast: Cast
) -> None:
    clock = StandingClock(NOW)
    page = await in_use(session, cast)
    had = page.form.current_id
    row = await change_draft(
        session, cast.coordinator, VISIT_FORM, a_form("only"), expected_version=page.form.version, at=NOW
    )
    await publish_form(session, cast.coordinator, VISIT_FORM, expected_version=row.version, at=NOW)
    saved = await save_visit(
        session, cast.mentor, a_visit(cast, form_version_id=had), clock, is_submitting=True
    )
    assert saved.visit.form_version_id == had
    with pytest.raises(Invalid):
        await save_visit(session, cast.mentor, a_visit(cast, form_version_id=999_999), clock)


async def test_two_who_write_one_draft_are_told_of_each_other(session: Session, cast: Cast) -> None:
    page = await in_use(session, cast)
    version = page.form.version
    await change_draft(
        session, cast.coordinator, VISIT_FORM, a_form("mine"), expected_version=version, at=NOW
    )
    with pytest.raises(Stale) as told:
        await change_draft(session, cast.admin, VISIT_FORM, a_form("yours"), expected_version=version, at=NOW)
    current: Any = told.value.values["current"]
    assert current["draft"]["sections"][0]["fields"][0]["key"] == "mine"
    assert told.value.values["yours"]["draft"]["sections"][0]["fields"][0]["key"] == "yours"
    with pytest.raises(Stale):
        await publish_form(session, cast.admin, VISIT_FORM, expected_version=version, at=NOW)


async def test_a_draft_may_be_unfinished_and_is_not_published_before_it_is_whole(
    session: Session, cast: Cast
) -> None:
    page = await in_use(session, cast)
    broken = a_form("one", "one")
    row = await change_draft(
        session, cast.coordinator, VISIT_FORM, broken, expected_version=page.form.version, at=NOW
    )
    with pytest.raises(Invalid) as told:
        await publish_form(session, cast.coordinator, VISIT_FORM, expected_version=row.version, at=NOW)
    assert [fault.rule for fault in told.value.faults] == ["This name is used twice"]
    row = await drop_draft(session, cast.coordinator, VISIT_FORM, expected_version=row.version, at=NOW)
    assert not row.has_draft
    with pytest.raises(NothingWritten):
        await publish_form(session, cast.coordinator, VISIT_FORM, expected_version=row.version, at=NOW)


async def test_forms_are_written_by_leaders_and_read_by_mentors_without_drafts(
    session: Session, cast: Cast
) -> None:
    page = await in_use(session, cast)
    await change_draft(
        session, cast.admin, VISIT_FORM, a_form("x"), expected_version=page.form.version, at=NOW
    )
    assert (await read_form(session, cast.mentor, VISIT_FORM)).draft is None
    assert (await read_form(session, cast.coordinator, VISIT_FORM)).draft is not None
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await change_draft(session, actor, VISIT_FORM, a_form("x"), expected_version=2, at=NOW)
        with pytest.raises(Forbidden):
            await publish_form(session, actor, VISIT_FORM, expected_version=2, at=NOW)
    with pytest.raises(Forbidden):
        await list_forms(session, cast.teacher)


async def test_a_new_form_has_a_code_of_its_own_and_too_much_is_refused(session: Session, cast: Cast) -> None:
    await start_form(session, cast.coordinator, "lesson", "A lesson", a_form("one"), at=NOW)
    assert [each.code for each in await list_forms(session, cast.coordinator)] == ["lesson", VISIT_FORM]
    with pytest.raises(FormThere):
        await start_form(session, cast.coordinator, "lesson", "Again", a_form("one"), at=NOW)
    with pytest.raises(Invalid):
        await start_form(session, cast.coordinator, "No Code", "Again", a_form("one"), at=NOW)
    with pytest.raises(Invalid):
        await start_form(
            session, cast.coordinator, "long", "Long", a_form(*(f"q{n}" for n in range(201))), at=NOW
        )
    with pytest.raises(NotFound):
        await current_form(session, "lesson")
    for number in range(60):
        try:
            async with session.savepoint():
                await start_form(session, cast.coordinator, f"f{number}", "One more", a_form("one"), at=NOW)
        except FormThere:
            break
    assert len(await list_forms(session, cast.coordinator)) == 50


async def test_an_answer_to_what_is_no_longer_asked_is_kept_in_a_draft_and_gone_when_it_is_sent(
    session: Session, cast: Cast
) -> None:
    clock = StandingClock(NOW)
    answers = {"session_ran": "no", "not_ran_reason": "holiday", "feedback": "Well done"}
    draft = (await save_visit(session, cast.mentor, a_visit(cast, answers=answers), clock)).visit
    assert draft.answers["feedback"] == "Well done"
    write = a_visit(cast, id=draft.id, answers=answers, version=1)
    sent = await save_visit(session, cast.mentor, write, clock, is_submitting=True)
    assert sent.visit.answers == {"session_ran": False, "not_ran_reason": "holiday"}
    assert (sent.visit.fidelity, sent.visit.completeness) == (None, 1.0)
    assert msgspec.to_builtins(sent.visit.fidelity_of)["applicable"] == 1
