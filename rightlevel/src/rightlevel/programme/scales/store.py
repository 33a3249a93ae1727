"""The only file that knows the columns of scale and scale_level."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.ids import is_uuid
from rightlevel.programme.levels import FIRST_KEYS, SCALES, Measured, Scale
from rightlevel.programme.permissions import SUBJECTS, Subject
from rightlevel.programme.scales.model import (
    Climb,
    Rung,
    ScaleRow,
    ScaleSearch,
    ScaleShown,
    ScaleText,
    scale_of_text,
    text_of_scale,
)

_queries = load_queries(__package__ or "")
_encoder = msgspec.json.Encoder()


class _Row(msgspec.Struct, frozen=True):
    id: int
    key: str
    subject: Subject
    name: str
    version: int
    state: str
    codes: list[str]
    climb: Any
    edited: int
    changed_at: datetime
    published_at: datetime | None
    rounds: int
    rungs: Any


class _Made(msgspec.Struct, frozen=True):
    id: int
    key: str


class _Of(msgspec.Struct, frozen=True):
    id: int
    language_scale: str
    math_scale: str


class Counted(msgspec.Struct, frozen=True):
    """How many versions there are."""

    published: int
    drafts: int


class _Fewest(msgspec.Struct, frozen=True):
    task: str
    fewest: int


def _shown(row: _Row) -> ScaleShown:
    is_own = row.key not in FIRST_KEYS.values()
    shown = ScaleRow(
        key=row.key,
        subject=row.subject,
        name=row.name,
        version=row.version,
        state=row.state,
        codes=row.codes,
        edited=row.edited,
        changed_at=row.changed_at,
        published_at=row.published_at,
        rounds=row.rounds,
        is_own=is_own,
    )
    rungs = msgspec.convert(row.rungs, list[Rung])
    if not is_own:
        return ScaleShown(
            shown, text_of_scale(SCALES[row.subject], {rung.code: rung.labels for rung in rungs})
        )
    return ScaleShown(shown, ScaleText(row.subject, row.name, rungs, msgspec.convert(row.climb, Climb)))


async def list_scales(session: Session, asked: ScaleSearch) -> list[ScaleRow]:
    rows = await session.fetch_all(_queries["list_scales"], msgspec.structs.asdict(asked), into=_Row)
    return [_shown(row).row for row in rows]


async def find_scale(session: Session, key: str, *, for_update: bool = False) -> ScaleShown:
    """*Errors*: NotFound."""
    query = _queries["read_scale"]
    if for_update:
        query = query.plus("for_update")
    row = await session.fetch_one(query, {"key": key}, into=_Row) if is_uuid(key) else None
    if row is None:
        raise NotFound
    return _shown(row)


async def unknown_scales(session: Session, known: Collection[str]) -> list[Scale]:
    rows = await session.fetch_all(_queries["unknown_scales"], {"known": list(known)}, into=_Row)
    return [scale_of_text(_shown(row).text, row.key, row.version) for row in rows]


async def read_measured(session: Session) -> Measured:
    """Which rounds are measured by which scale, where it is not the program's own, and what is taught by now. *Cost*: two statements."""
    rows = await session.fetch_all(
        _queries["measured_rounds"], {str(name): key for name, key in FIRST_KEYS.items()}, into=_Of
    )
    if not rows:
        return Measured()
    newest = await session.fetch_one(_queries["newest_round"], {}, into=_Of)
    rounds = {
        (row.id, str(subject)): key
        for row in rows
        for subject in SUBJECTS
        if (key := _key_of(row, subject)) != FIRST_KEYS[subject]
    }
    now = {
        str(subject): key
        for subject in SUBJECTS
        if newest is not None and (key := _key_of(newest, subject)) != FIRST_KEYS[subject]
    }
    return Measured(rounds, now)


def _key_of(row: _Of, subject: Subject) -> str:
    return row.language_scale if subject == "language" else row.math_scale


async def count_scales(session: Session) -> Counted:
    found = await session.fetch_one(_queries["count_scales"], {}, into=Counted)
    return found or Counted(0, 0)


def _values(text: ScaleText) -> dict[str, Any]:
    return {
        "subject": text.subject,
        "name": text.name.strip(),
        "codes": [rung.code for rung in text.rungs],
        "climb": _encoder.encode(text.climb).decode(),
    }


async def insert_scale(session: Session, text: ScaleText, *, person_id: int, now: datetime) -> str:
    """The key of the draft that was begun. *Errors*: ConstraintViolated where its name has a draft. *Cost*: two statements."""
    values = _values(text) | {"person_id": person_id, "now": now}
    made = await session.fetch_one(_queries["insert_scale"], values, into=_Made)
    if made is None:
        raise NotFound
    await _keep_rungs(session, made.key, text)
    return made.key


async def change_scale(
    session: Session, key: str, text: ScaleText, *, edited: int, person_id: int, now: datetime
) -> bool:
    """Whether the draft was still as it was read, and is changed. *Cost*: three statements."""
    values = _values(text) | {"key": key, "edited": edited, "person_id": person_id, "now": now}
    if not await session.execute(_queries["change_scale"], values):
        return False
    await session.execute(_queries["drop_rungs"], {"key": key})
    await _keep_rungs(session, key, text)
    return True


async def _keep_rungs(session: Session, key: str, text: ScaleText) -> None:
    values = {
        "key": key,
        "ranks": list(range(1, len(text.rungs) + 1)),
        "codes": [rung.code for rung in text.rungs],
        "colours": [rung.colour for rung in text.rungs],
        "labels": [_encoder.encode(rung.labels).decode() for rung in text.rungs],
    }
    await session.execute(_queries["insert_rungs"], values)


async def set_state(
    session: Session, key: str, *, before: str, state: str, edited: int, person_id: int, now: datetime
) -> bool:
    values = {
        "key": key,
        "before": before,
        "state": state,
        "edited": edited,
        "person_id": person_id,
        "now": now,
    }
    return bool(await session.execute(_queries["set_scale_state"], values))


async def drop_scale(session: Session, key: str) -> bool:
    await session.execute(_queries["drop_rungs"], {"key": key})
    return bool(await session.execute(_queries["drop_scale"], {"key": key}))


async def items_of_tools(session: Session, subject: Subject) -> dict[str, int]:
    """The fewest items that any tool of a subject has, by task."""
    rows = await session.fetch_all(_queries["items_of_tools"], {"subject": subject}, into=_Fewest)
    return {row.task: row.fewest for row in rows}
