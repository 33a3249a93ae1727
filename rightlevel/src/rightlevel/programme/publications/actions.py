"""The public page: switching it on, publishing a frozen round, and reading what is published without being anybody."""

from __future__ import annotations

import msgspec

from flatwater.clock import Clock
from flatwater.transaction import Session
from rightlevel.programme.audit import write_audit
from rightlevel.programme.errors import Conflict, Invalid, NotFound
from rightlevel.programme.figures import store as figures
from rightlevel.programme.figures.actions import MOST_CELLS, subject_asked
from rightlevel.programme.figures.store import Family
from rightlevel.programme.figures.suppression import Detail, Unit, detail_of_all, details_below
from rightlevel.programme.levels import Scale, scale_of_round
from rightlevel.programme.permissions import SUBJECTS, Actor, Subject, require
from rightlevel.programme.publications import store
from rightlevel.programme.publications.model import (
    DETAILS,
    EVERYWHERE,
    Publication,
    PublicationsPage,
    PublicCell,
    PublicFigures,
    PublicPage,
    PublicPageChange,
    PublicPart,
    PublicPlace,
    PublicQuery,
    Told,
    by_cell,
    figures_told,
    page_faults,
    told_of,
)
from rightlevel.programme.publications.store import Standing
from rightlevel.programme.rounds import read_round, read_snapshot
from rightlevel.programme.scales import KeptScales, learn_scales


class NotSealed(Conflict):
    """Only a frozen round is published, once its results are kept: its numbers don't move any more."""

    code = "round_not_sealed"


class ChangedMeanwhile(Conflict):
    """Results of this round were corrected at this moment. Please publish it again."""

    code = "changed_meanwhile"


async def read_public_page(session: Session, actor: Actor) -> PublicationsPage:
    """How the public page is, and what is published of each frozen round. *Errors*: Forbidden. *Cost*: two statements."""
    require(actor, "publish", "figure")
    return PublicationsPage(await store.find_page(session), await store.list_publications(session))


async def change_public_page(session: Session, actor: Actor, change: PublicPageChange) -> PublicPage:
    """Switches the public page on or off, and says what it tells. *Errors*: Forbidden, Invalid.

    What it tells is chosen among what each publication holds; a wider choice tells no number anew, so that one may change it at any time.
    """
    require(actor, "publish", "figure")
    faults = page_faults(change)
    if faults:
        raise Invalid(faults=tuple(faults))
    before = await store.find_page(session)
    after = msgspec.convert(msgspec.to_builtins(change), PublicPage)
    await store.save_page(session, after)
    await write_audit(
        session,
        actor,
        "change",
        "setting",
        "public_page",
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(after),
    )
    return after


async def publish_round(session: Session, actor: Actor, round_id: int, clock: Clock) -> Publication:
    """Publishes a frozen round as it is now, once and for all; what is published already stays as it is and is shown.

    *Errors*: Forbidden, NotFound, NotSealed, ChangedMeanwhile. *Cost*: two statements for each place that others hang on, at most 2,000 places.
    """
    require(actor, "publish", "figure")
    found = await read_round(session, actor, round_id)
    if found.is_deleted:
        raise NotFound
    if found.state != "frozen" or (await read_snapshot(session, actor, round_id)).sealed_at is None:
        raise NotSealed
    if await store.insert_publication(session, round_id, actor.person_id, clock.now()):
        places = await _keep(session, round_id)
        await write_audit(session, actor, "publish", "round", round_id, after={"places": places})
    elif await store.show_publication(session, round_id, is_shown=True):
        await write_audit(session, actor, "show", "round", round_id)
    return await _publication(session, round_id)


async def hide_round(session: Session, actor: Actor, round_id: int) -> Publication:
    """Takes a published round off the public page; it can be shown again, as it was. *Errors*: Forbidden, NotFound."""
    require(actor, "publish", "figure")
    if await store.show_publication(session, round_id, is_shown=False):
        await write_audit(session, actor, "hide", "round", round_id)
    return await _publication(session, round_id)


async def _publication(session: Session, round_id: int) -> Publication:
    found = [each for each in await store.list_publications(session) if each.round_id == round_id]
    if not found or found[0].published_at is None:
        raise NotFound
    return found[0]


