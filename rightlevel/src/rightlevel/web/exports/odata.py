"""The files as sets under an address that Power BI and Excel read by OData 4.0: live, with the rights that a token's holder has now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final, Literal

import msgspec

from flatwater.contract import Everyone, Raw, Streamed
from flatwater.rate_limit import RateClass
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Forbidden, Invalid, NotFound, OutOfScope
from rightlevel.programme.exports import (
    ExportAsk,
    NotDone,
    ODataOptions,
    ODataPage,
    ODataSet,
    begin_export,
    check_mark,
    error_document,
    metadata_document,
    narrowed,
    page_asked,
    service_document,
    sets_of,
)
from rightlevel.programme.permissions import Actor
from rightlevel.web.exporting import live_holder, own_address
from rightlevel.web.feature import Deeds
from rightlevel.web.request import READ_S, WRITE_S, Request
from rightlevel.web.routes import Declaring

routes = Deeds("exports", "file")

ODATA: Final = RateClass("odata", per_s=1.0, burst=60)
JSON: Final = "application/json; odata.metadata=minimal"
XML: Final = "application/xml"
TEXT: Final = "text/plain; charset=utf-8"
TOLD: Final = {
    400: "What is asked can't be read, as an error of OData.",
    404: "No such address, set or right, as an error of OData.",
    501: "What OData knows and this service does not do, as an error of OData.",
}
HEADERS: Final = {"odata-version": "4.0", "cache-control": "private, no-store"}


class Secret(msgspec.Struct, frozen=True):
    """A token that only reads."""

    secret: str


class SecretAndSet(msgspec.Struct, frozen=True):
    """A token that only reads, and which set."""

    secret: str
    name: str


class ODataAsk(ODataOptions, frozen=True):
    """What OData lets one ask, and what a file is narrowed by."""

    round_id: int | None = None
    place_id: int | None = None
    school_id: int | None = None
    class_id: int | None = None
    grade: int | None = None
    sex: int | None = None
    status: Literal["active", "left"] | None = None
    subject: Literal["language", "math"] | None = None
    mentor_id: int | None = None
    from_on: date | None = None
    to_on: date | None = None

    def narrowing(self) -> dict[str, object]:
        """What a file is narrowed by."""
        own = ODataOptions.__struct_fields__
        return {
            name: value
            for name, value in msgspec.structs.asdict(self).items()
            if name not in own and value is not None
        }


def _shows(path: str, *media: str) -> Declaring:
    """A route of OData: its token stands in the address, and what goes wrong is told as OData does."""
    return routes.get(
        path,
        Everyone(),
        rate=ODATA,
        work="none",
        deadline_s=READ_S,
        tags=("service",),
        statuses=TOLD,
        media=media,
    )


@_shows("/odata/{secret}", JSON)
async def odata_service(request: Request, *, path: Secret) -> Raw:
    """Which sets there are (the service document of OData 4.0). The secret is an API token that only reads."""
    return await _document(request, path.secret, is_metadata=False)


@_shows("/odata/{secret}/", JSON)
async def odata_service_root(request: Request, *, path: Secret) -> Raw:
    """The same, as clients write it that put a stroke behind every folder."""
    return await _document(request, path.secret, is_metadata=False)


@_shows("/odata/{secret}/$metadata", XML, JSON)
async def odata_metadata(request: Request, *, path: Secret) -> Raw:
    """The sets and the type of each column (CSDL 4.0 as XML)."""
    return await _document(request, path.secret, is_metadata=True)


@_shows("/odata/{secret}/{name}", JSON)
async def odata_set(request: Request, *, path: SecretAndSet, query: ODataAsk) -> Streamed | Raw:
    """The rows of a set, some 50,000 an answer, with the address of the next ones.

    Of OData's options `$select`, `$top`, `$count` and `$filter` (columns compared by `eq`, `ge` and `le`, joined by `and`) are done; others are
    answered with 501. Besides, a set is narrowed by what its file is narrowed by.
    """
    return await _rows(request, path, query, is_only_count=False)


@_shows("/odata/{secret}/{name}/$count", TEXT, JSON)
async def odata_count(request: Request, *, path: SecretAndSet, query: ODataAsk) -> Streamed | Raw:
    """How many rows of a set meet a `$filter`."""
    return await _rows(request, path, query, is_only_count=True)


async def _document(request: Request, secret: str, *, is_metadata: bool) -> Raw:
    async def read(session: Session) -> list[ODataSet]:
        return sets_of(await live_holder(request, session, secret))

    try:
        _require_version(request)
        sets = await request.database.run(read, deadline_s=WRITE_S)
    except NotFound:
        return _not_found()
    except NotDone as error:
        return _problem(400, "version", str(error))
    if is_metadata:
        return Raw(metadata_document(sets), XML, headers=HEADERS)
    return Raw(service_document(_root(request, secret), sets), JSON, headers=HEADERS)


async def _rows(
    request: Request, path: SecretAndSet, query: ODataAsk, *, is_only_count: bool
) -> Streamed | Raw:
    async def begin(session: Session) -> tuple[Actor, str, ExportAsk, ODataPage]:
        actor = await live_holder(request, session, path.secret)
        of = _set_called(path.name, sets_of(actor))
        more = query.narrowing()
        page = page_asked(
            of,
            _root(request, path.secret),
            query,
            more={name: str(value) for name, value in more.items()},
            is_only_count=is_only_count,
        )
        asked = msgspec.convert(
            {"what": of.what, "format": "jsonl", "is_deidentified": of.is_deidentified}, ExportAsk
        )
        ask = narrowed(msgspec.structs.replace(asked, **more), page.conditions)
        await check_mark(session, ask, page)
        return actor, await begin_export(session, actor, ask, request.clock), ask, page

    try:
        _require_version(request)
        request.app.exports.require_room()
        actor, export_id, ask, page = await request.database.run(begin, deadline_s=WRITE_S)
    except (NotFound, Forbidden, OutOfScope):
        return _not_found()
    except NotDone as error:
        return _problem(501, "not_implemented", str(error))
    except Invalid as error:
        return _problem(400, "invalid", "What is asked can't be answered.", error.faults)
    headers = {**HEADERS, "link": f'</api/v1/exports/{export_id}>; rel="describedby"'}
    chunks = request.app.exports.stream(actor, export_id, ask, page)
    return Streamed(chunks, TEXT if is_only_count else JSON, headers)


def _set_called(name: str, sets: Iterable[ODataSet]) -> ODataSet:
    if "(" in name:
        raise NotDone("One row by its key is not done here: use $filter.")
    for each in sets:
        if each.name == name:
            return each
    raise NotFound


def _require_version(request: Request) -> None:
    """Passes where the client reads 4.0. *Source*: OData 4.0 part 1, 8.2.7."""
    if request.headers.get("odata-maxversion", "4.0") < "4":
        raise NotDone("This is OData 4.0.")


def _root(request: Request, secret: str) -> str:
    return f"{own_address(request)}/odata/{secret}/"


def _not_found() -> Raw:
    return _problem(404, "not_found", "There is nothing under this address.")


def _problem(status: int, code: str, message: str, faults: Iterable[Fault] = ()) -> Raw:
    return Raw(error_document(code, message, faults), JSON, status, HEADERS)
