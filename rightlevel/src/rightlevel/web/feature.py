"""A deed declared once, with two faces: JSON under /api/v1 for programs, and a page with its form for people.

Both faces do one action with one input struct under one policy. What the action answers is the JSON, and it is what the template is
given, so that a page shows nothing that programs can't read. A deed whose action asks for what nobody says does not start.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from types import NoneType, UnionType
from typing import (
    Any,
    Final,
    Literal,
    TypeAlias,
    TypedDict,
    Union,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from flatwater.clock import Clock
from flatwater.contract import Created, Handler, Html, Redirect
from flatwater.paging import PageLimit, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.permissions import Actor, May
from rightlevel.programme.time_zone import ProgrammeClock
from rightlevel.web.language import N_, Language
from rightlevel.web.request import ById, ByUuid, Deletion, Request, actor_of
from rightlevel.web.routes import Deviations, Routes
from rightlevel.web.sent import NEEDED, NoFields, Reason, reason_of
from rightlevel.web.templating import done, language_of, render

Action: TypeAlias = Callable[..., Awaitable[Any]]
Given: TypeAlias = dict[str, Any]
Run: TypeAlias = Callable[[Request, Given], Awaitable[Any]]
Beside: TypeAlias = Callable[[Request, Any, Any], Awaitable[Given]]
"""What a page shows beside the thing, such as the choices of a list: given the thing (None where it is new) and what the address asks."""
Then: TypeAlias = str | Callable[[Request, Given], Awaitable[str]]
"""Where a form leads: an address that may name `{made.…}`, `{path.…}` and `{sent.…}`, or what is asked for one before the deed is done."""
Word: TypeAlias = str | Callable[[Language, Any], str]
"""What is told when a deed is done: a text of the catalogue, which may name fields of what was made, or what makes one of it."""

SAVED: Final = N_("Saved.")
REMOVED: Final = N_("Deleted.")
DELETED: Final = N_("Deleted. It can be brought back under “Deleted things”.")
BACK: Final = N_("It is back.")
READING: Final = frozenset({"GET", "DELETE"})
"""Requests that carry what they ask in the address."""


class Tags(TypedDict):
    """Under which heading of the document a route stands."""

    tags: tuple[str, ...]


class Common(TypedDict):
    """What both faces of a deed have in common beside its action."""

    may: May
    path: type[Any] | None
    says: str


class Blanks(TypedDict):
    """Which fields of a form may not be left blank, and of which a blank is none (see `Deeds.sends`)."""

    needed: tuple[str, ...]
    none_if_blank: tuple[str, ...]


IN_PAGES: Final[Tags] = {"tags": ("pages",)}
PATHS: Final[dict[Any, Any]] = {int: ById, str: ByUuid}
"""The path with an id of such a type."""


class Filters:
    """Stands for what an action's own parameters say may be asked (see `filters_of`)."""


class DeedBroken(Exception):
    """An action asks for something that its deed does not say, or for another type than it says, or leaves out what is sent."""


