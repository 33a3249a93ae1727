"""A deed declared once, with two faces: JSON under /api/v1 for programs, and a page with its form for people.

Both faces do one action with one input struct under one policy. What the action answers is the JSON, and it is what the template is
given, so that a page shows nothing that programs can't read. A deed whose action asks for what nobody says does not start.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal, TypeAlias, TypedDict, get_args, get_type_hints

import msgspec

from flatwater.clock import Clock
from flatwater.contract import Created, Handler, Html, Redirect
from flatwater.paging import PageLimit, PageRequest
from flatwater.transaction import Session
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.permissions import Actor, May
from rightlevel.web.call import Ask, ById, ByUuid, Deletion, actor_of
from rightlevel.web.language import N_
from rightlevel.web.routes import Routes
from rightlevel.web.sent import NoFields, Reason, reason_of
from rightlevel.web.templating import done, language_of, render

Action: TypeAlias = Callable[..., Awaitable[Any]]
Given: TypeAlias = dict[str, Any]
Run: TypeAlias = Callable[[Ask, Given], Awaitable[Any]]
Beside: TypeAlias = Callable[[Ask, Any, Any], Awaitable[Given]]
"""What a page shows beside the thing, such as the choices of a list: given the thing (None where it is new) and what the address asks."""
Then: TypeAlias = str | Callable[[Ask, Given], Awaitable[str]]
"""Where a form leads: an address that may name `{made.…}` and `{path.…}`, or what is asked for one before the deed is done."""

SAVED: Final = N_("Saved.")
DELETED: Final = N_("Deleted. It can be brought back under “Deleted things”.")
NEEDED: Final = N_("Please fill this in")
BACK: Final = N_("It is back.")


class Tags(TypedDict):
    """Under which heading of the document a route stands."""

    tags: tuple[str, ...]


IN_PAGES: Final[Tags] = {"tags": ("pages",)}
IDS: Final[dict[Any, Any]] = {ById: int, ByUuid: str}
"""What an action takes for the id in such a path."""


class DeedBroken(Exception):
    """An action asks for something that its deed does not say, or for another type than it says."""


class Feature(Routes):
    """The deeds on one noun, and both faces of each. Addresses are relative to `api` and `page`.

    `noun` and `plural` name the operations; `noun` is also the name by which a template is given the thing (a list is `page`).
    `resource` is what the permission table is asked about, `folder` holds the templates, `path` is how a thing's id is written; `deeds`
    says which deeds are allowed to whom another one is (`{"create": "change"}`).
    """

    def __init__(
        self,
        noun: str,
        plural: str,
        *,
        resource: str,
        api: str,
        page: str,
        tag: str,
        folder: str,
        path: type[ById] | type[ByUuid] = ById,
        deeds: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(tag)
        self._path = path
        self._deeds = deeds or {}
        self._noun = noun
        self._plural = plural
        self._resource = resource
        self._api = api
        self._page = page
        self._folder = folder

    def lists(
        self, action: Action, asks: type[Any], template: str | None, *, rows: PageLimit | None = None
    ) -> None:
        """Rows: `GET api`, and with a template `GET page`. `asks` are programs' filters; the page shows what there is without one."""
        may, rows = self._may("read"), rows or PageLimit()
        gives = bound(action, {"query": asks, "page": PageRequest})
        face = Face(
            f"list_all_{self._plural}", action, {"query": asks, "page": PageRequest}, answer_of(action)
        )
        self.get(self._api, may, page=rows)(face.handler(gives))
        if template is None:
            return

        async def show(call: Ask, given: Given) -> Html:
            found = await gives(call, {"query": asks(), **given})
            return self._html(call, template, {"page": found})

        shown = Face(f"{self._plural}_page", action, {"page": PageRequest}, Html)
        self.get(self._page, may, page=rows, **IN_PAGES)(shown.handler(show))

    def reads(self, action: Action) -> None:
        """One thing: `GET api/{id}`."""
        face = Face(f"read_one_{self._noun}", action, {"path": self._path}, answer_of(action))
        self.get(self._api + "/{id}", self._may("read"))(face.handler(bound(action, {"path": self._path})))

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
        may = self._may("create")
        gives = bound(action, {"sent": new})
        made = answer_of(action)

        async def create(call: Ask, given: Given) -> Any:
            thing = await gives(call, {"sent": given["body"]})
            return Created(thing, f"{self._api}/{thing.id}")

        face = Face(f"create_one_{self._noun}", action, {"body": new}, Created[made])
        self.post(self._api, may)(face.handler(create))

        async def show(call: Ask, given: Given) -> Html:
            more = await _beside(beside, call, None, given.get("query"))
            return self._html(call, template, {self._noun: None, **more})

        page, asked = self._page + "/new", {"query": asks} if asks else {}
        shown = Face(
            f"new_{self._noun}_page",
            action,
            asked,
            Html,
            f"The form for a {self._called}.",
        )
        self.get(page, may, **IN_PAGES)(shown.handler(show))
        sent = Face(f"create_{self._noun}_here", action, {**asked, "form": new}, Redirect)
        self.post(page, may, **IN_PAGES)(sent.handler(_sends(gives, then, SAVED)))

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

        Fields in `none_if_blank` are choices, of which an empty text is none: left blank on the page, they are None. Those in
        `needed` may not be left blank there, though programs may leave them out. Whoever may do `seen_by`
        sees the page, on which the template shows a form only to whom it is for.
        """
        may = self._may("change")
        inputs = {"path": self._path}
        gives, reading = bound(action, {**inputs, "sent": change}), bound(read, inputs)

        async def change_it(call: Ask, given: Given) -> Any:
            return await gives(call, {"path": given["path"], "sent": given["body"]})

        face = Face(f"change_one_{self._noun}", action, {**inputs, "body": change}, answer_of(action))
        self.on(method, self._api + "/{id}", may)(face.handler(change_it))

        async def show(call: Ask, given: Given) -> Html:
            thing = await reading(call, given)
            return self._html(call, template, {self._noun: thing, **await _beside(beside, call, thing, None)})

        name = f"{self._noun}_page" if at == "/{id}" else f"edit_{self._noun}_page"

        async def change_here(call: Ask, given: Given) -> Any:
            empty = [each for each in needed if getattr(given["sent"], each) is None]
            if empty:
                raise Invalid(faults=tuple(Fault(each, NEEDED) for each in empty))
            left = {each: None for each in none_if_blank if getattr(given["sent"], each) == ""}
            return await gives(call, {**given, "sent": msgspec.structs.replace(given["sent"], **left)})

        shown = Face(name, read, inputs, Html, f"The form that changes a {self._called}.")
        self.get(self._page + at, self._may(seen_by), **IN_PAGES)(shown.handler(show))
        sent = Face(f"change_{self._noun}_here", action, {**inputs, "form": change}, Redirect)
        self.post(self._page + at, may, **IN_PAGES)(sent.handler(_sends(change_here, then, SAVED)))

    def deletes(self, action: Action, *, then: Then, word: str = DELETED) -> None:
        """Taking a thing away, restorably: `DELETE api/{id}`, and `POST page/{id}/delete`, where a reason is needed."""
        may = self._may("delete")
        of_programs = bound(action, {"path": self._path, "query": Deletion})
        of_people = bound(action, {"path": self._path, "sent": Reason})
        face = Face(f"delete_one_{self._noun}", action, {"path": self._path, "query": Deletion}, None)
        self.delete(self._api + "/{id}", may)(face.handler(of_programs))

        async def delete(call: Ask, given: Given) -> Any:
            reason = msgspec.structs.replace(given["sent"], reason=reason_of(given["sent"]))
            return await of_people(call, {**given, "sent": reason})

        sent = Face(f"delete_{self._noun}_here", action, {"path": self._path, "form": Reason}, Redirect)
        self.post(self._page + "/{id}/delete", may, **IN_PAGES)(sent.handler(_sends(delete, then, word)))

    def restores(self, action: Action, *, then: str = "") -> None:
        """Bringing a thing back: `POST api/{id}/restore`, and with `then` also `POST page/{id}/restore`."""
        may = self._may("restore")
        gives = bound(action, {"path": self._path})
        face = Face(f"restore_one_{self._noun}", action, {"path": self._path}, answer_of(action))
        self.post(self._api + "/{id}/restore", may)(face.handler(gives))
        if then:
            sent = Face(
                f"restore_{self._noun}_here", action, {"path": self._path, "form": NoFields}, Redirect
            )
            self.post(self._page + "/{id}/restore", may, **IN_PAGES)(sent.handler(_sends(gives, then, BACK)))

    def _may(self, deed: str) -> May:
        return May(self._deeds.get(deed, deed), self._resource)

    @property
    def _called(self) -> str:
        return self._resource.replace("_", " ")

    def _html(self, call: Ask, template: str, values: Given) -> Html:
        return render(call, f"{self._folder}/{template}", **values)


async def _beside(beside: Beside | None, call: Ask, thing: Any, query: Any) -> Given:
    return await beside(call, thing, query) if beside is not None else {}


def _sends(gives: Run, then: Then, word: str) -> Run:
    """A form's deed: done, and on to where it can be seen, with a word."""

    async def send(call: Ask, given: Given) -> Redirect:
        path = given.get("path")
        to = then if isinstance(then, str) else await then(call, given)
        made = await gives(call, {"path": path, "sent": given["form"]})
        return done(call, to.format(made=made, path=path), language_of(call).gettext(word))

    return send


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

        async def handle(call: Ask, **given: Any) -> Any:
            return await run(call, given)

        handle.__name__ = handle.__qualname__ = self.name
        # Of what an action says of itself, its errors and cost are for those who call it from Python.
        handle.__doc__ = self.summary or (inspect.getdoc(self.action) or "").partition(" *")[0]
        handle.__annotations__ = {"call": Ask, **self.inputs, "return": self.output}
        parameters = [
            inspect.Parameter("call", inspect.Parameter.POSITIONAL_ONLY),
            *(inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY) for each in self.inputs),
        ]
        # Whoever reads signatures and code (the contract, the document of refusals, the audit) finds this face's, and the action's.
        vars(handle).update(__signature__=inspect.Signature(parameters), __wrapped__=self.action)
        return handle


