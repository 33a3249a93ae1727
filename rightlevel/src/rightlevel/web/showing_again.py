"""What a person gets who sent a form that was refused: the page it stood on, with the form as it was sent, and what is wrong at each field.

A handler does its deed and raises; it needs no page for that. The page is opened once more as this person would open it, after the
refused transaction is rolled back, so that it shows what is so now, and `form_again` puts into it what was sent. Where there is no page
to open (a busy moment, a page that is no longer theirs), what was sent goes along on the page that says so, to be sent once more.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import date
from http import HTTPStatus
from typing import Any, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from starlette.types import ASGIApp, Message

from flatwater.asgi import NotSignedIn
from flatwater.contract import UNSAFE, Endpoint
from flatwater.inputs import FormInvalid, InputInvalid, UnseenMarks
from rightlevel.programme.accounts import hold_form
from rightlevel.programme.errors import Fault, Invalid, NotFound, ProgrammeError
from rightlevel.programme.names import WITHOUT_UNSEEN
from rightlevel.programme.receipts import WriteIdReused
from rightlevel.web.application import (
    FORM_OWNER,
    FORM_PAGE,
    HELD_COOKIE,
    OWN_FIELDS,
    CrossSite,
    address_of,
    form_owner,
    operation_of,
    require_same_site,
    sent_field,
    sent_write_id,
    set_cookie,
)
from rightlevel.web.form_again import FormAgain
from rightlevel.web.language import N_
from rightlevel.web.request import Request
from rightlevel.web.templating import (
    ShownAgain,
    error_page,
    filled,
    language_of,
    listed,
    local_path,
    part,
    refused,
    repeated,
)

log = logging.getLogger("rightlevel.web")

MAX_SENT_ALONG = 64 * 1024
HELD_S = 30 * 60
HELD_PAGE = "/held-form"
SIGNED_IN_ANEW = N_(
    "You signed in anew since this page was opened. Nothing is saved yet: look it over and send it once more."
)
SAVED_OTHERWISE = N_(
    "This form was sent before, with something else in it, and saved so. Nothing more is saved yet: look it over and send it once more."
)
HELD = N_("You are signed in again. Nothing is saved yet: look it over and send it.")
GONE = N_("What you sent has no place on this page any more. This is what you typed:")


class HeldForm(ProgrammeError):
    """This form was sent when the session had ended."""

    kind = "conflict"
    code = "held_form"

    def __init__(self, held: HeldPost) -> None:
        super().__init__()
        self.held = held


class HeldPost(msgspec.Struct, frozen=True):
    """A form that came when nobody was signed in any more: where it goes, the page it stood on, and what was in it."""

    action: str
    page: str
    fields: dict[str, list[str]]
    operation: str = ""
    """The deed that it asks for, as its receipt would name it."""
    write_id: str = ""
    """The id that it came with: what was saved already, and only its answer lost, is not saved twice."""


class FormsAgain:
    """Answers for the forms of one application; `opens_pages_of` says of which."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    def opens_pages_of(self, app: ASGIApp) -> None:
        self._app = app

    async def page(self, request: Request, status: int, error: Exception) -> tuple[int, str]:
        """The page for an error and its status."""
        if isinstance(error, HeldForm):
            return await self._go_on(request, error.held)
        is_form = request.endpoint.method in UNSAFE and "hx-request" not in request.headers
        if isinstance(error, ShownAgain):
            return status, error.page
        if not is_form:
            return status, error_page(request, status, error)
        if isinstance(error, NotSignedIn):
            held = await self._hold(request)
            return status, error_page(request, status, error, held=held)
        told = _as_programme_error(error, request)
        if told is not None and (page := await self._opened(request, _page_of(request), told)) is not None:
            write_id = sent_write_id(request) if isinstance(error, CrossSite) else ""
            return status, filled(request, page, told, write_id=write_id)
        return status, error_page(request, status, error, again=_sent_along(request, status))

    async def _go_on(self, request: Request, held: HeldPost) -> tuple[int, str]:
        page = await self._opened(request, held.page)
        if page is None:
            return HTTPStatus.NOT_FOUND, error_page(request, HTTPStatus.NOT_FOUND, NotFound())
        again = FormAgain(page, held.action, held.fields, write_id=held.write_id)
        text = language_of(request).gettext(HELD if again.summary.is_found else GONE)
        block = part(
            request,
            "again.html",
            text=text,
            summary=again.summary,
            is_wrong=False,
            sent=listed(again, held.fields),
        )
        return HTTPStatus.OK, again.text(block)

    async def _opened(
        self, request: Request, address: str, error: ProgrammeError | None = None
    ) -> str | None:
        """A page as this person sees it now; None where there is none, or where it belongs to somebody else than the form did."""
        parts = urlsplit(address)
        if self._app is None or not address or parts.path == HELD_PAGE:  # that page would open itself
            return None
        sent: list[Message] = []
        left_out = {
            "content-length",
            "content-type",
            "transfer-encoding",
            "accept-encoding",
            "origin",
            "idempotency-key",
            "x-csrf-token",
        }
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.items()
            if name not in left_out
        ]

        told = False

        async def receive() -> Message:
            nonlocal told
            if told:
                # Whoever watches for the client's leaving waits here: that is seen by the request that this one is made for.
                await asyncio.get_running_loop().create_future()
            told = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "headers": headers,
            "query_string": parts.query.encode(),
            "client": (request.address, 0),
            "scheme": "https" if request.is_https else "http",
            "http_version": "1.1",
            "root_path": "",
        }
        mark = refused.set(error)
        try:
            await self._app(scope, receive, send)
        finally:
            refused.reset(mark)
        start = sent[0]
        kinds = [value for name, value in start["headers"] if name == b"content-type"]
        if start["status"] != HTTPStatus.OK or not kinds or not kinds[0].startswith(b"text/html"):
            return None
        page = b"".join(each.get("body", b"") for each in sent[1:]).decode()
        owner = sent_field(request, FORM_OWNER)
        return page if not owner or f'name="{FORM_OWNER}" value="{owner}"' in page else None

    async def _hold(self, request: Request) -> bool:
        """Keeps what came without a session for the person for whom the form was made; whether it is kept."""
        owner = form_owner(request)
        if owner is None or request.endpoint.inputs.get("upload"):
            return False
        require_same_site(request)
        kept = {name: values for name, values in repeated(request).items() if name not in OWN_FIELDS}
        held = HeldPost(
            address_of(request), _page_of(request), kept, operation_of(request), sent_write_id(request)
        )
        content = msgspec.json.encode(held)
        secret = await hold_form(request.database, owner, content, request.clock)
        if secret is None:
            return False
        set_cookie(request, HELD_COOKIE, secret, life_s=HELD_S)
        return True


