"""The only file that knows the columns of publication, published_place and published_figure, and where the public page's setting is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.programme.permissions import Subject
from rightlevel.programme.publications.model import (
    DEEPEST,
    MOST_PLACES,
    MOST_ROUNDS,
    Publication,
    PublicPage,
    PublicPlace,
    PublicRound,
    Told,
)

_queries = load_queries(__package__ or "")


class _Setting(msgspec.Struct, frozen=True):
    value: Any


class _Level(msgspec.Struct, frozen=True):
    depth: int
    places: int


class Standing(msgspec.Struct, frozen=True):
    """A place as it is called now, and what it hangs on."""

    id: int
    parent_id: int | None
    code: str
    name_local: str
    name_latin: str


class OnTheWay(msgspec.Struct, frozen=True):
    """A published place and how deep it stands."""

    id: int
    depth: int
    code: str
    name_local: str
    name_latin: str

    @property
    def place(self) -> PublicPlace:
        return PublicPlace(self.id, self.code, self.name_local, self.name_latin)


async def find_page(session: Session) -> PublicPage:
    found = await session.fetch_one(_queries["find_page"], {}, into=_Setting)
    return PublicPage() if found is None else msgspec.convert(found.value, PublicPage)


async def save_page(session: Session, page: PublicPage) -> None:
    await session.execute(_queries["save_page"], {"value": msgspec.json.encode(page).decode()})


async def list_publications(session: Session) -> list[Publication]:
    return await session.fetch_all(_queries["list_publications"], {"rows": MOST_ROUNDS}, into=Publication)


async def shown_rounds(session: Session) -> list[PublicRound]:
    return await session.fetch_all(_queries["shown_rounds"], {"rows": MOST_ROUNDS}, into=PublicRound)


async def insert_publication(session: Session, round_id: int, by: int, now: datetime) -> bool:
    values = {"round_id": round_id, "by": by, "now": now}
    return bool(await session.execute(_queries["insert_publication"], values))


async def show_publication(session: Session, round_id: int, *, is_shown: bool) -> bool:
    values = {"round_id": round_id, "is_shown": is_shown}
    return bool(await session.execute(_queries["show_publication"], values))


async def deepest_whole_level(session: Session) -> int:
    """The deepest level of places down to which all of them fit into one publication."""
    together = 0
    deepest = 0
    levels = await session.fetch_all(_queries["count_by_depth"], {"deepest": DEEPEST}, into=_Level)
    for level in levels:
        together += level.places
        if together > MOST_PLACES:
            break
        deepest = level.depth
    return deepest


async def countries(session: Session) -> list[Standing]:
    return await session.fetch_all(_queries["countries"], {"rows": MOST_PLACES}, into=Standing)


async def places_on(session: Session, parents: Sequence[int]) -> list[Standing]:
    values = {"parents": list(parents), "rows": MOST_PLACES}
    return await session.fetch_all(_queries["places_at"], values, into=Standing)


async def insert_places(session: Session, round_id: int, depth: int, places: Iterable[Standing]) -> None:
    encoded = msgspec.json.encode(list(places)).decode()
    await session.execute(
        _queries["insert_places"], {"round_id": round_id, "depth": depth, "places": encoded}
    )


async def insert_figures(session: Session, round_id: int, told: Sequence[Told]) -> None:
    values = {"round_id": round_id, "told": msgspec.json.encode(told).decode()}
    await session.execute(_queries["insert_figures"], values)


async def way_to(session: Session, round_id: int, place_id: int) -> list[OnTheWay]:
    values = {"round_id": round_id, "place_id": place_id}
    return await session.fetch_all(_queries["way_to"], values, into=OnTheWay)


async def published_places_on(
    session: Session, round_id: int, place_id: int, depth: int
) -> list[PublicPlace]:
    values = {"round_id": round_id, "place_id": place_id, "depth": depth, "rows": MOST_PLACES}
    found = await session.fetch_all(_queries["places_on"], values, into=OnTheWay)
    return [each.place for each in found]


async def figures_of_place(session: Session, round_id: int, place_id: int, subject: Subject) -> list[Told]:
    values = {"round_id": round_id, "place_id": place_id, "subject": subject}
    return await session.fetch_all(_queries["figures_of_place"], values, into=Told)


async def figures_of_parts(
    session: Session, round_id: int, place_ids: Sequence[int], subject: Subject
) -> dict[int, Told]:
    values = {
        "round_id": round_id,
        "place_ids": list(place_ids),
        "subject": subject,
        "rows": MOST_PLACES,
    }
    found = await session.fetch_all(_queries["figures_of_parts"], values, into=Told)
    return {each.place_id: each for each in found}
