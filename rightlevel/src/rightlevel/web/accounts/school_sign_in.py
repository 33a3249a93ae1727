"""Signing in at school: a device linked by code or QR, a name to tap and a PIN; and the devices of a school."""

from __future__ import annotations

from types import NoneType
from urllib.parse import quote

import msgspec

from flatwater.contract import Everyone, Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.accounts import (
    NameHere,
    known_device,
    link_device,
    list_devices,
    make_link_code,
    names_here,
    revoke_device,
    sign_in_by_pin,
)
from rightlevel.programme.errors import Conflict, Forbidden
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import read_school
from rightlevel.programme.time_zone import learn_time_zone
from rightlevel.web.accounts.sign_in import set_session
from rightlevel.web.application import (
    DEVICE_LIFE_S,
    SCHOOL_DEVICE_COOKIE,
    SESSION_COOKIE,
    device_of,
    own_cookie,
    set_cookie,
)
from rightlevel.web.feature import IN_PAGES, Deeds
from rightlevel.web.language import N_
from rightlevel.web.qr import origin_of, qr_svg
from rightlevel.web.request import (
    READ_S,
    SIGN_IN,
    ById,
    Request,
    Secret,
    actor_of,
)
from rightlevel.web.routes import HASHING, SIGNING_IN
from rightlevel.web.sent import NoFields
from rightlevel.web.templating import device_name, language_of, refusal, render, render_once

routes = Deeds("people", "device")


class PinForm(msgspec.Struct, frozen=True):
    """Who signs in, and their PIN."""

    person: int | None = None
    pin: Secret = ""


class LinkForm(msgspec.Struct, frozen=True):
    """A code that links this device."""

    code: Secret = ""


@routes.get("/sign-in/school", Everyone(), priority="never", **IN_PAGES)
async def school_sign_in_page(request: Request, *, query: PinForm) -> Html | Redirect:
    """The names of a school on a device that is linked to it; the way to link it on any other."""
    device = await known_device(request.session, own_cookie(request, SCHOOL_DEVICE_COOKIE))
    if device is None:
        return Redirect("/link-device")
    await learn_time_zone(request.session, request.app.clock)
    names = await names_here(request.session, device, request.clock)
    return render(
        request,
        "accounts/sign_in_school.html",
        device=device,
        names=names,
        chosen=_chosen(names, query.person),
    )


def _chosen(names: list[NameHere], person_id: int | None) -> NameHere | None:
    return next((each for each in names if each.id == person_id), None)


@routes.post("/sign-in/school", Everyone(), **HASHING, priority="never", **IN_PAGES)
async def sign_in_at_school(request: Request, *, form: PinForm) -> Html | Redirect:
    """Signs in with a name and a PIN on a linked device."""
    secret = own_cookie(request, SCHOOL_DEVICE_COOKIE)
    async with request.database.read(deadline_s=READ_S) as session:
        await learn_time_zone(session, request.app.clock)
    try:
        signed_in = await sign_in_by_pin(
            request.database,
            request.app.passwords,
            request.clock,
            secret=secret,
            person_id=form.person or 0,
            pin=form.pin,
            address=request.address,
            label=request.headers.get("user-agent", ""),
            replaces=own_cookie(request, SESSION_COOKIE),
        )
    except Forbidden as error:
        async with request.database.read(deadline_s=READ_S) as session:
            device = await known_device(session, secret)
            names = await names_here(session, device, request.clock) if device is not None else []
        if device is None:
            return refusal(request, "accounts/link_device.html", error)
        chosen = _chosen(names, form.person)
        return refusal(
            request, "accounts/sign_in_school.html", error, device=device, names=names, chosen=chosen
        )
    set_session(request, signed_in)
    return Redirect("/")


@routes.get("/link-device", Everyone(), work="none", **IN_PAGES)
async def link_device_page(request: Request) -> Html:
    """The form for a code that links this device to a school."""
    return render(request, "accounts/link_device.html")


@routes.post("/link-device", Everyone(), **SIGNING_IN, **IN_PAGES)
async def link_this_device(request: Request, *, form: LinkForm) -> Html | Redirect:
    """Links this device to the school of the code."""
    label = device_name(request.headers.get("user-agent", ""))
    try:
        linked = await link_device(
            request.database,
            request.clock,
            code=form.code,
            address=request.address,
            label=label,
            device_name=device_of(request),
        )
    except (Forbidden, Conflict) as error:
        return refusal(request, "accounts/link_device.html", error)
    set_cookie(request, SCHOOL_DEVICE_COOKIE, linked.secret, life_s=DEVICE_LIFE_S)
    return Redirect("/sign-in/school")


@routes.get("/schools/{id}/devices", May("read", "device"), **IN_PAGES)
async def devices_page(request: Request, *, path: ById, page: PageRequest) -> Html:
    """The devices that are linked to a school."""
    actor = actor_of(request)
    school = await read_school(request.session, actor, path.id)
    devices = await list_devices(request.session, actor, path.id, page)
    return render(request, "schools/devices.html", school=school, devices=devices, made=None, qr=None)


@routes.post("/schools/{id}/devices", May("link", "device"), rate=SIGN_IN, **IN_PAGES)
async def invite_device(request: Request, *, path: ById, form: NoFields) -> Html:
    """A code, as text and as QR, for linking one device to a school; shown this once."""
    actor, _ = actor_of(request), language_of(request).gettext
    made = await make_link_code(request.session, actor, path.id, request.clock)
    school = await read_school(request.session, actor, path.id)
    devices = await list_devices(request.session, actor, path.id, PageRequest())
    # The code stands behind the #, which browsers send to nobody: it is in no log and no history of ours.
    address = f"{origin_of(request)}/link-device#{quote(made.code)}"
    qr = qr_svg(address[:400], _("QR code that opens the page for linking"))
    return render_once(request, "schools/devices.html", school=school, devices=devices, made=made, qr=qr)


routes.answers(
    "list_school_devices",
    "GET /api/v1/schools/{id}/devices",
    list_devices,
    says="The devices that are linked to a school, newest first.",
)
routes.answers(
    "make_device_code",
    "POST /api/v1/schools/{id}/devices",
    make_link_code,
    may="link",
    rate=SIGN_IN,
    says="A code for linking one device to a school, good for a quarter of an hour, shown this once.",
)
routes.does(
    revoke_device,
    json=("revoke_one_device", "DELETE /api/v1/devices/{id}"),
    html=("post_revoke_device", "/devices/{id}/revoke"),
    may="revoke",
    gives=NoneType,
    then="/schools/{made}/devices",
    word=N_("The device is linked no longer."),
    says="Takes a device's link away; what PINs opened on it ends at once.",
)
