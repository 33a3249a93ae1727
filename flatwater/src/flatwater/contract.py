"""The endpoint contract: what a route promises, declared where the route is.

One registry of contracts is read by the router, OpenAPI, the permission matrix, rate limits, deadlines, tests and the
audit. A route that leaves something out does not start: `Registry.verify` lists every gap at once.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence, Set
from hashlib import blake2b
from pathlib import Path
from types import UnionType
from typing import Any, Generic, Literal, Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from flatwater.clock import Clock
from flatwater.load_shedding import Priority
from flatwater.memory_budget import RequestBudget
from flatwater.paging import Page, PageLimit, PageRequest
from flatwater.pool import Database
from flatwater.rate_limit import Decision, RateClass
from flatwater.transaction import Session

Work = Literal["read", "snapshot", "write", "none"]
"""What the handler is given: a read-only session, one read-write transaction, or no session (it opens its own)."""

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
UNSAFE = METHODS - {"GET"}
MAX_DEADLINE_S = 300.0
DEFAULT_BUDGET = RequestBudget()
_PATH_PART = re.compile(r"[^{}]*|\{[a-z_][a-z0-9_]*\}")

ActorT = TypeVar("ActorT")
AppT = TypeVar("AppT")
MadeT = TypeVar("MadeT")


class ContractBroken(Exception):
    """Some routes are not fully declared, so the service does not start."""


class Who(Protocol):
    """Who may call: answers for an actor (None is a stranger) and tells it in words."""

    @property
    def description(self) -> str: ...

    @property
    def needs_actor(self) -> bool: ...

    def allows(self, actor: Any) -> bool: ...


class Upload(msgspec.Struct, frozen=True):
    """A file that was sent, already on disk and within its ceiling; deleted when the answer is sent."""

    filename: str
    path: Path
    size_bytes: int
    digest: str = ""
    """Of its content, made while it was kept."""


class Sent(msgspec.Struct):
    """The body of one request: its bytes, or its form fields and file."""

    content: bytes = b""
    fields: dict[str, list[str]] = {}
    upload: Upload | None = None
    give_back: Callable[[], None] | None = None

    def discard(self) -> None:
        """Deletes the uploaded file, if one came and nobody took it over, and gives its room back."""
        if self.upload is not None:
            self.upload.path.unlink(missing_ok=True)
        if self.give_back is not None:
            self.give_back()

    def digest(self, *, without: Set[str] = frozenset()) -> str:
        """A mark of what was sent (of JSON, whatever the order and spacing of its fields), without these fields.

        *Shape*: 32 hex digits. *Cost*: JSON is read and written once; a file was marked while it was kept.
        """
        try:
            read = msgspec.json.decode(self.content)
            if isinstance(read, dict):
                read = {
                    name: value for name, value in cast("dict[str, Any]", read).items() if name not in without
                }
            said = msgspec.json.encode(read, order="deterministic")
        except (
            msgspec.DecodeError,
            RecursionError,
        ):  # whoever reads it into its type says what is wrong with it
            said = self.content
        fields = sorted((name, values) for name, values in self.fields.items() if name not in without)
        file = (self.upload.filename, self.upload.digest) if self.upload is not None else None
        return blake2b(said + msgspec.json.encode((fields, file)), digest_size=16).hexdigest()


class Html(msgspec.Struct, frozen=True):
    """A page; one that shows a secret once says so, and is kept by nothing."""

    text: str
    status: int = 200
    headers: dict[str, str] = {}
    is_shown_once: bool = False


class Redirect(msgspec.Struct, frozen=True):
    """Go and look there (303: with a GET)."""

    to: str
    status: int = 303
    headers: dict[str, str] = {}


class Raw(msgspec.Struct, frozen=True):
    """Bytes as they are."""

    content: bytes
    content_type: str
    status: int = 200
    headers: dict[str, str] = {}


class Streamed(msgspec.Struct, frozen=True):
    """Bytes that are made while they are sent; no database session is held meanwhile."""

    chunks: AsyncIterator[bytes]
    content_type: str
    headers: dict[str, str] = {}
    status: int = 200


class Created(msgspec.Struct, Generic[MadeT], frozen=True):
    """A 201 with the thing made and where it is. A handler says what it makes: `-> Created[Child]`."""

    content: MadeT
    location: str


class Accepted(msgspec.Struct, Generic[MadeT], frozen=True):
    """A 202 with what was begun and where it can be watched."""

    content: MadeT
    location: str


class Declined(msgspec.Struct, Generic[MadeT], frozen=True):
    """A problem that the handler answers with instead of raising it, so that what it did is committed; `content` is its document."""

    content: MadeT
    status: int


class Call(Generic[ActorT, AppT]):
    """What a handler is given beside its inputs."""

    __slots__ = (
        "_session",
        "actor",
        "address",
        "app",
        "clock",
        "cookies_to_set",
        "database",
        "decision",
        "endpoint",
        "headers",
        "is_https",
        "path",
        "query_string",
        "request_id",
        "sent",
        "state",
    )

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        app: AppT,
        database: Database,
        clock: Clock,
        headers: Mapping[str, str],
        path: str,
        query_string: str,
        address: str,
        request_id: str,
        is_https: bool = False,
    ) -> None:
        self.is_https = is_https
        self.endpoint = endpoint
        self.app = app
        self.database = database
        self.clock = clock
        self.headers = headers
        self.path = path
        self.query_string = query_string
        self.address = address
        self.request_id = request_id
        self.actor: ActorT | None = None
        self.sent = Sent()
        self.state: dict[str, Any] = {}
        self.cookies_to_set: list[str] = []
        self.decision: Decision | None = None
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The database session of this request. *Errors*: RuntimeError where the route declared work='none'."""
        if self._session is None:
            raise RuntimeError(f"{self.endpoint.name} declared work='none' and has no session")
        return self._session

    @session.setter
    def session(self, session: Session | None) -> None:
        self._session = session