class Deeds(Routes):
    """Routes whose deeds are actions, each declared once: for programs (`answers`), for people (`sends`), or for both (`does`).

    `resource` is what the permission table is asked about where a route names only the deed; `deeds` says which deeds are allowed to
    whom another one is (`{"create": "change"}`). Without a deed, GET reads, DELETE deletes and all else changes.

    What an action takes follows from its parameters (see `bound`): from `asks`, which is the query of a GET or DELETE and else the body
    (with `Filters`, what the action's own parameters say may be asked); from the path, whose `{id}` is as the action's first `…_id` has
    it, unless a struct for it is given; a page of rows where it takes one.
    """

    def __init__(self, tag: str, resource: str, *, deeds: Mapping[str, str] | None = None) -> None:
        super().__init__(tag)
        self._resource = resource
        self._deeds = deeds or {}

    def answers(
        self,
        name: str,
        route: str,
        action: Action,
        asks: type[Any] | None = None,
        *,
        may: May | str = "",
        path: type[Any] | None = None,
        gives: type[Any] | None = None,
        made: str = "",
        made_is: str = "",
        says: str = "",
        **deviations: Unpack[Deviations],
    ) -> None:
        """The face for programs: `route` is verb and address, the answer what the action gives (in the field of `gives`, with that; nothing,
        where that is `NoneType`).

        With `made` it is 201, and that is where the made thing is found; `made_is` says in a word what became of it.
        """
        method, address = route.split(" ")
        path = path or _path_of(address, action)
        asks = filters_of(action, path) if asks is Filters else asks
        takes, inputs = _inputs(action, asks, path)
        part = "query" if method in READING else "body"
        if asks is not None:
            inputs[part] = asks
            require_all_taken(action, asks)
        if "page" in takes and method == "GET":
            inputs["page"] = PageRequest
        run, output = bound(action, takes), None if gives is NoneType else gives or answer_of(action)

        async def answer(request: Request, given: Given) -> Any:
            thing = await run(request, {**given, "sent": given.get(part)})
            if gives is not None:
                return None if gives is NoneType else gives(thing)
            return Created(thing, made.format(made=thing)) if made else thing

        face = Face(name, action, inputs, Created[output] if made else output, says)
        if made_is:
            deviations["statuses"] = {HTTPStatus.CREATED: made_is}
        self.on(method, address, self._may(may, method), **deviations)(face.handler(answer))

    def sends(
        self,
        name: str,
        address: str,
        action: Action,
        asks: type[Any] = NoFields,
        *,
        then: Then,
        word: Word = SAVED,
        may: May | str = "",
        path: type[Any] | None = None,
        query: type[Any] | None = None,
        needed: tuple[str, ...] = (),
        none_if_blank: tuple[str, ...] = (),
        says: str = "",
        **deviations: Unpack[Deviations],
    ) -> None:
        """The face for people: a form that is posted to `address` does the action and leads on to `then`, where `word` is told.

        A form's struct that is not the action's own has a method `meant` that makes the one of it (given the path, where it asks for
        that). Fields that are `needed` may not be left blank, though programs may leave them out; those in `none_if_blank` are choices,
        of which an empty text is none.
        """
        meant = getattr(asks, "meant", None)
        sent = get_type_hints(meant)["return"] if meant else asks
        takes, inputs = _inputs(action, sent, path or _path_of(address, action))
        run = bound(action, takes)
        by_path = meant is not None and "path" in inspect.signature(meant).parameters
        asked = {"query": query} if query is not None else {}

        async def send(request: Request, given: Given) -> Redirect:
            form = _filled(given["form"], needed, none_if_blank)
            to = then if isinstance(then, str) else await then(request, given)
            whole = form.meant(given["path"]) if by_path else form.meant() if meant else form
            thing = await run(request, {**given, "sent": whole})
            text = _told(language_of(request), word, thing)
            return done(request, to.format(made=thing, path=given.get("path"), sent=form), text)

        face = Face(name, action, {**inputs, **asked, "form": asks}, Redirect, says)
        self.post(address, self._may(may, "POST"), **{"tags": IN_PAGES["tags"], **deviations})(
            face.handler(send)
        )

    def does(
        self,
        action: Action,
        asks: type[Any] | None = None,
        *,
        json: tuple[str, str],
        html: tuple[str, str],
        then: Then,
        word: Word = SAVED,
        may: May | str = "",
        path: type[Any] | None = None,
        html_path: type[Any] | None = None,
        form: type[Any] | None = None,
        gives: type[Any] | None = None,
        made: str = "",
        made_is: str = "",
        needed: tuple[str, ...] = (),
        none_if_blank: tuple[str, ...] = (),
        says: str = "",
        **deviations: Unpack[Deviations],
    ) -> None:
        """Both faces of a deed: `json` is its name and route for programs, `html` its name and address for people.

        `form` is what people send, where that is not what programs do, and `html_path` their path. Deviations hold for both.
        """
        name, route = json
        common: Common = {"may": self._may(may, route.split(" ")[0]), "path": path, "says": says}
        at_page: Common = {**common, "path": html_path or path}
        self.answers(
            name, route, action, asks, gives=gives, made=made, made_is=made_is, **common, **deviations
        )
        name, address = html
        sent: type[Any] = form or asks or NoFields
        blanks: Blanks = {"needed": needed, "none_if_blank": none_if_blank}
        self.sends(name, address, action, sent, then=then, word=word, **at_page, **blanks, **deviations)

    def _may(self, may: May | str, method: str) -> May:
        if isinstance(may, May):
            return may
        deed = may or {"GET": "read", "DELETE": "delete"}.get(method, "change")
        return May(self._deeds.get(deed, deed), self._resource)


