"""A scale is data in versions; a round says which it is measured by, and everything that shows or judges levels goes by that."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import msgspec
import pytest
from other_scale import NAMES, nine_rungs, other_scale, three_rungs
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.queries import read_queries
from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.errors import AlreadyTaken, Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.figures import FigureQuery, read_figures
from rightlevel.programme.figures.actions import read_breakdown
from rightlevel.programme.figures.model import hold_different_ladders
from rightlevel.programme.groups import CheckWrite, NewGrouping, enter_checks, propose_groups
from rightlevel.programme.levels import (
    FIRST_KEYS,
    SCALES,
    Fork,
    Onward,
    Threshold,
    scale_at,
    scale_now,
    scale_of_round,
)
from rightlevel.programme.movement import MovementQuery, read_movement
from rightlevel.programme.results import ResultWrite, Step, enter_results, read_guided_rules, read_result
from rightlevel.programme.results.actions import next_in_guided_test
from rightlevel.programme.rounds import (
    NewRound,
    RoundChange,
    change_round,
    create_round,
    read_round,
    set_round_state,
)
from rightlevel.programme.rounds.actions import ScaleStays
from rightlevel.programme.scales import (
    KeptScales,
    NewScale,
    ScaleChange,
    ScaleShown,
    ScaleText,
    change_scale,
    drop_draft,
    entered_directly,
    learn_scales,
    publish_scale,
    read_scale,
    retire_scale,
    scale_faults,
    start_scale,
)
from rightlevel.programme.scales.actions import ScaleInUse, ScaleIsKept
from rightlevel.programme.tools import ensure_first_tools

pytestmark = pytest.mark.anyio
CLOCK = StandingClock(NOW)

QUERIES = read_queries(
    """
-- name: close
-- Puts the cast's round behind, before the one that is to come.
update round set state = 'closed', ends_on = %(on)s where id = %(id)s
-- name: audit
-- What the audit says of scales.
select count(*) from audit_entry where resource = 'scale' and resource_id = %(key)s
-- name: recode
-- Somebody calls the rungs of a version something else.
update scale set codes = '{x,y}' where key = %(key)s::uuid
-- name: recolour
-- Somebody paints a rung of a version.
update scale_level set colour = '#000000' where scale_id = (select id from scale where key = %(key)s::uuid)
-- name: remove
-- Somebody takes a rung of a version away.
delete from scale_level where scale_id = (select id from scale where key = %(key)s::uuid)
""",
    origin="test_scales.py",
)


async def published(session: Session, cast: Cast, text: ScaleText | None = None) -> ScaleShown:
    await ensure_first_tools(session)
    draft = await start_scale(session, cast.coordinator, NewScale(text=text or other_scale()), CLOCK)
    return await publish_scale(session, cast.coordinator, draft.row.key, CLOCK, edited=draft.row.edited)


async def measured_round(session: Session, cast: Cast, key: str) -> int:
    """A midline from today on, open, that is measured by a scale; the cast's round is closed before it."""
    on = NOW.date()
    there = await read_round(session, cast.coordinator, cast.round)
    before = date.fromordinal(on.toordinal() - 1)
    await session.execute(QUERIES["close"], {"id": cast.round, "on": max(before, there.starts_on)})
    new = NewRound("midline", on, on, there.school_year_id, language_scale=key)
    made = await create_round(session, cast.coordinator, new)
    await set_round_state(session, cast.coordinator, made.id, version=made.version, state="open", clock=CLOCK)
    await learn_scales(session, KeptScales())
    return made.id


def write(cast: Cast, round_id: int, level: str, **more: object) -> ResultWrite:
    return ResultWrite(
        str(uuid4()),
        cast.students_a[0],
        round_id,
        "language",
        NOW.date(),
        level=level,
        **more,  # type: ignore[arg-type]
    )


def test_the_programs_own_scales_are_sound_by_the_rules_that_others_are() -> None:
    from rightlevel.programme.scales import text_of_scale

    for scale in SCALES.values():
        text = text_of_scale(scale)
        bands = [list(scale.codes)]
        assert (
            scale_faults(
                msgspec.structs.replace(text, climb=msgspec.structs.replace(text.climb, bands=bands))
            )
            == []
        )
        assert scale_faults(text) == [], "and the programme's split holds for it"


def test_another_countrys_scale_is_sound() -> None:
    assert scale_faults(other_scale(), ("en", "km")) == []