def bound(action: Action, inputs: dict[str, Any]) -> Run:
    """The action, called with what a request gives: session, actor, clock, the rows asked for, the thing's id, what was sent whole
    or by its fields' names. *Errors*: DeedBroken, when it is declared, for a parameter that nothing of it fits.
    """
    hints = get_type_hints(action)
    readers: dict[str, Callable[[Ask, Given], Any]] = {}
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

    async def run(call: Ask, given: Given) -> Any:
        placed = [readers[each](call, given) for each in by_place]
        return await action(*placed, **{each: readers[each](call, given) for each in by_name})

    return run


def _reader(name: str, kind: Any, inputs: dict[str, Any]) -> Callable[[Ask, Given], Any] | None:
    """How one parameter of an action is read off a request; None where nothing fits it."""
    fixed: dict[Any, Callable[[Ask, Given], Any]] = {
        Session: lambda call, _: call.session,
        Actor: lambda call, _: actor_of(call),
        Clock: lambda call, _: call.clock,
    }
    if kind in fixed:
        return fixed[kind]
    for source, given in inputs.items():
        if kind is given or given in get_args(kind):
            return lambda _, sent, source=source: sent[source]
    for source, given in inputs.items():
        types = {each.name: each.type for each in msgspec.structs.fields(given)} if source != "page" else {}
        if name not in types:
            continue
        if types[name] != kind:
            raise DeedBroken(f"{name} is {types[name]} in {given.__name__}, and {kind} where it goes")
        return lambda _, sent, source=source: getattr(sent[source], name)
    if name.endswith("_id") and "path" in inputs and kind is IDS.get(inputs["path"]):
        return lambda _, sent: sent["path"].id
    return None