class Feature(Deeds):
    """The deeds on one noun, and both faces of each, beside those of `Deeds`.

    `noun` and `plural` name the operations; `noun` is also the name by which a template is given the thing (a list is `page`). Where
    nothing else is told, its resource is the noun, and the plural its heading, its folder of templates and its address.
    """

    def __init__(
        self,
        noun: str,
        plural: str,
        *,
        resource: str = "",
        api: str = "",
        page: str = "",
        tag: str = "",
        folder: str = "",
        deeds: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(tag or plural, resource or noun, deeds=deeds)
        self._noun = noun
        self._plural = plural
        self._api = api or f"/api/v1/{plural}"
        self._page = page or f"/{plural}"
        self._folder = folder or plural

    def lists(
        self, action: Action, asks: type[Any], template: str | None = None, *, rows: PageLimit | None = None
    ) -> None:
        """Rows: `GET api`, and with a template `GET page`. `asks` are programs' filters; the page shows what there is without one."""
        rows = rows or PageLimit()
        self.answers(f"list_all_{self._plural}", f"GET {self._api}", action, asks, page=rows)
        if template is None:
            return
        asked = filters_of(action, None) if asks is Filters else asks
        gives = bound(action, {"sent": asked, "page": PageRequest})

        async def show(request: Request, given: Given) -> Html:
            return self._html(request, template, {"page": await gives(request, {"sent": asked(), **given})})

        shown = Face(f"{self._plural}_page", action, {"page": PageRequest}, Html)
        self.get(self._page, self._may("read", "GET"), page=rows, **IN_PAGES)(shown.handler(show))

    def reads(self, action: Action) -> None:
        """One thing: `GET api/{id}`."""
        self.answers(f"read_one_{self._noun}", f"GET {self._api}/{{id}}", action)

    def creates(
        self,
        action: Action,
        new: type[Any],
        template: str,
        *,
        then: Then,
        asks: type[Any] | None = None,
        beside: Beside | None = None,
    ) -> None:
        """A new thing: `POST api` (201), and its form at `page/new`, which may be asked for with a query."""
        self.makes(action, new)

        async def show(request: Request, given: Given) -> Html:
            more = await _beside(beside, request, None, given.get("query"))
            return self._html(request, template, {self._noun: None, **more})

        page, asked = self._page + "/new", {"query": asks} if asks else {}
        shown = Face(f"new_{self._noun}_page", action, asked, Html, f"The form for a {self._called}.")
        self.get(page, self._may("create", "POST"), **IN_PAGES)(shown.handler(show))
        self.sends(f"post_create_{self._noun}", page, action, new, then=then, may="create", query=asks)

    def makes(self, action: Action, new: type[Any], *, made_is: str = "", says: str = "") -> None:
        """A new thing, for programs alone: `POST api` (201)."""
        made = f"{self._api}/{{made.id}}"
        route = f"POST {self._api}"
        self.answers(
            f"create_one_{self._noun}",
            route,
            action,
            new,
            may="create",
            made=made,
            made_is=made_is,
            says=says,
        )

    def changes(
        self,
        action: Action,
        change: type[Any],
        template: str,
        *,
        read: Action,
        then: Then,
        at: str = "/{id}",
        method: Literal["PATCH", "PUT"] = "PATCH",
        beside: Beside | None = None,
        none_if_blank: tuple[str, ...] = (),
        needed: tuple[str, ...] = (),
        seen_by: str = "change",
    ) -> None:
        """A change: `PATCH api/{id}` (PUT, where the whole is put in its place), and its form at `page` + `at`, filled with what `read` gives.

        Of `none_if_blank` and `needed` see `sends`. Whoever may do `seen_by` sees the page, on which the template shows a form only to
        whom it is for.
        """
        self.answers(f"change_one_{self._noun}", f"{method} {self._api}/{{id}}", action, change)
        takes, inputs = _inputs(read, None, _path_of(self._page + at, read))
        reading = bound(read, takes)

        async def show(request: Request, given: Given) -> Html:
            thing = await reading(request, given)
            return self._html(
                request, template, {self._noun: thing, **await _beside(beside, request, thing, None)}
            )

        name = f"{self._noun}_page" if at == "/{id}" else f"edit_{self._noun}_page"
        shown = Face(name, read, inputs, Html, f"The form that changes a {self._called}.")
        self.get(self._page + at, self._may(seen_by, "GET"), **IN_PAGES)(shown.handler(show))
        self.sends(
            f"post_change_{self._noun}",
            self._page + at,
            action,
            change,
            then=then,
            needed=needed,
            none_if_blank=none_if_blank,
        )

    def deletes(self, action: Action, *, then: Then, word: Word = DELETED) -> None:
        """Taking a thing away, restorably: `DELETE api/{id}`, and `POST page/{id}/delete`, where a reason is needed."""
        self.does(
            action,
            Deletion,
            json=(f"delete_one_{self._noun}", f"DELETE {self._api}/{{id}}"),
            html=(f"post_delete_{self._noun}", f"{self._page}/{{id}}/delete"),
            form=Reason,
            needed=("reason",),
            then=then,
            word=word,
        )

    def restores(self, action: Action, *, then: str = "", word: Word = BACK) -> None:
        """Bringing a thing back: `POST api/{id}/restore`, and with `then` also `POST page/{id}/restore`."""
        name, address = f"restore_one_{self._noun}", f"{self._api}/{{id}}/restore"
        self.answers(name, f"POST {address}", action, may="restore")
        if then:
            name, address = f"post_restore_{self._noun}", f"{self._page}/{{id}}/restore"
            self.sends(name, address, action, may="restore", then=then, word=word)

    @property
    def _called(self) -> str:
        return self._resource.replace("_", " ")

    def _html(self, request: Request, template: str, values: Given) -> Html:
        return render(request, f"{self._folder}/{template}", **values)


def _path_of(address: str, action: Action) -> type[Any] | None:
    """The path of an address with an id in it, as the action's first id is. *Errors*: DeedBroken where it has none that must be there."""
    if "{" not in address:
        return None
    hints = get_type_hints(action)
    ids = [hints.get(each) for each in inspect.signature(action).parameters if each.endswith("_id")]
    for each in ids:
        if each in PATHS:
            return PATHS[each]
    raise DeedBroken(f"nothing says how the id in {address} is written")


def _inputs(action: Action, asks: type[Any] | None, path: type[Any] | None) -> tuple[Given, Given]:
    """What the action may take, and of that what stands in the path."""
    inputs: Given = {} if path is None else {"path": path}
    takes = inputs | ({} if asks is None else {"sent": asks})
    has_rows = PageRequest in get_type_hints(action).values()
    return takes | ({"page": PageRequest} if has_rows else {}), inputs


def filters_of(action: Action, path: type[Any] | None) -> type[msgspec.Struct]:
    """What may be asked of an action beside what the path says: its own parameters, as they are typed and with their defaults.

    All of them: an action with a parameter that is not for everybody is given a struct of its own.
    """
    hints = get_type_hints(action)
    own = {"path": path} if path is not None else {}
    fields = [
        (name, hints[name]) if each.default is each.empty else (name, hints[name], each.default)
        for name, each in inspect.signature(action).parameters.items()
        if hints[name] is not PageRequest and _reader(name, hints[name], own) is None
    ]
    return msgspec.defstruct(f"{action.__name__}_filters", fields, frozen=True, kw_only=True)


async def _beside(beside: Beside | None, request: Request, thing: Any, query: Any) -> Given:
    return await beside(request, thing, query) if beside is not None else {}


def _filled(form: Any, needed: tuple[str, ...], none_if_blank: tuple[str, ...]) -> Any:
    """A form with what it needs. *Errors*: Invalid, naming every field that was left blank."""
    if "reason" in needed:
        form = msgspec.structs.replace(form, reason=reason_of(form))
    blank = [each for each in needed if not _text(getattr(form, each))]
    if blank:
        raise Invalid(faults=tuple(Fault(each, NEEDED) for each in blank))
    none = {each: None for each in none_if_blank if getattr(form, each) == ""}
    return msgspec.structs.replace(form, **none) if none else form


def _text(value: Any) -> str:
    return "" if value in (None, msgspec.UNSET, (), []) else str(value).strip()


def _told(language: Language, word: Word, thing: Any) -> str:
    if not isinstance(word, str):
        return word(language, thing)
    return language.gettext(word, **msgspec.structs.asdict(thing)) if "{" in word else language.gettext(word)


def answer_of(action: Action) -> Any:
    """The type that an action answers with."""
    return get_type_hints(action)["return"]


class Face(msgspec.Struct, frozen=True):
    """One face of a deed: how the operation is called, what it takes and what it answers with."""

    name: str
    action: Action
    inputs: dict[str, Any]
    output: Any
    summary: str = ""
    """What it does; what the action says of itself, unless it is told."""

    def handler(self, run: Run) -> Handler:
        """The handler, as a contract reads it: its name, summary, inputs and output; its code is the action's."""

        async def handle(request: Request, **given: Any) -> Any:
            return await run(request, given)

        handle.__name__ = handle.__qualname__ = self.name
        # Of what an action says of itself, its errors and cost are for those who call it from Python.
        handle.__doc__ = self.summary or (inspect.getdoc(self.action) or "").partition(" *")[0]
        handle.__annotations__ = {"request": Request, **self.inputs, "return": self.output}
        parameters = [
            inspect.Parameter("request", inspect.Parameter.POSITIONAL_ONLY),
            *(inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY) for each in self.inputs),
        ]
        # Whoever reads signatures and code (the contract, the document of refusals, the audit) finds this face's, and the action's.
        vars(handle).update(__signature__=inspect.Signature(parameters), __wrapped__=self.action)
        return handle


