"""School years: which there are, and which one we are in."""

from __future__ import annotations

import msgspec

from flatwater.contract import Html, Redirect
from flatwater.paging import PageRequest
from rightlevel.programme.permissions import May
from rightlevel.programme.schools import (
    NewYear,
    SchoolYear,
    YearChange,
    change_year,
    create_year,
    delete_year,
    list_years,
    read_year,
)
from rightlevel.web.call import Ask, ById, actor_of
from rightlevel.web.pages.forms import Reason, Typed, reason_of
from rightlevel.web.routes import Routes
from rightlevel.web.templating import done, language_of, render

routes = Routes("pages")


class YearForm(msgspec.Struct, frozen=True):
    """What the form for a school year sends."""

    name: str = ""
    starts_on: str = ""
    ends_on: str = ""
    is_current: bool = False
    version: int = 0
    confirm: bool = False


def _form_of(year: SchoolYear) -> YearForm:
    return YearForm(
        year.name, year.starts_on.isoformat(), year.ends_on.isoformat(), year.is_current, year.version
    )


@routes.get("/years", May("read", "school_year"))
async def years_page(call: Ask, *, page: PageRequest) -> Html:
    """School years, newest first."""
    return render(call, "years/list.html", page=await list_years(call.session, actor_of(call), page))


@routes.get("/years/new", May("create", "school_year"))
async def new_year_page(call: Ask) -> Html:
    """The form for a school year."""
    return render(call, "years/form.html", year=None, form=YearForm())


@routes.post("/years/new", May("create", "school_year"))
async def create_year_here(call: Ask, *, form: YearForm) -> Redirect:
    """Adds a school year."""
    typed = Typed()
    new = NewYear(
        form.name, typed.day("starts_on", form.starts_on), typed.day("ends_on", form.ends_on), form.is_current
    )
    typed.check()
    await create_year(call.session, actor_of(call), new)
    _ = language_of(call).gettext
    return done(call, "/years", _("Saved."))


@routes.get("/years/{id}", May("change", "school_year"))
async def year_page(call: Ask, *, path: ById) -> Html:
    """The form that changes a school year."""
    year = await read_year(call.session, actor_of(call), path.id)
    return render(call, "years/form.html", year=year, form=_form_of(year))


@routes.post("/years/{id}", May("change", "school_year"))
async def change_year_here(call: Ask, *, path: ById, form: YearForm) -> Redirect:
    """Changes name, days, or which year we are in."""
    typed = Typed()
    starts_on, ends_on = typed.day("starts_on", form.starts_on), typed.day("ends_on", form.ends_on)
    change = YearChange(form.version, form.name, starts_on, ends_on, form.is_current, form.confirm)
    typed.check()
    await change_year(call.session, actor_of(call), path.id, change)
    _ = language_of(call).gettext
    return done(call, "/years", _("Saved."))


@routes.post("/years/{id}/delete", May("delete", "school_year"))
async def delete_year_here(call: Ask, *, path: ById, form: Reason) -> Redirect:
    """Takes a school year away, restorably, with a reason."""
    await delete_year(call.session, actor_of(call), path.id, reason=reason_of(form), clock=call.clock)
    _ = language_of(call).gettext
    return done(call, "/years", _("Deleted. It can be brought back under “Deleted things”."))
