"""What is done to languages and translations, and how a process learns of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid4

import msgspec

from flatwater.transaction import ConstraintViolated, Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import AlreadyTaken, Conflict, Fault, Invalid, NotFound, Stale
from rightlevel.programme.languages import store
from rightlevel.programme.languages.model import (
    MOST_LANGUAGES,
    MOST_TEXTS,
    SOURCE,
    Calendar,
    KeptLanguages,
    LanguageChange,
    LanguageRow,
    NewLanguage,
    SourceText,
    Translation,
    code_faults,
    translation_faults,
)
from rightlevel.programme.permissions import Actor, require


class TranslationStale(Stale):
    """Somebody translated this text in the meantime. Look at both and decide."""

    code = "translation_stale"


class TooManyLanguages(Conflict):
    """Pages are offered in 12 languages at most. Stop offering one first."""

    code = "too_many_languages"


class SourceStays(Conflict):
    """English is what every other language falls back to, so it stays."""

    code = "source_stays"


async def learn_languages(session: Session, kept: KeptLanguages, *, mark: str | None = None) -> None:
    """Takes what the database says of languages, where `mark` is another than the one known. *Cost*: three statements when it is, else none."""
    if mark is not None and mark == kept.learned.mark:
        return
    kept.take(await store.read_learned(session))


async def list_languages(session: Session, actor: Actor) -> list[LanguageRow]:
    """The languages of the programme, English first. *Cost*: one statement."""
    require(actor, "read", "language")
    return await store.list_languages(session)


async def is_offered(session: Session, code: str) -> bool:
    """Whether somebody may choose to read in a language. *Cost*: one statement."""
    return any(each.code == code and each.is_offered for each in await store.list_languages(session))


async def add_language(session: Session, actor: Actor, new: NewLanguage, *, known: bool) -> LanguageRow:
    """A language to be translated, not offered yet. `known` says whether it is known how it writes numbers and days.

    *Errors*: Forbidden, Invalid, AlreadyTaken. *Cost*: four statements.
    """
    require(actor, "change", "language")
    code = new.code.strip().lower()
    faults = code_faults(code)
    if not faults and not known:
        faults = [Fault("code", "Nothing is known of how this language writes numbers and days", code)]
    if faults:
        raise Invalid(faults=tuple(faults))
    try:
        await store.insert_language(session, code)
    except ConstraintViolated as error:
        if error.constraint == "language_pkey":
            raise AlreadyTaken(faults=(Fault("code", "This language is there already", code),)) from error
        raise
    await tell_of_change(session)
    await write_audit(session, actor, "create", "language", code)
    return await _one(session, code)


async def change_language(
    session: Session, actor: Actor, language: str, change: LanguageChange
) -> LanguageRow:
    """Offers a language to everybody, or stops: whoever read in it reads in the browser's, else in English, and finds it again.

    *Errors*: Forbidden, NotFound, Stale, SourceStays, TooManyLanguages. *Cost*: five statements.
    """
    require(actor, "change", "language")
    there = await _one(session, language)
    if language == SOURCE and not change.is_offered:
        raise SourceStays
    rows = await store.list_languages(session)
    if change.is_offered and sum(each.is_offered for each in rows if each.code != language) >= MOST_LANGUAGES:
        raise TooManyLanguages
    if not await store.change_language(
        session, language, is_offered=change.is_offered, version=change.version
    ):
        raise Stale(current=msgspec.to_builtins(there), yours=msgspec.to_builtins(change))
    await tell_of_change(session)
    before, after = {"is_offered": there.is_offered}, {"is_offered": change.is_offered}
    await write_audit(session, actor, "change", "language", language, before=before, after=after)
    return await _one(session, language)


async def _one(session: Session, code: str) -> LanguageRow:
    for each in await store.list_languages(session):
        if each.code == code:
            return each
    raise NotFound


async def list_translations(session: Session, actor: Actor, code: str) -> dict[str, Translation]:
    """What was translated here into a language, by the English text. *Errors*: NotFound. *Cost*: two statements, at most 5,000 rows."""
    require(actor, "change", "language")
    await _one(session, code)
    return {each.text: each for each in await store.translations_of(session, code)}


async def translate(
    session: Session, actor: Actor, code: str, source: SourceText, *, forms: Sequence[str], version: int
) -> Translation:
    """Puts a translation before the program's own from the next request on, in every process. `version` is 0 for a text that was not
    translated here yet.

    *Errors*: Forbidden, NotFound, Invalid with what is wrong with which form, TranslationStale with both. *Cost*: five statements.
    """
    require(actor, "change", "language")
    await _one(session, code)
    forms = [each.strip() for each in forms]
    if faults := translation_faults(source, forms):
        raise Invalid(faults=tuple(faults))
    before = await store.find_translation(session, code, source.text)
    kept = await store.keep_translation(
        session, code, source.text, forms=forms, version=version, person_id=actor.person_id
    )
    if kept is None:
        current = msgspec.to_builtins(before) if before is not None else None
        raise TranslationStale(current=current, yours={"forms": forms, "version": version})
    await tell_of_change(session)
    told = {"text": source.text[:200], "forms": list(forms)}
    was = None if before is None else {"text": source.text[:200], "forms": before.forms}
    await write_audit(session, actor, "change", "language", code, before=was, after=told)
    return kept


async def translate_many(
    session: Session, actor: Actor, code: str, texts: Mapping[str, Sequence[str]]
) -> int:
    """Takes translations that were judged already, whatever stood there; how many are other than before. *Cost*: five statements."""
    require(actor, "change", "language")
    await _one(session, code)
    if len(texts) > MOST_TEXTS:
        raise Invalid(faults=(Fault("file", f"At most {MOST_TEXTS} texts", str(len(texts))),))
    changed = await store.keep_translations(session, code, texts, person_id=actor.person_id)
    await tell_of_change(session)
    await write_audit(session, actor, "import", "language", code, after={"texts": changed})
    return changed


async def choose_calendar(session: Session, actor: Actor, calendar: Calendar) -> None:
    """By which calendar days are written from the next request on. *Errors*: Forbidden. *Cost*: four statements."""
    require(actor, "change", "time_zone")
    before = await store.find_calendar(session)
    await store.save_setting(session, "calendar", calendar)
    await tell_of_change(session)
    was, told = {"calendar": before}, {"calendar": calendar}
    await write_audit(session, actor, "change", "setting", "calendar", before=was, after=told)


async def tell_of_change(session: Session) -> None:
    """Makes every process read languages and scales anew: each request brings the mark along with who is asking. *Cost*: one statement."""
    await store.save_setting(session, "language_mark", str(uuid4()))