def require_all_taken(action: Action, asks: type[Any]) -> None:
    """Passes when an action takes what is sent whole, or each of its fields. *Errors*: DeedBroken for a field that nobody would read."""
    hints = get_type_hints(action)
    names = inspect.signature(action).parameters
    if any(hints.get(each) is asks or asks in get_args(hints.get(each)) for each in names):
        return
    left = [each.name for each in msgspec.structs.fields(asks) if each.name not in names]
    if left:
        raise DeedBroken(f"{action.__name__} takes no {', '.join(left)} of {asks.__name__}")


def bound(action: Action, inputs: dict[str, Any]) -> Run:
    """The action, called with what a request gives: session, actor, clock, the rows asked for, the thing's id, what was sent whole
    or by its fields' names. *Errors*: DeedBroken, when it is declared, for a parameter that nothing of it fits.
    """
    hints = get_type_hints(action)
    readers: dict[str, Callable[[Request, Given], Any]] = {}
    parameters = inspect.signature(action).parameters.values()
    for parameter in parameters:
        kind = hints.get(parameter.name)
        read = _reader(parameter.name, kind, inputs)
        if read is not None:
            readers[parameter.name] = read
        elif parameter.default is inspect.Parameter.empty:
            raise DeedBroken(f"{action.__name__} asks for {parameter.name}: {kind}, and nothing says it")
    by_place = [each.name for each in parameters if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    by_place = [each for each in by_place if each in readers]
    by_name = [each for each in readers if each not in by_place]

    async def run(request: Request, given: Given) -> Any:
        placed = [readers[each](request, given) for each in by_place]
        return await action(*placed, **{each: readers[each](request, given) for each in by_name})

    return run


def _reader(name: str, kind: Any, inputs: dict[str, Any]) -> Callable[[Request, Given], Any] | None:
    """How one parameter of an action is read off a request; None where nothing fits it."""
    fixed: dict[Any, Callable[[Request, Given], Any]] = {
        Session: lambda request, _: request.session,
        Actor: lambda request, _: actor_of(request),
        Clock: lambda request, _: request.clock,
        ProgrammeClock: lambda request, _: request.app.clock,
    }
    for each in (kind, *get_args(kind)):  # an actor who may be nobody is nobody on the command line alone
        if each in fixed:
            return fixed[each]
    for source, given in inputs.items():
        if kind is given or given in get_args(kind):
            return lambda _, sent, source=source: sent[source]
    for source, given in inputs.items():
        types = {each.name: each.type for each in msgspec.structs.fields(given)} if source != "page" else {}
        if name not in types:
            continue
        if not _fits(types[name], kind):
            raise DeedBroken(f"{name} is {types[name]} in {given.__name__}, and {kind} where it goes")
        return lambda _, sent, source=source: getattr(sent[source], name)
    if name == "at" and kind is datetime:
        return lambda request, _: request.clock.now()
    in_path = (
        {each.name: each.type for each in msgspec.structs.fields(inputs["path"])} if "path" in inputs else {}
    )
    if name.endswith("_id") and kind is in_path.get("id"):
        return lambda _, sent: sent["path"].id
    return None


def _fits(sent: Any, wanted: Any) -> bool:
    """Whether what is sent may go where that is wanted: the same type, one of several, or a list for a sequence of the same."""
    if sent == wanted:
        return True
    if get_origin(wanted) in (Union, UnionType):
        return any(_fits(sent, each) for each in get_args(wanted))
    is_rows = (get_origin(sent), get_origin(wanted)) in ((list, Sequence), (tuple, Sequence))
    return is_rows and get_args(sent)[:1] == get_args(wanted)
