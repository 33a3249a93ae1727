"""People: find, make, change, switch off, remove and bring back; and what somebody above does about another's keys."""

from __future__ import annotations

import msgspec

from rightlevel.programme import accounts
from rightlevel.programme.permissions import May
from rightlevel.web.feature import Deeds, Filters
from rightlevel.web.language import N_, Language
from rightlevel.web.people import keys, pages
from rightlevel.web.request import Deletion
from rightlevel.web.sent import Reason


class Switch(msgspec.Struct, frozen=True):
    """On or off."""

    is_active: bool


class SwitchForm(msgspec.Struct, frozen=True):
    """On, where the box is ticked."""

    is_active: bool = False


def _switched(language: Language, person: accounts.Person) -> str:
    _ = language.gettext
    return _("The account is switched on.") if person.is_active else _("The account is switched off.")


routes = Deeds("people", "person")
routes.answers("list_persons", "GET /api/v1/people", accounts.list_people, Filters, says="People by name.")
routes.answers("read_one_person", "GET /api/v1/people/{id}", accounts.read_person, may=May("manage", "self"))
routes.does(
    accounts.change_person,
    accounts.PersonChange,
    json=("change_one_person", "PATCH /api/v1/people/{id}"),
    html=("post_change_person", "/people/{id}"),
    then="/people/{path.id}",
    none_if_blank=("role", "language"),
    says="Changes name, e-mail, language or role; a new role ends keys (with a higher one also the password, where somebody below gave it).",
)
routes.does(
    accounts.set_active,
    Switch,
    json=("switch_person", "POST /api/v1/people/{id}/active"),
    html=("post_switch_person", "/people/{id}/active"),
    form=SwitchForm,
    then="/people/{path.id}",
    word=_switched,
    says="Switches an account on or off; off ends all its sessions.",
)
routes.does(
    accounts.delete_person,
    Deletion,
    json=("delete_one_person", "DELETE /api/v1/people/{id}"),
    html=("post_delete_person", "/people/{id}/delete"),
    form=Reason,
    needed=("reason",),
    then="/people",
    word=N_("The account is deleted. It can be brought back."),
)
routes.does(
    accounts.restore_person,
    json=("restore_one_person", "POST /api/v1/people/{id}/restore"),
    html=("post_restore_person", "/people/{id}/restore"),
    may="restore",
    then="/people/{path.id}",
    word=N_("The account is back."),
)
for each in (keys.routes, pages.routes):
    routes.include(each)
