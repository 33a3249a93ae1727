"""School years: which there are, and which one we are in."""

from __future__ import annotations

from rightlevel.programme.schools import (
    NewYear,
    YearChange,
    change_year,
    create_year,
    delete_year,
    list_years,
    read_year,
    restore_year,
)
from rightlevel.web.feature import Feature, Filters

routes = Feature("year", "years", resource="school_year", api="/api/v1/school-years", tag="school years")
routes.lists(list_years, Filters, "list.html")
routes.reads(read_year)
routes.creates(create_year, NewYear, "form.html", then="/years")
routes.changes(
    change_year, YearChange, "form.html", read=read_year, then="/years", needed=("starts_on", "ends_on")
)
routes.deletes(delete_year, then="/years")
routes.restores(restore_year)