async def _keep(session: Session, round_id: int) -> int:
    """Keeps everywhere and each place down to the deepest level that fits whole, level by level; how many places they are."""
    deepest = await store.deepest_whole_level(session)
    everywhere = Standing(EVERYWHERE, None, "", "", "")
    await store.insert_places(session, round_id, 0, [everywhere])
    level = await store.countries(session) if deepest else []
    kept = 0
    known: dict[Subject, dict[int, tuple[Detail, Unit]]] = {}
    for subject in SUBJECTS:
        family = await _family(session, round_id, subject, None)
        detail = detail_of_all(family.whole, subject) if family else Detail.NOTHING
        whole = family.whole if family else ()
        await store.insert_figures(
            session, round_id, told_of(EVERYWHERE, whole, detail, scale_of_round(round_id, subject))
        )
        known[subject] = _parts(family, detail, subject)
    for depth in range(1, deepest + 1):
        ids = [each.id for each in level]
        named = (
            level if depth > 1 else [msgspec.structs.replace(each, parent_id=EVERYWHERE) for each in level]
        )
        await store.insert_places(session, round_id, depth, named)
        kept += len(level)
        for subject in SUBJECTS:
            told: list[Told] = []
            for place_id in ids:
                detail, unit = known[subject].get(place_id, (Detail.NOTHING, ()))
                told += told_of(place_id, unit, detail, scale_of_round(round_id, subject))
            await store.insert_figures(session, round_id, told)
        if depth < deepest:
            level = await store.places_on(session, ids)
            parents = {each.parent_id for each in level if each.parent_id is not None}
            for subject in SUBJECTS:
                known[subject] = await _below(session, round_id, subject, parents, known[subject])
    return kept


async def _below(
    session: Session,
    round_id: int,
    subject: Subject,
    parents: set[int],
    known: dict[int, tuple[Detail, Unit]],
) -> dict[int, tuple[Detail, Unit]]:
    """How far each place that hangs on places is told, and its counts."""
    found: dict[int, tuple[Detail, Unit]] = {}
    for place_id in sorted(parents):
        detail, unit = known.get(place_id, (Detail.NOTHING, ()))
        if detail is Detail.NOTHING:
            continue
        family = await _family(session, round_id, subject, place_id)
        # What hangs on a place and the place itself are read at two moments: a correction between them would stand in one of them only.
        if family is not None and by_cell(family.whole) != by_cell(unit):
            raise ChangedMeanwhile
        found |= _parts(family, detail, subject)
    return found


async def _family(session: Session, round_id: int, subject: Subject, place_id: int | None) -> Family | None:
    return await figures.family_below(session, round_id, subject, place_id, rows=MOST_CELLS)


def _parts(family: Family | None, detail: Detail, subject: Subject) -> dict[int, tuple[Detail, Unit]]:
    """The places of a family by id. Schools are judged with them, as for viewers, and are not published."""
    if family is None:
        return {}
    details = details_below(family.whole, detail, family.units, subject)
    return {key[1]: (details[key], unit) for key, unit in family.units.items() if not key[0]}


async def read_public_figures(session: Session, asked: PublicQuery) -> PublicFigures:
    """What is published of a place in a round, for anybody. *Errors*: NotFound where nothing is shown, or not so deep; Invalid.

    *Cost*: eight statements over what was published and by which scales; nothing of a child is read.
    """
    subject = subject_asked(asked.subject)
    page = await store.find_page(session)
    rounds = await store.shown_rounds(session) if page.is_on else []
    chosen = next((each for each in rounds if asked.round_id in (None, each.id)), None)
    if chosen is None:
        raise NotFound
    way = await store.way_to(session, chosen.id, asked.place_id or EVERYWHERE)
    if not way or way[-1].depth > page.depth:
        raise NotFound
    await learn_scales(session, KeptScales())  # nobody is asking, with whom it would be learned
    place = way[-1].place
    told = await store.figures_of_place(session, chosen.id, place.id, subject)
    parts = await store.published_places_on(session, chosen.id, place.id, page.depth)
    return PublicFigures(
        round=chosen,
        rounds=rounds,
        subject=subject,
        place=place,
        above=[each.place for each in way[:-1]],
        cells=_cells(told, page, scale_of_round(chosen.id, subject)),
        parts=await _figured(session, chosen.id, parts, subject),
    )


def _cells(told: list[Told], page: PublicPage, scale: Scale) -> list[PublicCell]:
    detail = DETAILS[page.split]
    whole = next((each for each in told if not each.grade and not each.sex), None)
    cells = [PublicCell(None, None, figures_told(whole, scale))]
    for each in told:
        is_told = detail >= (Detail.GRADES if each.grade else Detail.SEXES)
        if each is not whole and is_told:
            cells.append(PublicCell(each.grade or None, each.sex or None, figures_told(each, scale)))
    return cells


async def _figured(
    session: Session, round_id: int, places: list[PublicPlace], subject: Subject
) -> list[PublicPart]:
    told = await store.figures_of_parts(session, round_id, [each.id for each in places], subject)
    scale = scale_of_round(round_id, subject)
    return [PublicPart(each, figures_told(told.get(each.id), scale)) for each in places]