def test_a_ladder_that_is_longer_than_its_tasks_can_tell_apart_is_sound_and_says_what_is_entered_directly() -> (
    None
):
    for text, direct in ((three_rungs(), []), (nine_rungs(), ["b3", "b8"])):
        assert scale_faults(text, ("en", "km")) == []
        assert entered_directly(text.climb, [rung.code for rung in text.rungs]) == direct


def altered(**climb: object) -> ScaleText:
    text = other_scale()
    return msgspec.structs.replace(text, climb=msgspec.structs.replace(text.climb, **climb))


def forked(task: str, **changes: object) -> ScaleText:
    text = other_scale()
    after = {**text.climb.after, task: msgspec.structs.replace(text.climb.after[task], **changes)}
    return altered(after=after)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (altered(first="subtractions"), "climb.first"),
        (altered(goal="division"), "climb.goal"),
        (altered(low="story"), "climb.goal"),
        (altered(bands=[["nothing"], []]), "climb.bands"),
        (altered(bands=[]), "climb.bands"),
        (altered(thresholds={}), "climb.thresholds.words"),
        (
            altered(thresholds={**(other_scale().climb.thresholds or {}), "words": Threshold(5, 6)}),
            "climb.thresholds.words",
        ),
        (forked("paragraph", failed=Onward("words", None)), "climb.first"),
        (forked("words", passed=Onward(None, None)), "climb.after.words.passed"),
        (forked("words", failed=Onward(None, "nowhere")), "climb.after.words.failed"),
        (forked("letters", passed=Onward(None, "nothing")), "rungs.1.code"),
        (forked("story", tests="nowhere"), "climb.after.story.tests"),
        (
            altered(
                after={
                    **other_scale().climb.after,
                    "fact_questions": Fork(Onward(None, "story"), Onward(None, "story"), "story"),
                }
            ),
            "climb.after.fact_questions",
        ),
    ],
)
def test_a_fault_is_told_at_its_field(text: ScaleText, field: str) -> None:
    assert field in {fault.field for fault in scale_faults(text)}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "Sounds"}, "rungs.1.code"),
        ({"code": "absent"}, "rungs.1.code"),
        ({"code": "nothing"}, "rungs.1.code"),
        ({"colour": "red"}, "rungs.1.colour"),
        ({"labels": {"en": "Sounds"}}, "rungs.1.labels.km"),
        ({"labels": {"en": "<b>", "km": "ក"}}, "rungs.1.labels.en"),
    ],
)
def test_a_rung_must_be_possible_to_show(change: dict[str, object], field: str) -> None:
    text = other_scale()
    rungs = [*text.rungs]
    rungs[1] = msgspec.structs.replace(rungs[1], **change)
    faults = scale_faults(msgspec.structs.replace(text, rungs=rungs), ("en", "km"))
    assert field in {fault.field for fault in faults}


async def test_a_draft_is_changed_and_a_published_version_never_is(session: Session, cast: Cast) -> None:
    await ensure_first_tools(session)
    leader = cast.coordinator
    draft = await start_scale(session, leader, NewScale(text=other_scale()), CLOCK)
    key = draft.row.key
    with pytest.raises(AlreadyTaken):
        async with session.savepoint():
            await start_scale(session, leader, NewScale(text=other_scale()), CLOCK)
    rungs = [*draft.text.rungs]
    rungs[0] = msgspec.structs.replace(rungs[0], labels={"en": "Begins", "km": "ចាប់ផ្តើម"})
    text = msgspec.structs.replace(draft.text, rungs=rungs)
    changed = await change_scale(session, leader, key, ScaleChange(text, draft.row.edited), CLOCK)
    assert changed.text == text
    with pytest.raises(Stale):
        await change_scale(session, leader, key, ScaleChange(text, draft.row.edited), CLOCK)
    there = await publish_scale(session, leader, key, CLOCK, edited=changed.row.edited)
    assert (there.row.state, there.row.version) == ("published", 1)
    for deed in (
        change_scale(session, leader, key, ScaleChange(text, there.row.edited), CLOCK),
        publish_scale(session, leader, key, CLOCK, edited=there.row.edited),
        drop_draft(session, leader, key),
    ):
        with pytest.raises(ScaleIsKept):
            await deed
    copied = await start_scale(session, leader, NewScale(copy_of=key), CLOCK)
    assert (copied.row.version, copied.row.state, copied.text) == (2, "draft", text)
    assert await session.fetch_value(QUERIES["audit"], {"key": key}) == 3
    retired = await retire_scale(session, leader, key, CLOCK, edited=there.row.edited)
    assert retired.row.state == "retired"
    with pytest.raises(ScaleInUse):
        await retire_scale(session, leader, FIRST_KEYS["math"], CLOCK, edited=1)