Handler = Callable[..., Awaitable[Any]]


class SharedWork(msgspec.Struct, frozen=True):
    """What requests that arrive together do in one transaction (see `flatwater.group_commit`).

    `work` is given the session and for each request who asks and its item, none of which it may refuse by raising; it gives an outcome for each, in
    their order, and None for one that has to be done alone. It may be asked twice, as every write.
    """

    name: str
    work: Callable[[Session, Sequence[tuple[Any, Any]], Clock], Awaitable[Sequence[Any | None]]]


class Together(msgspec.Struct, frozen=True):
    """How a route's requests share a transaction with others that come at the same time. The handler does those that can't.

    `item` is given what the handler is, without a session, and gives what is to be done; None where only the handler can tell. `answer` makes
    of a request's item and outcome what the handler would return, once it is committed.
    """

    shared: SharedWork
    item: Callable[..., Any | None]
    answer: Callable[[Any, Any, Any], Any]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One route and everything it promises. Sizes in bytes, times in seconds."""

    name: str
    method: str
    path: str
    summary: str
    who: Who
    rate: RateClass
    deadline_s: float
    work: Work
    handler: Handler
    inputs: dict[str, Any]
    output: Any
    body_bytes: int = 0
    page: PageLimit | None = None
    tags: tuple[str, ...] = ()
    statuses: dict[int, str] = {}
    """What a status means here, in words; also statuses of an answer that no type tells (a page that comes with 422)."""
    media: tuple[str, ...] = ()
    """The media types of `Raw` and `Streamed` answers."""
    refusals: dict[str, int] = {}
    """Codes of the problems that the handler answers with, and their statuses; what it raises needs no saying."""
    priority: Priority = "normal"
    budget: RequestBudget = RequestBudget()
    together: Together | None = None

    @property
    def outputs(self) -> tuple[Any, ...]:
        """What the handler may return, each by itself."""
        return _alternatives(self.output) or (self.output,)

    @property
    def problem(self) -> Any:
        """The type of this route's problem documents, where they carry more than every problem does."""
        return next((get_args(each)[0] for each in self.outputs if get_origin(each) is Declined), None)

    @property
    def path_parameters(self) -> tuple[str, ...]:
        return tuple(part[1:-1] for part in self.path.split("/") if part.startswith("{"))

    def address_of(self, parameters: Mapping[str, str]) -> str:
        """The path with its parameters filled in: the same for every form in which an id can be written."""
        return "/".join(
            parameters[part[1:-1]] if part.startswith("{") else part for part in self.path.split("/")
        )

    @property
    def place(self) -> str:
        """The path with its parameters' names taken out: two endpoints with the same place answer the same addresses."""
        return "/".join("{}" if part.startswith("{") else part for part in self.path.split("/"))

    @property
    def takes_body(self) -> bool:
        return bool({"body", "form", "upload"} & self.inputs.keys())

    @property
    def is_page(self) -> bool:
        """Whether people look at it in a browser (it answers HTML)."""
        return self.output is Html or Html in get_args(self.output)

    @property
    def version_in(self) -> str | None:
        """Where a change says on which version it was made (`body` or `query`): there `If-Match` may say it instead."""
        if self.method not in UNSAFE or not self.is_for_programs:
            return None
        return next(
            (each for each in ("body", "query") if "version" in _fields_of(self.inputs.get(each))), None
        )

    @property
    def is_for_programs(self) -> bool:
        """Whether what it answers is data: neither a page nor the way to one."""
        return not self.is_page and Redirect not in self.outputs

    def gaps(self) -> Iterator[str]:
        """What this contract leaves out or contradicts, in words."""
        if self.method not in METHODS:
            yield f"method {self.method!r} is none of {sorted(METHODS)}"
        if self.work not in get_args(Work):
            yield f"work {self.work!r} is none of {sorted(get_args(Work))}"
        yield from self._path_gaps()
        if not self.summary:
            yield "no summary (the handler's docstring)"
        if not 0 < self.deadline_s <= MAX_DEADLINE_S:
            yield f"deadline_s is not within 0 and {MAX_DEADLINE_S:.0f}"
        if self.output is inspect.Signature.empty:
            yield "no output type (the handler's return annotation)"
        for name, kind in self.inputs.items():
            if kind is inspect.Parameter.empty:
                yield f"input {name!r} has no type"
            if name not in INPUT_NAMES:
                yield f"input {name!r} is none of {sorted(INPUT_NAMES)}"
        yield from self._body_gaps()
        yield from self._page_gaps()
        yield from self._answer_gaps()
        if self.method == "GET" and self.work == "write":
            yield "a GET never writes"
        if self.together is not None and self.work != "write":
            yield "shares a transaction but has none"

    def _path_gaps(self) -> Iterator[str]:
        if not self.path.startswith("/"):
            yield "the path does not start with /"
        if not all(_PATH_PART.fullmatch(part) for part in self.path.split("/")):
            yield "a path parameter is a whole part of the path, like {id}"
        named = self.path_parameters
        if len(set(named)) != len(named):
            yield "a path parameter is there twice"
        if named and "path" not in self.inputs:
            yield "has path parameters but takes no `path`"
        elif named and (missing := _fields_of(self.inputs["path"]) ^ set(named)):
            yield f"the path's parameters are not the fields of its type: {', '.join(sorted(missing))}"
        elif "path" in self.inputs and not named:
            yield "takes `path` but has no path parameters"

    def _body_gaps(self) -> Iterator[str]:
        if self.takes_body and self.body_bytes <= 0:
            yield "takes a body but declares no body_bytes"
        if self.takes_body and self.method == "GET":
            yield "a GET takes no body"
        if "body" in self.inputs and {"form", "upload"} & self.inputs.keys():
            yield "a body is JSON or a form, not both"

    def _page_gaps(self) -> Iterator[str]:
        kinds = {get_origin(each) or each for each in (self.output, *_alternatives(self.output))}
        if kinds & {Page, list} and self.page is None:
            yield "gives many rows but declares no page"
        if (self.page is not None) != ("page" in self.inputs):
            yield "declares a page and takes `page`: both or neither"
        if "page" in self.inputs and (taken := _fields_of(self.inputs.get("query")) & {"limit", "after"}):
            yield f"{', '.join(sorted(taken))} belong to the page, not to the query"

    def _answer_gaps(self) -> Iterator[str]:
        for bare in (Created, Accepted, Declined):
            if bare in self.outputs:
                yield f"does not say what it makes: {bare.__name__}[...]"
        gives_bytes = bool({Raw, Streamed} & set(self.outputs))
        if gives_bytes and not self.media:
            yield "gives bytes but declares no media"
        if (self.problem is not None) != bool(self.refusals):
            yield "declines and declares refusals: both or neither"
        if self.media and not gives_bytes:
            yield "declares media but gives no bytes"


