"""The only file that knows the columns of form and form_version."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import NotFound
from rightlevel.programme.forms.definition import Form, from_json
from rightlevel.programme.forms.model import MAX_FORMS, FormRow, FormVersion, VersionRow

_queries = load_queries(__package__ or "")
_encoder = msgspec.json.Encoder()


class _Version(msgspec.Struct, frozen=True):
    id: int
    code: str
    number: int
    definition: Any
    published_at: datetime
    published_by: str | None


class _Draft(msgspec.Struct, frozen=True):
    draft: Any


def as_text(form: Form | None) -> str | None:
    return None if form is None else _encoder.encode(form).decode()


async def list_forms(session: Session) -> list[FormRow]:
    return await session.fetch_all(_queries["list_forms"], {}, into=FormRow)


async def find_form(session: Session, code: str) -> FormRow:
    """One form. *Errors*: NotFound."""
    found = await session.fetch_one(_queries["list_forms"].plus("by_code"), {"code": code}, into=FormRow)
    if found is None:
        raise NotFound
    return found


async def find_draft(session: Session, code: str) -> Form | None:
    """What is being written of a form. *Errors*: NotFound."""
    found = await session.fetch_one(_queries["read_draft"], {"code": code}, into=_Draft)
    if found is None:
        raise NotFound
    return None if found.draft is None else from_json(found.draft)


async def find_version(session: Session, version_id: int) -> FormVersion | None:
    return await _version(session, "by_id", {"version_id": version_id})


async def find_current(session: Session, code: str) -> FormVersion | None:
    """The latest version of a form, if it was ever published."""
    return await _version(session, "by_code", {"code": code})


async def _version(session: Session, part: str, values: dict[str, Any]) -> FormVersion | None:
    found = await session.fetch_one(_queries["read_version"].plus(part), values, into=_Version)
    if found is None:
        return None
    return FormVersion(
        id=found.id,
        code=found.code,
        number=found.number,
        definition=from_json(found.definition),
        published_at=found.published_at,
        published_by=found.published_by,
    )


async def page_of_versions(session: Session, code: str, page: PageRequest) -> Page[VersionRow]:
    after = page.key(tuple[int])
    query = _queries["list_versions"].plus("after") if after else _queries["list_versions"]
    values = {"code": code, "after": after[0] if after else None, "rows": page.rows_to_ask}
    rows = await session.fetch_all(query, values, into=VersionRow)
    return page_of(rows, page, lambda row: (row.number,))


async def insert_form(session: Session, code: str, draft: Form, *, person_id: int, now: datetime) -> bool:
    values = {"code": code, "draft": as_text(draft), "person_id": person_id, "now": now, "most": MAX_FORMS}
    return await session.execute(_queries["insert_form"], values) == 1


async def change_draft(
    session: Session, code: str, draft: Form | None, *, version: int, person_id: int, now: datetime
) -> bool:
    """Whether it was still the version that was read."""
    values = {"code": code, "draft": as_text(draft), "version": version, "person_id": person_id, "now": now}
    return await session.execute(_queries["change_draft"], values) == 1


async def publish(session: Session, code: str, form: Form, *, person_id: int, now: datetime) -> int:
    values = {
        "code": code,
        "number": form.version,
        "definition": as_text(form),
        "person_id": person_id,
        "now": now,
    }
    return int(await session.fetch_value(_queries["publish"], values))


async def publish_first(session: Session, code: str, form: Form) -> bool:
    return await session.execute(_queries["publish_first"], {"code": code, "definition": as_text(form)}) == 1
