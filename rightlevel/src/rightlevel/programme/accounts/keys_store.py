"""The only file that knows the columns of one_time_code, second_factor, recovery_code, person_pin, held_form and the devices of schools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, cast

import msgspec

from flatwater.paging import Page, PageRequest, page_of
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.accounts.model import DeviceRow, NameHere, SchoolDevice
from rightlevel.programme.accounts.store import Key
from rightlevel.programme.errors import NotFound
from rightlevel.programme.permissions import Role

_queries = load_queries(__package__ or "", "keys.sql")


class Needs(msgspec.Struct, frozen=True):
    """What a right password still lacks."""

    has_factor: bool
    admins_need_it: bool


class CodeKey(msgspec.Struct, frozen=True):
    """What a one-time code is checked against."""

    person_id: int
    code_hash: str
    made_by_role: Role | None


class Origins(msgspec.Struct, frozen=True):
    """Of whom what opens an account comes; no role is the command line."""

    has_password: bool
    password_from: Role | None
    has_code: bool
    code_from: Role | None
    has_pin: bool
    is_own_pin: bool | None
    pin_from: Role | None


class Factor(msgspec.Struct, frozen=True):
    """A second factor as it is kept."""

    sealed_secret: bytes
    confirmed_at: datetime | None
    last_step: int
    codes_left: int


class _Held(msgspec.Struct, frozen=True):
    content: bytes


class PinKey(Key, frozen=True):
    """What a PIN is checked against."""

    username: str


class LinkCodeRow(msgspec.Struct, frozen=True):
    """For which school a code was, and who made it."""

    school_id: int
    made_by: int


class _Id(msgspec.Struct, frozen=True):
    id: int


class _SchoolName(msgspec.Struct, frozen=True):
    name_local: str


class _SchoolOf(msgspec.Struct, frozen=True):
    school_id: int


class _Sealing(msgspec.Struct, frozen=True):
    value: bytes


async def entry_needs(session: Session, person_id: int) -> Needs:
    found = await session.fetch_one(_queries["entry_needs"], {"person_id": person_id}, into=Needs)
    if found is None:
        raise AssertionError("a select without from gives one row")
    return found


async def locked_until(session: Session, tried: Sequence[tuple[str, str]]) -> datetime | None:
    values = {"kinds": [kind for kind, _ in tried], "subjects": [subject for _, subject in tried]}
    return await session.fetch_value(_queries["locked_until"], values)


async def do(session: Session, name: str, **values: Any) -> int:
    """Runs one of the writes of keys.sql. *Shape*: rows touched."""
    return await session.execute(_queries[name], values)


async def count(session: Session, name: str, **values: Any) -> int:
    return cast("int", await session.fetch_value(_queries[name], values))


async def admins_with_a_password(session: Session) -> list[int]:
    rows = await session.fetch_all(_queries["admins_with_a_password"], {}, into=_Id)
    return [row.id for row in rows]


async def code_by_login(session: Session, login: str, now: datetime) -> CodeKey | None:
    return await session.fetch_one(_queries["code_by_login"], {"login": login, "now": now}, into=CodeKey)


async def key_origins(session: Session, person_id: int) -> Origins:
    """Of whom somebody's keys come. *Cost*: one statement."""
    found = await session.fetch_one(_queries["key_origins"], {"person_id": person_id}, into=Origins)
    if found is None:
        raise NotFound
    return found


async def read_factor(session: Session, person_id: int, *, for_update: bool = False) -> Factor | None:
    query = _queries["read_factor"]
    if for_update:
        query = query.plus("for_update")
    return await session.fetch_one(query, {"person_id": person_id}, into=Factor)


async def has_pin(session: Session, person_id: int) -> bool:
    return bool(await session.fetch_value(_queries["has_pin"], {"person_id": person_id}))


async def hold_school(session: Session, school_id: int) -> str | None:
    """A live school's name, the school locked until this transaction ends."""
    row = await session.fetch_one(_queries["hold_school"], {"school_id": school_id}, into=_SchoolName)
    return row.name_local if row is not None else None


async def use_link_code(session: Session, code_hash: bytes, now: datetime) -> LinkCodeRow | None:
    values = {"code_hash": code_hash, "now": now}
    return await session.fetch_one(_queries["use_link_code"], values, into=LinkCodeRow)


async def insert_device(session: Session, **values: Any) -> str:
    return cast("str", await session.fetch_value(_queries["insert_device"], values))


async def device_by_secret(session: Session, secret_hash: bytes) -> SchoolDevice | None:
    return await session.fetch_one(
        _queries["device_by_secret"], {"secret_hash": secret_hash}, into=SchoolDevice
    )


async def school_of_device(session: Session, device_id: str) -> int | None:
    row = await session.fetch_one(_queries["school_of_device"], {"id": device_id}, into=_SchoolOf)
    return row.school_id if row is not None else None


async def page_of_devices(session: Session, school_id: int, page: PageRequest) -> Page[DeviceRow]:
    after = page.key(tuple[datetime, str])
    at, of = after or (None, None)
    query = _queries["list_devices"].plus(*(["after"] if after else []))
    values = {"school_id": school_id, "after_at": at, "after_id": of, "rows": page.rows_to_ask}
    rows = await session.fetch_all(query, values, into=DeviceRow)
    return page_of(rows, page, lambda row: (row.linked_at, row.id))


async def names_here(
    session: Session, school_id: int, today: date, person_id: int | None = None
) -> list[NameHere]:
    """Who may sign in by PIN at a school, at most 200; or only whether one of them is among them."""
    query = _queries["names_here"]
    if person_id is not None:
        query = query.plus("one")
    values = {"school_id": school_id, "today": today, "person_id": person_id}
    return await session.fetch_all(query, values, into=NameHere)


async def pin_key(session: Session, person_id: int) -> PinKey | None:
    return await session.fetch_one(_queries["pin_key"], {"person_id": person_id}, into=PinKey)


async def held_form(session: Session, secret_hash: bytes, person_id: int, now: datetime) -> bytes | None:
    """What is kept for a person under a secret."""
    values = {"secret_hash": secret_hash, "person_id": person_id, "now": now}
    row = await session.fetch_one(_queries["read_held_form"], values, into=_Held)
    return row.content if row is not None else None


async def sealing_key(session: Session) -> bytes | None:
    row = await session.fetch_one(_queries["read_sealing_key"], {}, into=_Sealing)
    return row.value if row is not None else None
