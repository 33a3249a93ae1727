"""The draws that were made, the form for another, and one with its schools and its read-out."""

from __future__ import annotations

from typing import Any

import msgspec

from flatwater.clock import today
from flatwater.contract import Html, Raw
from flatwater.paging import PageLimit, PageRequest
from rightlevel.programme import trials
from rightlevel.programme.audit.export import csv_line, defused
from rightlevel.programme.permissions import May
from rightlevel.programme.rounds import Round
from rightlevel.programme.trials.actions import school_rows
from rightlevel.web.feature import IN_PAGES
from rightlevel.web.figures.pages import address_at, round_choices
from rightlevel.web.language import N_
from rightlevel.web.movement.pages import CSV, MovementWanted, settled
from rightlevel.web.request import ById, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import language_of, render
from rightlevel.web.work import place_choices

routes = Routes("pages")
READS = May("read", "trial")
STRATA = {
    0: N_("Not at all"),
    1: N_("By country"),
    2: N_("By province"),
    3: N_("By district"),
    4: N_("By commune or cluster"),
}
WHY_NOT: dict[trials.WhyNot, str] = {
    "few_schools": N_("It can't be told: fewer than five schools of a way have children in both rounds."),
    "few_degrees": N_("It can't be told: there are too few schools for so many strata."),
    "no_contrast": N_("It can't be told: in no stratum do both ways have children."),
}
COLUMNS = ("code", "name", "stratum_id", "way", "assessed", "matched", "improved", "mean_shift")


class ReadOutWanted(MovementWanted, frozen=True):
    """Between which rounds, in which subject."""


@routes.get("/trials", READS, page=PageLimit(20), **IN_PAGES)
async def trials_page(request: Request, *, page: PageRequest) -> Html:
    """Every draw that was made, and the form for another."""
    _ = language_of(request).gettext
    return render(
        request,
        "trials/list.html",
        drawn=await trials.list_trials(request.session, actor_of(request), page),
        places=await place_choices(request),
        strata=[(depth, _(name)) for depth, name in STRATA.items()],
        least=trials.LEAST_SCHOOLS,
    )


@routes.get("/trials/{id}", READS, page=PageLimit(50), **IN_PAGES)
async def trial_page(request: Request, *, path: ById, query: ReadOutWanted, page: PageRequest) -> Html:
    """One draw: its read-out between two rounds, and which school works which way."""
    _ = language_of(request).gettext
    actor = actor_of(request)
    trial = await trials.read_trial(request.session, actor, path.id)
    query, pair = await _settled(request, query)
    asked = _asked(query, pair)
    found = None if asked is None else await trials.read_out(request.session, actor, path.id, asked)
    return render(
        request,
        "trials/one.html",
        trial=trial,
        query=query,
        rounds=pair,
        round_choices=await round_choices(request),
        found=found,
        why_not={code: _(text) for code, text in WHY_NOT.items()},
        strata=_(STRATA[trial.strata_depth]),
        schools=await trials.list_trial_schools(request.session, actor, path.id, page),
        file=_file_at(path.id, query),
        printed_on=today(request.clock),
    )


@routes.get("/api/v1/trials/{id}/file", READS, media=(CSV,), tags=("figures",))
async def trial_file(request: Request, *, path: ById, query: ReadOutWanted) -> Raw:
    """The schools of a draw as CSV, each with its way and how its children moved between the two rounds."""
    trial = await trials.read_trial(request.session, actor_of(request), path.id)
    asked = _asked(*await _settled(request, query))
    rows = [] if asked is None else await school_rows(request.session, actor_of(request), path.id, asked)
    lines = [csv_line(COLUMNS)]
    for each in rows:
        mean = "" if not each.matched else f"{each.shift / each.matched:.4f}"
        way = trial.way_b if each.is_b else trial.way_a
        named = [defused(each.code), defused(each.name_local), str(each.stratum_id), defused(way)]
        numbers = [str(number) for number in (each.assessed, each.matched, each.improved)]
        lines.append(csv_line([*named, *numbers, mean]))
    headers = {"content-disposition": f'attachment; filename="trial-{path.id}-{today(request.clock)}.csv"'}
    return Raw(b"\xef\xbb\xbf" + b"".join(lines), CSV, headers=headers)


async def _settled(request: Request, query: ReadOutWanted) -> tuple[ReadOutWanted, list[Round]]:
    """The rounds and the subject that are meant, of everywhere."""
    return await settled(
        request, msgspec.structs.replace(query, place=None, school=None, grade=None, sex=None, chosen="")
    )


def _asked(query: ReadOutWanted, pair: list[Round]) -> trials.ReadOutQuery | None:
    return trials.ReadOutQuery(pair[0].id, pair[-1].id, query.subject) if len(pair) > 1 else None


def _file_at(trial_id: int, query: ReadOutWanted) -> str:
    changes: dict[str, Any] = {"place": None, "fate": "", "boundaries": ""}
    return address_at(f"/api/v1/trials/{trial_id}/file", query, **changes)
