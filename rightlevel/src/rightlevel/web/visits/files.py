"""What is sent and taken as files of visits: photos, and visits as CSV."""

from __future__ import annotations

import msgspec

from flatwater.contract import Raw, Redirect, Streamed, Upload
from rightlevel.programme.errors import ProgrammeError
from rightlevel.programme.exports import ExportAsk
from rightlevel.programme.permissions import May
from rightlevel.programme.photos import Photo
from rightlevel.programme.visits import VisitSearch, check_search
from rightlevel.web.exporting import stream_export
from rightlevel.web.feature import IN_PAGES, SAVED
from rightlevel.web.request import READ_S, ByUuid, Request, actor_of
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields
from rightlevel.web.sent_photos import PHOTO_BODY, PHOTO_S, SentPhoto, add_photo
from rightlevel.web.templating import done

routes = Routes("visits")

CSV = "text/csv; charset=utf-8"
CHANGES, READS = May("change", "visit"), May("read", "visit")


class PhotoMark(msgspec.Struct, frozen=True):
    """Until when a link is good, and by whom it was made."""

    until: int = 0
    mark: str = ""


class LinkEnded(ProgrammeError):
    """This link has run out. Load the page again."""

    kind = "gone"
    code = "link_ended"


@routes.post("/api/v1/visits/{id}/photos", CHANGES, work="none", deadline_s=PHOTO_S, body_bytes=PHOTO_BODY)
async def add_visit_photo(request: Request, *, path: ByUuid, form: SentPhoto, upload: Upload | None) -> Photo:
    """Adds a photo to a visit: JPEG, PNG or WebP, made small here; where it was taken is forgotten unless it is to be kept."""
    return await add_photo(request, path.id, form, upload)


@routes.post(
    "/visits/{id}/photos", CHANGES, work="none", deadline_s=PHOTO_S, body_bytes=PHOTO_BODY, **IN_PAGES
)
async def post_add_photo(
    request: Request, *, path: ByUuid, form: SentPhoto, upload: Upload | None
) -> Redirect:
    """Adds a photo."""
    await add_photo(request, path.id, form, upload)
    return done(request, f"/visits/{path.id}", SAVED)


@routes.get("/api/v1/photos/{id}", READS, work="none", deadline_s=PHOTO_S, media=("image/jpeg",))
async def read_one_photo(request: Request, *, path: ByUuid) -> Raw:
    """A photo's JPEG."""
    return Raw(await request.app.album.content(actor_of(request), path.id), "image/jpeg")


@routes.get("/photos/{id}", READS, work="none", deadline_s=PHOTO_S, tags=("service",), media=("image/jpeg",))
async def photo_of_page(request: Request, *, path: ByUuid, query: PhotoMark) -> Raw:
    """A photo, by a link that was made for this person a short while ago."""
    actor = actor_of(request)
    if not request.app.photo_links.is_good(
        path.id, actor.person_id, query.until, query.mark, request.clock.now()
    ):
        raise LinkEnded
    content = await request.app.album.content(actor, path.id)
    return Raw(content, "image/jpeg", headers={"cache-control": "private, no-store"})


@routes.post("/api/v1/visits-export", May("export", "visit"), work="none", deadline_s=READ_S, media=(CSV,))
async def export_all_visits(request: Request, *, body: VisitSearch) -> Streamed:
    """Submitted visits in scope as CSV, practice schools left out."""
    return await stream_export(request, _asked(body))


@routes.post(
    "/visits/export", May("export", "visit"), work="none", deadline_s=READ_S, media=(CSV,), **IN_PAGES
)
async def post_export_visits(request: Request, *, form: NoFields) -> Streamed:
    """Submitted visits in scope, as CSV for a spreadsheet."""
    return await stream_export(request, _asked(VisitSearch()))


def _asked(search: VisitSearch) -> ExportAsk:
    check_search(search)
    subject = "math" if search.subject == "math" else "language" if search.subject else None
    return ExportAsk(
        "visits",
        school_id=search.school_id,
        mentor_id=search.mentor_id,
        subject=subject,
        from_on=search.from_on,
        to_on=search.to_on,
    )
