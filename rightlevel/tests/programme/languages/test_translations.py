"""What a translation may be, and who keeps one."""

from __future__ import annotations

import pytest
from people import Cast

from flatwater.transaction import Session
from rightlevel.programme.errors import AlreadyTaken, Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.languages import (
    KeptLanguages,
    LanguageChange,
    NewLanguage,
    SourceText,
    TranslationStale,
    add_language,
    change_language,
    choose_calendar,
    learn_languages,
    list_languages,
    list_translations,
    translate,
    translate_many,
    translation_faults,
)
from rightlevel.programme.languages.actions import SourceStays, TooManyLanguages

pytestmark = pytest.mark.anyio
SAVED = SourceText("Saved: {name}, {level}.")
CHILDREN = SourceText("{n} child", "{n} children", 2)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("{name}: {level}", ""),
        ("{level} – {name} {name}", ""),
        ("{name}", "These are missing: {level}"),
        ("{name} {level} {other}", "In braces only these: {level} {name}"),
        ("{name.__class__} {name} {level}", "In braces only these: {level} {name}"),
        ("{name[0]} {name} {level}", "In braces only these: {level} {name}"),
        ("{name!r} {name} {level}", "In braces only these: {level} {name}"),
        ("{name:>999999999} {name} {level}", "In braces only these: {level} {name}"),
        ("{} {name} {level}", "In braces only these: {level} {name}"),
        ("{{name}} {name} {level}", "In braces only these: {level} {name}"),
        ("{name} {level} {", "In braces only these: {level} {name}"),
        ("<b>{name}</b> {level}", "No markup: leave out < and >"),
        ("{name} {level} #", "As many # as in the English text"),
        ("{name} {level} \u202e", "A character in it can't be seen"),
        ("", "Between 1 and 2000 characters"),
        ("x" * 2001, "Between 1 and 2000 characters"),
    ],
)
def test_a_translation_keeps_its_blanks_and_reaches_nothing_else(form: str, said: str) -> None:
    assert [each.rule for each in translation_faults(SAVED, [form])] == ([said] if said else [])


def test_a_text_that_counts_has_a_form_for_each_plural_of_its_language() -> None:
    assert translation_faults(CHILDREN, ["un enfant", "{n} enfants"]) == []
    assert translation_faults(CHILDREN, ["{n} enfant"])[0].rule == "This language has 2 forms of this text"
    assert [each.field for each in translation_faults(CHILDREN, ["{n}", "{m}"])] == ["forms.1"]
    assert translation_faults(SourceText("Fewer than #"), ["weniger als #"]) == []


async def test_a_process_learns_what_was_translated_by_the_mark_alone(session: Session, cast: Cast) -> None:
    kept = KeptLanguages()
    await learn_languages(session, kept)
    assert kept.learned.offered == ("en", "km")
    await translate(session, cast.coordinator, "km", SAVED, forms=["{level} {name}"], version=0)
    before = kept.learned
    await learn_languages(session, kept, mark=before.mark)
    assert kept.learned is before  # the same mark: nothing was read
    await learn_languages(session, kept, mark="another")
    assert kept.learned.texts == {"km": {SAVED.text: ("{level} {name}",)}}
    await choose_calendar(session, cast.coordinator, "buddhist")
    await learn_languages(session, kept, mark="yet another")
    assert kept.learned.calendar == "buddhist"


async def test_two_who_translate_one_text_are_told_of_each_other(session: Session, cast: Cast) -> None:
    made = await translate(session, cast.coordinator, "km", SAVED, forms=["{level} {name}"], version=0)
    for version in (0, 7):
        with pytest.raises(TranslationStale) as told:
            await translate(session, cast.admin, "km", SAVED, forms=["{name}, {level}"], version=version)
        assert told.value.values["current"]["forms"] == ["{level} {name}"]
    assert (
        await translate(session, cast.admin, "km", SAVED, forms=["{name} {level}"], version=made.version)
    ).version == 2
    with pytest.raises(Invalid):
        await translate(session, cast.admin, "km", SAVED, forms=["{name.__init__}"], version=2)
    assert (await list_translations(session, cast.admin, "km"))[SAVED.text].forms == ["{name} {level}"]


async def test_leaders_add_and_offer_languages_and_english_stays(session: Session, cast: Cast) -> None:
    for actor in (cast.mentor, cast.teacher, cast.viewer):
        with pytest.raises(Forbidden):
            await add_language(session, actor, NewLanguage("hi"), known=True)
        with pytest.raises(Forbidden):
            await translate(session, actor, "km", SAVED, forms=["{level} {name}"], version=0)
        with pytest.raises(Forbidden):
            await translate_many(session, actor, "km", {})
    added = await add_language(session, cast.coordinator, NewLanguage(" HI "), known=True)
    assert (added.code, added.is_offered) == ("hi", False)
    with pytest.raises(AlreadyTaken):
        async with session.savepoint():
            await add_language(session, cast.coordinator, NewLanguage("hi"), known=True)
    for code, known in (("hindi", True), ("h1", True), ("xx", False)):
        with pytest.raises(Invalid):
            await add_language(session, cast.coordinator, NewLanguage(code), known=known)
    offered = await change_language(
        session, cast.coordinator, "hi", LanguageChange(is_offered=True, version=1)
    )
    assert offered.is_offered
    with pytest.raises(Stale):
        await change_language(session, cast.coordinator, "hi", LanguageChange(is_offered=False, version=1))
    with pytest.raises(SourceStays):
        await change_language(session, cast.coordinator, "en", LanguageChange(is_offered=False, version=1))
    with pytest.raises(NotFound):
        await change_language(session, cast.coordinator, "ur", LanguageChange(is_offered=True, version=1))


async def test_pages_are_offered_in_twelve_languages_at_most(session: Session, cast: Cast) -> None:
    codes = ["hi", "ur", "ar", "th", "lo", "vi", "my", "bn", "ta", "te"]
    for code in (*codes, "mr"):
        await add_language(session, cast.coordinator, NewLanguage(code), known=True)
    for code in codes:
        await change_language(session, cast.coordinator, code, LanguageChange(is_offered=True, version=1))
    with pytest.raises(TooManyLanguages):
        await change_language(session, cast.coordinator, "mr", LanguageChange(is_offered=True, version=1))
    assert sum(each.is_offered for each in await list_languages(session, cast.viewer)) == 12


async def test_many_translations_change_only_what_is_another(session: Session, cast: Cast) -> None:
    texts = {f"Text {number}": [f"អត្ថបទ {number}"] for number in range(200)}
    assert await translate_many(session, cast.coordinator, "km", texts) == 200
    assert await translate_many(session, cast.coordinator, "km", {**texts, "Text 7": ["ផ្សេង"]}) == 1
    assert (await list_translations(session, cast.coordinator, "km"))["Text 7"].version == 2
