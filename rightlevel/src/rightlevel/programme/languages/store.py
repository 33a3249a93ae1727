"""The only file that knows the columns of language and translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.languages.model import (
    MOST_TEXTS,
    Calendar,
    LanguageRow,
    Learned,
    Translation,
)

_queries = load_queries(__package__ or "")


class _Settings(msgspec.Struct, frozen=True):
    mark: str | None
    calendar: Calendar | None


async def read_learned(session: Session) -> Learned:
    told = await session.fetch_one(_queries["language_settings"], {}, into=_Settings) or _Settings(None, None)
    rows = await list_languages(session)
    offered = tuple(each.code for each in rows if each.is_offered)
    texts: dict[str, dict[str, tuple[str, ...]]] = {}
    for code in offered:
        # One language at a time: that bounds what is held beside what is kept.
        found = await translations_of(session, code)
        if found:
            texts[code] = {each.text: tuple(each.forms) for each in found}
    return Learned(told.mark or "", offered, texts, told.calendar or "gregorian")


async def find_calendar(session: Session) -> Calendar:
    told = await session.fetch_one(_queries["language_settings"], {}, into=_Settings)
    return (told and told.calendar) or "gregorian"


async def save_setting(session: Session, key: str, value: str) -> None:
    await session.execute(
        _queries["save_setting"], {"key": key, "value": msgspec.json.encode(value).decode()}
    )


async def list_languages(session: Session) -> list[LanguageRow]:
    return await session.fetch_all(_queries["list_languages"], {}, into=LanguageRow)


async def insert_language(session: Session, code: str) -> None:
    await session.execute(_queries["insert_language"], {"code": code})


async def change_language(session: Session, code: str, *, is_offered: bool, version: int) -> bool:
    values = {"code": code, "is_offered": is_offered, "version": version}
    return await session.execute(_queries["change_language"], values) == 1


async def translations_of(session: Session, code: str) -> list[Translation]:
    values = {"code": code, "rows": MOST_TEXTS}
    return await session.fetch_all(_queries["translations_of"], values, into=Translation)


async def find_translation(session: Session, code: str, text: str) -> Translation | None:
    return await session.fetch_one(
        _queries["find_translation"], {"code": code, "text": text}, into=Translation
    )


async def keep_translation(
    session: Session, code: str, text: str, *, forms: Sequence[str], version: int, person_id: int
) -> Translation | None:
    values = {"code": code, "text": text, "forms": list(forms), "version": version, "person_id": person_id}
    query = _queries["change_translation"] if version else _queries["insert_translation"]
    return await session.fetch_one(query, values, into=Translation)


async def keep_translations(
    session: Session, code: str, texts: Mapping[str, Sequence[str]], *, person_id: int
) -> int:
    values = {
        "code": code,
        "texts": list(texts),
        "forms": [msgspec.json.encode(list(forms)).decode() for forms in texts.values()],
        "person_id": person_id,
    }
    return await session.execute(_queries["keep_translations"], values)
