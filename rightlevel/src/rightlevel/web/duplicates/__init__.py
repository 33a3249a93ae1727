"""Children entered twice: made one, kept apart, and back; and children under another child's name."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme import duplicates
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import read_school
from rightlevel.web.feature import IN_PAGES, Deeds, Filters
from rightlevel.web.language import N_
from rightlevel.web.request import ById, Request, VersionAndReason, WithReason, actor_of
from rightlevel.web.sent import reason_of
from rightlevel.web.templating import done, render

PAST = PageRequest(20)


class TwoChildren(msgspec.Struct, frozen=True):
    """Two records that are two children."""

    student_id: str
    other_id: str


class MergeForm(msgspec.Struct, frozen=True):
    """Two records, and which stays."""

    first_id: str
    first_version: int
    second_id: str
    second_version: int
    keep: str = "first"
    reason: str = ""


class UndoMerge(msgspec.Struct, frozen=True):
    """Which merge is undone, and why."""

    merge_id: str
    reason: str


routes = Deeds("duplicates", "student", deeds={"read": "merge", "change": "merge"})
routes.answers(
    "find_duplicates_of_school",
    "GET /api/v1/schools/{id}/duplicates",
    duplicates.find_duplicates,
    says="At most a hundred pairs that may be one child, the likeliest first, with the reasons.",
)
routes.answers("list_merges_of_school", "GET /api/v1/schools/{id}/merges", duplicates.list_merges)
routes.answers(
    "merge_two_records",
    "POST /api/v1/merges",
    duplicates.merge_duplicates,
    duplicates.Merge,
    made="/api/v1/students/{made.kept_id}",
    made_is="merged",
    says="Makes two records one; both histories are kept.",
)
routes.answers(
    "undo_one_merge",
    "POST /api/v1/merges/{id}/undo",
    duplicates.undo_merge_of_duplicates,
    WithReason,
    says="Makes two of one again.",
)
routes.sends(
    "post_undo_merge",
    "/schools/{id}/duplicates/undo",
    duplicates.undo_merge_of_duplicates,
    UndoMerge,
    path=ById,
    then="/schools/{path.id}/duplicates",
    word=N_("They are two again."),
)
routes.answers(
    "say_two_are_two",
    "POST /api/v1/not-duplicates",
    duplicates.dismiss_duplicates,
    TwoChildren,
    says="Remembers that two records are two children.",
)

renames = Deeds("duplicates", "student", deeds={"read": "settle", "change": "settle"})
renames.answers(
    "list_all_renames",
    "GET /api/v1/renames",
    duplicates.list_renames,
    Filters,
    says="Children whose name became another one: perhaps another child. A page may be short and still have a next one.",
)
renames.does(
    duplicates.say_same_child,
    json=("say_renamed_child_is_the_same", "POST /api/v1/renames/{id}/same"),
    html=("post_same_child", "/renames/{id}/same"),
    then="/renames",
    word=N_("Noted: this is the same child."),
)
renames.does(
    duplicates.put_back_name,
    VersionAndReason,
    json=("put_one_name_back", "POST /api/v1/renames/{id}/put-back"),
    html=("post_put_back", "/renames/{id}/put-back"),
    then="/renames",
    word=N_("{name} has its former name again."),
    says="Gives a child its former name back, with what else the same change took.",
)
routes.include(renames)


@routes.get("/renames", May("settle", "student"), **IN_PAGES)
async def renames_page(request: Request, *, page: PageRequest) -> Html:
    """Children whose name became another one, of whom nobody has decided."""
    found = await duplicates.list_renames(request.session, actor_of(request), page, request.clock)
    return render(request, "duplicates/renames.html", page=found)


@routes.get("/schools/{id}/duplicates", May("merge", "student"), **IN_PAGES)
async def duplicates_page(request: Request, *, path: ById) -> Html:
    """The likely duplicates of a school."""
    actor = actor_of(request)
    return render(
        request,
        "duplicates/list.html",
        school=await read_school(request.session, actor, path.id),
        found=await duplicates.find_duplicates(request.session, actor, path.id, request.clock),
        past=(await duplicates.list_merges(request.session, actor, path.id, PAST)).items,
    )


@routes.post("/schools/{id}/duplicates", May("merge", "student"), **IN_PAGES)
async def post_merge(request: Request, *, path: ById, form: MergeForm) -> Redirect:
    """Makes two records one, or remembers that they are two."""
    first, second = (form.first_id, form.first_version), (form.second_id, form.second_version)
    kept, gone = (first, second) if form.keep == "first" else (second, first)
    to = f"/schools/{path.id}/duplicates"
    if form.keep == "apart":
        await duplicates.dismiss_duplicates(
            request.session, actor_of(request), form.first_id, form.second_id, request.clock
        )
        return done(request, to, N_("Noted: these are two children."))
    merge = duplicates.Merge(*kept, *gone, reason_of(form))
    await duplicates.merge_duplicates(request.session, actor_of(request), merge, request.clock)
    return done(request, to, N_("The two are one now. You can undo it below."))
