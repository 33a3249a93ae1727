"""Places and schools moved, split and merged, and back; places closed and opened again."""

from __future__ import annotations

import msgspec

from rightlevel.programme import boundaries, places, schools
from rightlevel.web.boundaries import pages
from rightlevel.web.feature import Deeds
from rightlevel.web.language import N_, Language
from rightlevel.web.request import CLASS_BODY, ROLL_S, WithReason


class Destination(msgspec.Struct, frozen=True):
    """The place that a school would go to."""

    place_id: int


class Stays(msgspec.Struct, frozen=True):
    """Where a school stood and stands, the latest first."""

    stays: list[schools.Stay]


class MoveForm(msgspec.Struct, frozen=True):
    """Where a school goes, and why."""

    place: int
    version: int
    reason: str

    def meant(self) -> schools.SchoolChange:
        return schools.SchoolChange(self.version, place_id=self.place, reason=self.reason)


class UndoForm(msgspec.Struct, frozen=True):
    """Why something is undone, and of which school it was."""

    reason: str
    school_id: int


def _went_back(language: Language, undone: boundaries.SchoolUndone) -> str:
    return language.ngettext("{n} child went back.", "{n} children went back.", undone.back)


routes = Deeds("places", "place")
routes.answers(
    "preview_one_boundary_change",
    "POST /api/v1/boundary-changes/preview",
    boundaries.preview_boundary_change,
    boundaries.BoundaryPlan,
    work="read",
    body_bytes=CLASS_BODY,
    says="What moving, splitting or merging places would do; nothing is written.",
)
routes.answers(
    "make_boundary_change",
    "POST /api/v1/boundary-changes",
    boundaries.change_boundaries,
    boundaries.BoundaryPlan,
    deadline_s=ROLL_S,
    body_bytes=CLASS_BODY,
    says="Moves, splits or merges places; the same id again gets the same answer.",
)
routes.answers("list_all_boundary_changes", "GET /api/v1/boundary-changes", boundaries.list_boundary_changes)
routes.does(
    boundaries.undo_boundary_change,
    WithReason,
    json=("undo_one_boundary_change", "POST /api/v1/boundary-changes/{id}/undo"),
    html=("post_undo_boundary_change", "/boundary-changes/{id}/undo"),
    deadline_s=ROLL_S,
    then="/boundary-changes",
    word=N_("Undone."),
    says="Takes a change of places back.",
)
routes.does(
    places.close_place,
    WithReason,
    json=("close_one_place", "POST /api/v1/places/{id}/close"),
    html=("post_close_place", "/places/{id}/close"),
    then="/places?below={path.id}",
    says="Closes a place on which nothing hangs any more.",
)
routes.does(
    places.reopen_place,
    json=("reopen_one_place", "POST /api/v1/places/{id}/reopen"),
    html=("post_reopen_place", "/places/{id}/reopen"),
    then="/places?below={path.id}",
)

of_schools = Deeds("schools", "school")
of_schools.answers(
    "list_places_of_school",
    "GET /api/v1/schools/{id}/places",
    schools.list_stays,
    gives=Stays,
    says="Where a school stood and stands.",
)
of_schools.answers(
    "preview_one_move",
    "POST /api/v1/schools/{id}/move/preview",
    schools.preview_school_move,
    Destination,
    work="read",
    says="What moving a school would do to each round; the move itself is a change of its place, with a reason.",
)
of_schools.sends(
    "post_move_school", "/schools/{id}/move", schools.change_school, MoveForm, then="/schools/{path.id}"
)
of_schools.answers(
    "preview_one_merge",
    "POST /api/v1/schools/{id}/merge/preview",
    boundaries.preview_school_merge,
    boundaries.SchoolMerge,
    work="read",
)
of_schools.answers(
    "merge_one_school",
    "POST /api/v1/schools/{id}/merge",
    boundaries.merge_school,
    boundaries.SchoolMerge,
    deadline_s=ROLL_S,
    says="All children go to another school, and this one closes; the same id again gets the same answer.",
)
of_schools.answers(
    "preview_one_split",
    "POST /api/v1/schools/{id}/split/preview",
    boundaries.preview_school_split,
    boundaries.SchoolSplit,
    work="read",
)
of_schools.answers(
    "split_one_school",
    "POST /api/v1/schools/{id}/split",
    boundaries.split_school,
    boundaries.SchoolSplit,
    deadline_s=ROLL_S,
    says="The children of some classes go to a new school; the same id again gets the same answer.",
)
of_schools.answers(
    "list_changes_of_school", "GET /api/v1/schools/{id}/changes", boundaries.list_school_changes
)
of_schools.does(
    boundaries.undo_school_change,
    WithReason,
    json=("undo_one_school_change", "POST /api/v1/school-changes/{id}/undo"),
    html=("post_undo_school_change", "/school-changes/{id}/undo"),
    form=UndoForm,
    deadline_s=ROLL_S,
    then="/schools/{sent.school_id}",
    word=_went_back,
    says="Takes a merge or split back, for the children who are still where it took them.",
)
for each in (of_schools, pages.routes):
    routes.include(each)
