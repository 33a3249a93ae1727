"""Languages in the product: which ones pages are offered in, their texts in an editor, and .po files in and out."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

import msgspec
from babel.messages.pofile import PoFileError

from flatwater.contract import Html, Raw, Redirect, Upload
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid, NotFound
from rightlevel.programme.languages import (
    MOST_TEXTS,
    LanguageChange,
    LanguageRow,
    NewLanguage,
    SourceText,
    Translation,
    add_language,
    change_language,
    list_languages,
    list_translations,
    translate,
    translate_many,
    translation_faults,
)
from rightlevel.programme.permissions import Actor, May
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import (
    LANGUAGES,
    Language,
    base_language,
    is_known_language,
    language_name,
    read_catalogue,
    source_text,
    starting_codes,
    starting_texts,
)
from rightlevel.web.languages.catalogue import Entry, catalogue_file, entries_of
from rightlevel.web.request import CLASS_BODY, Request, actor_of
from rightlevel.web.templating import done, language_of, local_path, render

ROWS: Final = 20
PO: Final = "text/x-gettext-translation; charset=utf-8"
CHANGES: Final = May("change", "language")
MOST_FAULTS: Final = 50


class ByLanguage(msgspec.Struct, frozen=True):
    """A path with a language's code in it."""

    language: str


class SentTranslation(msgspec.Struct, frozen=True):
    """What a text is in a language: one form, or one for each plural; `version` is that of what stands there, 0 where nothing does."""

    text: str
    forms: list[str]
    version: int = 0


class TranslationForm(msgspec.Struct, frozen=True):
    """The same from the editor, with where it goes on."""

    text: str
    forms: list[str]
    version: int = 0
    next: str = ""

    def meant(self) -> SentTranslation:
        return SentTranslation(self.text, self.forms, self.version)


class TextWanted(msgspec.Struct, frozen=True):
    """Which text the editor opens."""

    text: str = ""
    next: str = ""


class TextsWanted(msgspec.Struct, frozen=True):
    """Which texts the editor shows: those that hold some words, those that nobody translated, those translated here."""

    search: str = ""
    which: Literal["", "missing", "machine", "own"] = ""
    after: str = ""


class ProgrammeLanguages(msgspec.Struct, frozen=True):
    """The languages of the programme, English first."""

    languages: list[LanguageRow]


async def add_known_language(session: Session, actor: Actor, new: NewLanguage) -> LanguageRow:
    """A language to be translated, not offered yet. *Errors*: Forbidden, Invalid, AlreadyTaken."""
    return await add_language(session, actor, new, known=is_known_language(new.code.strip().lower()))


async def translate_text(
    session: Session, actor: Actor, language: str, text: str, *, forms: list[str], version: int
) -> Translation:
    """Puts a translation in the place of the program's own, from the next request on.

    *Errors*: Forbidden, NotFound for a text that the program has not, Invalid, TranslationStale.
    """
    source = _source(language, text)
    return await translate(session, actor, language, source, forms=forms, version=version)


def _source(code: str, text: str) -> SourceText:
    found = source_text(base_language(code), text) if is_known_language(code) else None
    if found is None:
        raise NotFound
    return found


routes = Deeds("languages", "language")
routes.answers("list_programme_languages", "GET /api/v1/languages", list_languages, gives=ProgrammeLanguages)
routes.does(
    add_known_language,
    NewLanguage,
    json=("add_one_language", "POST /api/v1/languages"),
    html=("post_add_language", "/languages"),
    then="/languages/{made.code}",
    may="change",
)
routes.does(
    change_language,
    LanguageChange,
    json=("change_one_language", "PATCH /api/v1/languages/{language}"),
    html=("post_change_language", "/languages/{language}"),
    then="/languages",
    path=ByLanguage,
    says="Offers a language to everybody, or stops.",
)


async def _back_to_list(_call: Request, given: dict[str, Any]) -> str:
    form: TranslationForm = given["form"]
    return local_path(form.next, f"/languages/{given['path'].language}")


routes.does(
    translate_text,
    SentTranslation,
    json=("translate_one_text", "PUT /api/v1/languages/{language}/texts"),
    html=("post_translate_text", "/languages/{language}/text"),
    form=TranslationForm,
    then=_back_to_list,
    path=ByLanguage,
)


@routes.get("/languages", CHANGES, **IN_PAGES)
async def languages_page(request: Request) -> Html:
    """The languages of the programme: which ones pages are offered in, and how much of each is translated."""
    rows = await list_languages(request.session, actor_of(request))
    there = {each.code for each in rows}
    return render(
        request,
        "languages/list.html",
        rows=[(each, language_name(each.code)) for each in rows],
        starting=[(code, language_name(code)) for code in starting_codes() if code not in there],
        whole=set(LANGUAGES),
    )