INPUT_NAMES = frozenset({"path", "query", "body", "form", "upload", "page"})


def _fields_of(kind: Any) -> set[str]:
    """The names that a struct's fields have on the wire; none for anything else."""
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return set()
    return set(kind.__struct_encode_fields__)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else ()


class Registry:
    """The routes of a service, in the order in which they were declared."""

    def __init__(self) -> None:
        self._endpoints: dict[str, Endpoint] = {}
        self._places: dict[str, list[Endpoint]] = {}
        self._faults: list[str] = []

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints.values())

    def __len__(self) -> int:
        return len(self._endpoints)

    def __getitem__(self, name: str) -> Endpoint:
        return self._endpoints[name]

    def endpoint(
        self,
        method: str,
        path: str,
        *,
        who: Who,
        rate: RateClass,
        deadline_s: float,
        work: Work,
        body_bytes: int = 0,
        page: PageLimit | None = None,
        tags: tuple[str, ...] = (),
        name: str | None = None,
        statuses: dict[int, str] | None = None,
        media: tuple[str, ...] = (),
        refusals: dict[str, int] | None = None,
        priority: Priority | None = None,
        budget: RequestBudget | None = None,
        together: Together | None = None,
    ) -> Callable[[Handler], Handler]:
        """Declares a route over the handler; input and output types are the handler's own annotations.

        What people save is shed last unless `priority` says otherwise ("never" is for health, metrics and signing in); `budget` bounds rows, answer and memory.
        The handler takes the call, then any of `path`, `query`, `body`, `form`, `upload` and `page` by name.
        """

        def declare(handler: Handler) -> Handler:
            hints = get_type_hints(handler, include_extras=True)
            parameters = list(inspect.signature(handler).parameters)[1:]
            endpoint = Endpoint(
                name=name or handler.__name__,
                method=method,
                path=path,
                summary=(inspect.getdoc(handler) or "").split("\n")[0],
                who=who,
                rate=rate,
                deadline_s=deadline_s,
                work=work,
                handler=handler,
                inputs={each: hints.get(each, inspect.Parameter.empty) for each in parameters},
                output=hints.get("return", inspect.Signature.empty),
                body_bytes=body_bytes,
                page=page,
                tags=tags,
                statuses=statuses or {},
                media=media,
                refusals=refusals or {},
                priority=priority or ("last" if work == "write" else "normal"),
                budget=budget or DEFAULT_BUDGET,
                together=together,
            )
            self._faults += [f"{endpoint.name} ({method} {path}): {gap}" for gap in endpoint.gaps()]
            self._add(endpoint)
            return handler

        return declare

    def _add(self, endpoint: Endpoint) -> None:
        if endpoint.name in self._endpoints:
            self._faults.append(f"{endpoint.name} is declared twice")
        there = self._places.setdefault(endpoint.place, [])
        for each in there:
            if each.method == endpoint.method:
                self._faults.append(f"{endpoint.method} {endpoint.path} is declared twice")
            elif each.path != endpoint.path:
                self._faults.append(f"{each.path} and {endpoint.path} name the same part differently")
        there.append(endpoint)
        self._endpoints[endpoint.name] = endpoint

    def include(self, other: Registry) -> None:
        """Takes over every route of another registry, gaps included."""
        self._faults += other._faults
        for endpoint in other:
            self._add(endpoint)

    def verify(self) -> None:
        """Passes when every route is whole. *Errors*: ContractBroken, naming every gap of every route."""
        if self._faults:
            raise ContractBroken("\n".join(["Some routes are not fully declared:", *self._faults]))


class Everyone:
    """Anybody, signed in or not."""

    description = "everyone"
    needs_actor = False

    def allows(self, actor: Any) -> bool:
        return True


class SignedIn:
    """Anybody with an account in use."""

    description = "everyone signed in"
    needs_actor = True

    def allows(self, actor: Any) -> bool:
        return actor is not None


# `page: PageRequest` is injected; naming the type here keeps handlers' annotations honest for the type checker.
__all__ = [
    "Accepted",
    "Call",
    "ContractBroken",
    "Created",
    "Declined",
    "Endpoint",
    "Everyone",
    "Html",
    "PageRequest",
    "Raw",
    "Redirect",
    "Registry",
    "SharedWork",
    "SignedIn",
    "Streamed",
    "Together",
    "Upload",
    "Who",
]