async def test_only_who_leads_changes_scales_and_others_see_no_draft(session: Session, cast: Cast) -> None:
    draft = await start_scale(session, cast.admin, NewScale(copy_of=FIRST_KEYS["math"], name="Mine"), CLOCK)
    assert draft.text.rungs[0].labels["km"] == "ដំបូង", "a copy of the program's own has its labels"
    for actor in (cast.teacher, cast.mentor, cast.viewer):
        with pytest.raises(Forbidden):
            await read_scale(session, actor, draft.row.key)
        with pytest.raises(Forbidden):
            await start_scale(session, actor, NewScale(copy_of=FIRST_KEYS["math"], name="Other"), CLOCK)
    await drop_draft(session, cast.admin, draft.row.key)
    with pytest.raises(NotFound):
        await read_scale(session, cast.admin, draft.row.key)


async def test_a_version_asks_for_labels_in_every_language_and_no_more_items_than_tools_show(
    session: Session, cast: Cast
) -> None:
    text = other_scale()
    rungs = [msgspec.structs.replace(rung, labels={"en": rung.labels["en"]}) for rung in text.rungs]
    more = {**(text.climb.thresholds or {}), "inference_questions": Threshold(20, 1)}
    climb = msgspec.structs.replace(text.climb, thresholds=more)
    with pytest.raises(Invalid) as refused:
        await published(session, cast, msgspec.structs.replace(text, rungs=rungs, climb=climb))
    fields = {fault.field for fault in refused.value.faults}
    assert {"rungs.0.labels.km", "climb.thresholds.inference_questions"} <= fields


async def test_a_round_is_measured_by_what_was_chosen_until_it_opens(session: Session, cast: Cast) -> None:
    scale = await published(session, cast)
    there = await read_round(session, cast.coordinator, cast.round)
    assert there.language_scale == FIRST_KEYS["language"], "what there was is measured as it always was"
    with pytest.raises(ScaleStays):
        change = RoundChange(there.version, language_scale=scale.row.key)
        await change_round(session, cast.coordinator, cast.round, change)
    for wrong in (FIRST_KEYS["math"], str(uuid4()), "x"):
        with pytest.raises(Invalid):
            new = NewRound("endline", NOW.date(), NOW.date(), there.school_year_id, language_scale=wrong)
            await create_round(session, cast.coordinator, new)
    round_id = await measured_round(session, cast, scale.row.key)
    assert scale_of_round(round_id, "language") == scale_at(scale.row.key)
    assert scale_of_round(round_id, "math") is SCALES["math"]
    assert scale_of_round(cast.round, "language") is SCALES["language"]
    assert scale_now("language").codes == tuple(NAMES)


async def test_results_are_judged_by_the_scale_of_their_round(session: Session, cast: Cast) -> None:
    scale = await published(session, cast)
    await learn_scales(session, KeptScales())
    (answer,) = await enter_results(session, cast.teacher, [write(cast, cast.round, "sentence")], CLOCK)
    assert (answer.code, [fault.field for fault in answer.faults]) == ("invalid", ["level"])
    round_id = await measured_round(session, cast, scale.row.key)
    for where, level in ((round_id, "comprehension1"), (round_id, "nonsense")):
        (answer,) = await enter_results(session, cast.teacher, [write(cast, where, level)], CLOCK)
        assert (answer.code, [fault.field for fault in answer.faults]) == ("invalid", ["level"]), (
            where,
            level,
        )
    (saved,) = await enter_results(session, cast.teacher, [write(cast, round_id, "story")], CLOCK)
    assert saved.code == "saved"
    found = await read_result(session, cast.teacher, saved.result_id or "")
    assert (found.level, found.rank) == ("story", 5)
    figures = await read_figures(session, cast.coordinator, FigureQuery(round_id, "language"))
    assert [each.code for each in figures.levels] == list(NAMES)
    assert [(each.code, each.numerator) for each in figures.indicators] == [
        ("goal_up", 1),
        ("near_up", 1),
        ("low", 0),
    ]
    apart = await read_breakdown(session, cast.coordinator, FigureQuery(round_id, "language"), by="rounds")
    assert hold_different_ladders(apart), "two ladders beside each other are said to be two"