def _page_of(request: Request) -> str:
    """The page that a form stood on: as the form says, as the browser says, or at the form's own address."""
    named = local_path(sent_field(request, FORM_PAGE), "")
    if named and urlsplit(named).path != HELD_PAGE:
        return named
    referer = urlsplit(request.headers.get("referer", ""))
    if referer.netloc and referer.netloc == request.headers.get("host", ""):
        return local_path(referer.path + (f"?{referer.query}" if referer.query else ""), request.path)
    return address_of(request)


def _as_programme_error(error: Exception, request: Request) -> ProgrammeError | None:
    """What can be said above a form; None for what the form can do nothing about."""
    if isinstance(error, WriteIdReused):
        return ProgrammeError(SAVED_OTHERWISE)
    if isinstance(error, CrossSite):
        return ProgrammeError(SIGNED_IN_ANEW) if form_owner(request) is not None else None
    if isinstance(error, ProgrammeError):
        return error
    if isinstance(error, InputInvalid):
        return Invalid(faults=faults_of_input(error, request.endpoint))
    return None


def _sent_along(request: Request, status: int) -> list[tuple[str, str]]:
    """What was sent, to go along on a page that can only say "once more"; nothing of it where sending it again can't help.

    A page that is no longer theirs may be so again in a minute: an assignment that was ended by mistake costs nobody what they typed.
    """
    left_out = OWN_FIELDS - {"write_id", FORM_PAGE}
    fields = [
        (name, value)
        for name, values in repeated(request).items()
        if name not in left_out
        for value in values
    ]
    may_help = status >= HTTPStatus.INTERNAL_SERVER_ERROR or _is_own(request)
    is_worth_it = may_help and not request.endpoint.inputs.get("upload")
    return fields if is_worth_it and sum(len(n) + len(v) for n, v in fields) <= MAX_SENT_ALONG else []


def _is_own(request: Request) -> bool:
    """Whether a form was made for whoever is signed in."""
    owner = form_owner(request)
    return owner is not None and request.actor is not None and owner == request.actor.person_id


A_DAY = N_("A day like 2026-11-30")
WHOLE = N_("A whole number")
NUMBER = N_("A number like 11.56")
CHOICE = N_("Please choose one of these")
NEEDED = N_("Please fill this in")
SHORTER = N_("This is too long")


def faults_of_input(error: InputInvalid, endpoint: Endpoint) -> tuple[Fault, ...]:
    """What could not be read of a form, at its field and in people's words."""
    if isinstance(error, FormInvalid):
        return tuple(fault for each in error.faults for fault in faults_of_input(each, endpoint))
    text = str(error)
    if text.startswith("Object missing required field `"):
        return (Fault(text.split("`")[1], NEEDED),)
    where, _, field = error.where.partition(".")
    name = field.split("[")[0].split(".")[0]
    if where != "form" or not name:
        return ()
    kind = endpoint.inputs.get("form")
    types = (
        {each.encode_name: each.type for each in msgspec.structs.fields(kind)}
        if isinstance(kind, type)
        else {}
    )
    named = {get_origin(each) or each for each in (types.get(name), *get_args(types.get(name)))}
    if isinstance(error, UnseenMarks):
        return (Fault(name, WITHOUT_UNSEEN),)
    if "length <=" in text:
        return (Fault(name, SHORTER),)
    if date in named:
        return (Fault(name, A_DAY),)
    if int in named:
        return (Fault(name, WHOLE),)
    return (Fault(name, NUMBER if float in named else CHOICE),)


__all__ = ["FormsAgain", "HeldForm", "HeldPost"]