@routes.get("/languages/{language}", CHANGES, **IN_PAGES)
async def language_page(request: Request, *, path: ByLanguage, query: TextsWanted) -> Html:
    """The texts of the program in one language, those that nobody translated first to be found."""
    language, own = await _known(request, path.language)
    machine = starting_texts(path.language)
    entries = entries_of(language, own, machine)
    shown = [each for each in entries if _is_asked(each, query)]
    page = [each for each in shown if each.source.text > query.after][: ROWS + 1]
    return render(
        request,
        "languages/texts.html",
        shown=language,
        query=query,
        entries=page[:ROWS],
        next_after=page[ROWS - 1].source.text if len(page) > ROWS else None,
        counts={
            "all": len(entries),
            "missing": sum(not each.forms for each in entries),
            "machine": sum(each.is_machine_made for each in entries),
        },
        found=len(shown),
    )


def _is_asked(entry: Entry, asked: TextsWanted) -> bool:
    by_kind = {
        "": True,
        "missing": not entry.forms,
        "machine": entry.is_machine_made,
        "own": entry.version > 0,
    }
    sought = asked.search.strip().casefold()
    return by_kind[asked.which] and (
        not sought or any(sought in each.casefold() for each in (entry.source.text, *entry.forms))
    )


async def _known(request: Request, code: str) -> tuple[Language, dict[str, Translation]]:
    """A language of the programme and what was translated into it here. *Errors*: NotFound. *Cost*: two statements."""
    own = await list_translations(request.session, actor_of(request), code)
    return base_language(code), own


@routes.get("/languages/{language}/text", CHANGES, **IN_PAGES)
async def text_page(request: Request, *, path: ByLanguage, query: TextWanted) -> Html:
    """One text: in English, as it is now, and the form that translates it."""
    language, own = await _known(request, path.language)
    _source(path.language, query.text)
    machine = starting_texts(path.language)
    entry = next(each for each in entries_of(language, own, machine) if each.source.text == query.text)
    forms = [*entry.forms, *[""] * entry.source.forms][: entry.source.forms]
    return render(request, "languages/text.html", shown=language, item=entry, forms=forms, query=query)


@routes.get("/languages/{language}/po", CHANGES, media=(PO,), **IN_PAGES)
async def catalogue_page(request: Request, *, path: ByLanguage) -> Raw:
    """Every text of the program in one language as a .po file; what a machine made is marked as fuzzy."""
    language, own = await _known(request, path.language)
    machine = starting_texts(path.language)
    content = await asyncio.to_thread(catalogue_file, language, entries_of(language, own, machine))
    headers = {"content-disposition": f'attachment; filename="rightlevel-{path.language}.po"'}
    return Raw(content, PO, headers=headers)


@routes.post("/languages/{language}/po", CHANGES, body_bytes=CLASS_BODY, **IN_PAGES)
async def post_import_catalogue(request: Request, *, path: ByLanguage, upload: Upload | None) -> Redirect:
    """Takes a .po file, whole or not at all; texts marked as fuzzy and those without a translation are left as they are."""
    language, own = await _known(request, path.language)
    if upload is None or not upload.size_bytes:
        raise Invalid(faults=(Fault("file", "Please fill this in"),))
    texts = await asyncio.to_thread(_read, path.language, upload.path.read_bytes())
    if faults := _file_faults(language, texts):
        raise Invalid(faults=tuple(faults[:MOST_FAULTS]))
    now = {each.source.text: tuple(each.forms) for each in entries_of(language, own, {})}
    others = {text: forms for text, forms in texts.items() if now.get(text) != forms}
    changed = await translate_many(request.session, actor_of(request), path.language, others) if others else 0
    text = language_of(request).ngettext(
        "{n} text is other than before.", "{n} texts are other than before.", changed
    )
    return done(request, f"/languages/{path.language}", text)


def _read(code: str, content: bytes) -> dict[str, tuple[str, ...]]:
    """*Errors*: Invalid for what is no .po file."""
    try:
        content.decode("utf-8")
        return read_catalogue(code, content, learns=False)
    except (PoFileError, UnicodeDecodeError, ValueError, LookupError) as error:
        rule = "This is no .po file in UTF-8 that can be read"
        raise Invalid(faults=(Fault("file", rule, str(error)[:60]),)) from error


def _file_faults(language: Language, texts: dict[str, tuple[str, ...]]) -> list[Fault]:
    """What is wrong with which text of a file; texts that the program has not any more are no fault."""
    faults: list[Fault] = []
    for text in list(texts):
        source = source_text(language, text)
        if source is None:
            del texts[text]
            continue
        said = translation_faults(source, texts[text])
        faults += [Fault("file", f"“{text[:60]}”: {each.rule}", each.value) for each in said[:1]]
    if len(texts) > MOST_TEXTS:
        faults.append(Fault("file", f"At most {MOST_TEXTS} texts", str(len(texts))))
    return faults