async def test_the_guided_test_climbs_the_ladder_of_the_round(session: Session, cast: Cast) -> None:
    scale = await published(session, cast)
    round_id = await measured_round(session, cast, scale.row.key)
    begins = await next_in_guided_test(session, cast.teacher, "language", [], round_id=round_id)
    assert (begins.next_task, begins.threshold) == ("words", Threshold(5, 3))
    assert (
        await next_in_guided_test(session, cast.teacher, "language", [], round_id=cast.round)
    ).next_task == "paragraph"
    rules = await read_guided_rules(session, cast.teacher, round_id=round_id)
    assert rules.first == {"language": "words", "math": "subtractions"}
    steps = [
        Step("words", right=3),
        Step("paragraph", mistakes=4, is_fluent=True),
        Step("story", mistakes=5, is_fluent=True),
        Step("inference_questions", right=1),
    ]
    reached = await next_in_guided_test(session, cast.teacher, "language", steps, round_id=round_id)
    assert reached.level == "thinks"
    wrong = write(cast, round_id, "story", method="guided", steps=steps, tool=1)
    (answer,) = await enter_results(session, cast.teacher, [wrong], CLOCK)
    assert (answer.code, answer.faults[0].rule) == ("invalid", "These steps lead to: thinks")
    right = write(cast, round_id, "thinks", method="guided", steps=steps, tool=1)
    (answer,) = await enter_results(session, cast.teacher, [right], CLOCK)
    assert answer.code == "saved"


async def test_rounds_on_two_ladders_say_who_was_tested_again_and_not_who_rose(
    session: Session, cast: Cast
) -> None:
    (saved,) = await enter_results(session, cast.teacher, [write(cast, cast.round, "letter")], CLOCK)
    assert saved.code == "saved"
    scale = await published(session, cast)
    round_id = await measured_round(session, cast, scale.row.key)
    await enter_results(session, cast.teacher, [write(cast, round_id, "story")], CLOCK)
    asked = MovementQuery(cast.round, "language", later_round_id=round_id)
    movement = await read_movement(session, cast.coordinator, asked)
    assert movement.has_other_ladder
    assert (movement.matched, movement.improved, movement.mean_shift) == (1, None, None)
    assert movement.rows[1].to == [0, 0, 0, 0, 1, 0]
    await enter_checks(
        session,
        cast.teacher,
        [CheckWrite(str(uuid4()), cast.students_a[0], "language", "sounds", NOW.date())],
        CLOCK,
    )
    grouping = await propose_groups(
        session, cast.teacher, NewGrouping(cast.school_a, "language", 3, 5, 20, []), CLOCK
    )
    assert grouping.bands == other_scale().climb.bands, "and groups are divided by what is taught by now"


async def test_versions_of_one_ladder_are_compared(session: Session, cast: Cast) -> None:
    copy = await start_scale(
        session, cast.coordinator, NewScale(copy_of=FIRST_KEYS["language"], name="Renamed"), CLOCK
    )
    await ensure_first_tools(session)
    await publish_scale(session, cast.coordinator, copy.row.key, CLOCK, edited=copy.row.edited)
    (saved,) = await enter_results(session, cast.teacher, [write(cast, cast.round, "letter")], CLOCK)
    round_id = await measured_round(session, cast, copy.row.key)
    await enter_results(session, cast.teacher, [write(cast, round_id, "word")], CLOCK)
    asked = MovementQuery(cast.round, "language", later_round_id=round_id)
    movement = await read_movement(session, cast.coordinator, asked)
    assert (movement.has_other_ladder, movement.improved) == (False, 1)
    assert saved.code == "saved"


@pytest.mark.parametrize("deed", ["recode", "recolour", "remove"])
async def test_the_database_keeps_a_published_version(session: Session, cast: Cast, deed: str) -> None:
    there = await published(session, cast)
    for key in (there.row.key, FIRST_KEYS["language"]):
        with pytest.raises(ConstraintViolated) as refused:
            async with session.savepoint():
                await session.execute(QUERIES[deed], {"key": key})
        assert refused.value.constraint == "scale_is_kept"
