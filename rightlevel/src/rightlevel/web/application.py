"""What RightLevel brings to its contracts: who is calling, guarded cookies, repeated writes, and errors in the reader's language."""

from __future__ import annotations

import hmac
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import msgspec
from starlette.types import Scope

from flatwater.answers import Answer, problem, problem_for
from flatwater.asgi import NotAllowed, NotSignedIn, WebApplication
from flatwater.contract import UNSAFE, Call, Endpoint
from flatwater.errors import Refused, TooMany
from flatwater.forwarded import LOCAL, Headers, Origin, network_of
from flatwater.inputs import InputInvalid, SentTwice, UnknownField
from flatwater.paging import BadCursor
from flatwater.rate_limit import MemoryRateLimiter, RateClass
from flatwater.transaction import ConstraintViolated, Session, ValueRefused
from rightlevel.assembly import Platform
from rightlevel.programme.accounts import (
    Holding,
    Scopes,
    actor_by_session,
    actor_by_token,
    actors_together,
)
from rightlevel.programme.audit import write_audit
from rightlevel.programme.constraints import translated
from rightlevel.programme.errors import Conflict, Forbidden, Kind, NotFound, ProgrammeError, Stale
from rightlevel.programme.languages import learn_languages
from rightlevel.programme.permissions import Actor
from rightlevel.programme.receipts import Receipt, WriteIdReused, claim_write, keep_answer, read_receipt
from rightlevel.programme.scales import learn_scales
from rightlevel.web.language import LANGUAGE_COOKIE, Language, choose_language, languages_in
from rightlevel.web.request import Request, secret_fields

log = logging.getLogger("rightlevel.web")

SESSION_COOKIE = "rl_session"
DEVICE_COOKIE = "rl_device"
SCHOOL_DEVICE_COOKIE = "rl_school_device"
HELD_COOKIE = "rl_held"
FORM_PAGE = "form_page"
"""The field of every form that names the page it stands on."""
FORM_OWNER = "form_owner"
"""The field of every form that says, signed, for whom its page was made."""
OWN_FIELDS = frozenset({"csrf_token", "write_id", FORM_PAGE, FORM_OWNER})
"""The fields that every form carries for us."""
DEVICE_LIFE_S = 400 * 86_400
AUTHENTICATE_S = 5.0
STATUSES: dict[Kind, int] = {"not_found": 404, "forbidden": 403, "conflict": 409, "invalid": 422, "gone": 410}
REFUSED = 400
"""From here on a status says that nothing was done."""
PRECONDITION_FAILED = 412
"""What `stale` is answered with when the version came as `If-Match` (RFC 9110, 13.1.1)."""
MAX_KEPT_ANSWER_BYTES = 64 * 1024
MAX_KNOWN_TOKENS = 10_000
"""Some 2 MB. Who is forgotten is looked up once more."""
MAX_STRANGERS = 10_000
STRANGERS = RateClass("strangers", per_s=2, burst=100)
"""Tokens that are nobody's, from one device or address. Those of forty phones whose sessions ran out over night are fewer."""

SECURE_PREFIX = "__Host-"
"""Such a cookie a browser takes and sends over https only, for this host alone. *Source*: RFC 6265bis, 4.1.3."""
EVERYWHERE_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
"""On every answer that has no stricter or wider one by itself."""
HSTS = "max-age=31536000; includeSubDomains"
PAGE_HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
}
API_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}

ErrorPage = Callable[[Request, int, Exception], Awaitable[tuple[int, str]]]
"""The page a person sees for an error, in their language, and its status: the form they sent, as they sent it, wherever it can be."""


class CrossSite(Forbidden):
    """This form was not sent from our own page. Please go back, load the page again and send it once more."""

    code = "cross_site"


class DoneAlready(Conflict):
    """This was done already. What it gave was shown once, or was too long to be kept; make a new one if it was lost."""

    code = "done_already"


class AnsweredBefore(Exception):
    """This very write was answered before: ends the work at hand with that answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("answered before")
        self.answer = answer


class BadWriteId(ProgrammeError):
    """A write id is a UUID that the sender made for this one write."""

    kind = "invalid"
    code = "bad_write_id"


class RightLevelApplication(WebApplication[Actor, Platform]):
    """Authentication, receipts and error texts. `error_page` renders errors on pages."""

    own_names = OWN_FIELDS

    def __init__(self, error_page: ErrorPage) -> None:
        self._error_page = error_page
        self._known_tokens: OrderedDict[str, None] = OrderedDict()
        self._strangers = MemoryRateLimiter(max_identities=MAX_STRANGERS)

    def origin(self, app: Platform, peer: str, headers: Headers, scheme: str) -> Origin:
        """The client behind the proxies that the operator named."""
        return app.proxies.origin(peer, headers, scheme=scheme)

    def everywhere(self, app: Platform | None, scope: Scope) -> dict[str, str]:
        """What no answer goes without, also of static files and of addresses that lead nowhere."""
        if app is None:
            return EVERYWHERE_HEADERS
        client = scope.get("client")
        origin = app.proxies.origin(
            client[0] if client else LOCAL, scope["headers"], scheme=scope.get("scheme", "http")
        )
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if not _is_secure(app.settings.cookie_is_secure, host, is_https=origin.is_https):
            return EVERYWHERE_HEADERS
        return {**EVERYWHERE_HEADERS, "strict-transport-security": HSTS}

    def identity(self, request: Call[Actor, Platform]) -> str:
        """The person (by a session or token that was found to be somebody's), else the device, else the address: a school's shared
        address starves nobody, and a made-up token buys nothing.

        Where strangers may come in no session counts, for a made-up one would buy more attempts; a device's name only counts
        when it is one that we gave, on a sign-in that succeeded.
        """
        if request.endpoint.who.needs_actor:
            token = token_mark(request)
            if token in self._known_tokens:
                return f"p {token}"
        device = device_of(request)
        return f"d {device}" if device else f"a {network_of(request.address)}"

    def admit(self, request: Call[Actor, Platform]) -> None:
        """Refuses one more made-up token where too many were shown from there; who is known by now is not asked. *Errors*: TooMany."""
        if not request.endpoint.who.needs_actor:
            return
        token = token_mark(request)
        if token is None or token in self._known_tokens:
            return
        left = self._strangers.decide(STRANGERS, _stranger(request), 0)
        if left.remaining < 1:
            raise TooMany(retry_after_s=1 / STRANGERS.per_s)

    def _note(self, request: Call[Actor, Platform], actor: Actor | None) -> None:
        """Keeps in mind which tokens are somebody's, and counts those that are nobody's where they come from."""
        token = token_mark(request)
        if token is None:
            return
        if actor is None:
            self._known_tokens.pop(token, None)
            if request.endpoint.who.needs_actor:
                self._strangers.decide(STRANGERS, _stranger(request))
            return
        self._known_tokens[token] = None
        self._known_tokens.move_to_end(token)
        if len(self._known_tokens) > MAX_KNOWN_TOKENS:
            self._known_tokens.popitem(last=False)

    async def recognise(self, request: Call[Actor, Platform]) -> Actor | None:
        """The holder of the session or token in the request's head; whether a form of ours sent it is seen once the form is read."""
        if token_mark(request) is None:
            return None
        async with request.database.read(deadline_s=AUTHENTICATE_S) as session:
            actor = await read_actor(request, session, scopes=request.app.scopes)
        self._note(request, actor)
        return actor

    async def authenticate(self, request: Call[Actor, Platform]) -> Actor | None:
        """The actor of this request from its token or session; never from anything else that was sent."""
        bearer = bearer_of(request)
        cookie = None if bearer else own_cookie(request, SESSION_COOKIE)
        if bearer is None and cookie is None:
            if request.endpoint.method in UNSAFE:
                require_same_site(request)
            return None
        # What a write is judged by comes from the database, also where the handler opens its own transactions.
        scopes = None if request.endpoint.method in UNSAFE else request.app.scopes
        if request.endpoint.work == "none":
            async with request.database.read(deadline_s=AUTHENTICATE_S) as session:
                actor = await read_actor(request, session, scopes=scopes)
        else:
            actor = await read_actor(request, request.session, scopes=scopes)
        self._note(request, actor)
        return None if actor is None else _let_in(request, actor)

    async def authenticate_together(
        self, session: Session, calls: Sequence[Call[Actor, Platform]]
    ) -> list[Actor | None]:
        """The actors of requests that share a transaction; whoever may not do this, or whose form isn't ours, is looked at alone."""
        shown = [
            Holding(
                bearer_of(request) or own_cookie(request, SESSION_COOKIE) or "",
                is_session=bearer_of(request) is None,
                address=request.address,
            )
            for request in calls
        ]
        app = calls[0].app
        actors = await actors_together(session, shown, app.clock, idle_s=app.settings.session_idle_s)
        known = next((actor for actor in actors if actor is not None), None)
        if known is not None:
            await learn(session, app, known)
        for number, (request, actor) in enumerate(zip(calls, actors, strict=True)):
            if actor is None:
                continue
            try:
                actors[number] = _let_in(request, actor)
            except Forbidden:
                request.actor = actors[number] = None  # alone it is refused, told and written down
                continue
            self._note(request, actor)
        return actors

    def may_share(self, request: Call[Actor, Platform]) -> bool:
        """Only who was found to be somebody before shares a transaction, and only a write whose own id is all that it is known by."""
        has_receipt = "idempotency-key" in request.headers or bool(sent_write_id(request))
        return not has_receipt and token_mark(request) in self._known_tokens

    async def recall(self, request: Call[Actor, Platform]) -> Answer | None:
        return await claimed(request, request.session, request.actor)

    async def remember(self, request: Call[Actor, Platform], answer: Answer) -> None:
        await remember_in(request, request.session, request.actor, answer)

    async def recall_apart(self, request: Call[Actor, Platform]) -> Answer | None:
        write_id = write_id_of(request)
        if write_id is None or request.actor is None:
            return None
        person_id, operation = request.actor.person_id, operation_of(request)
        async with request.database.read(deadline_s=AUTHENTICATE_S) as session:
            receipt = await read_receipt(session, write_id, person_id, operation)
        return _answer_of(receipt)

    async def remember_apart(self, request: Call[Actor, Platform], answer: Answer) -> None:
        if request.actor is None or request.state.get(REMEMBERED) or write_id_of(request) is None:
            return
        actor = request.actor

        async def keep(session: Session) -> None:
            if await claimed(request, session, actor) is None:
                await remember_in(request, session, actor, answer)

        try:
            await request.database.run(keep, deadline_s=AUTHENTICATE_S)
        except (Refused, ProgrammeError) as error:
            # What was asked for is done; only a repetition will not know of it.
            log.error("the receipt of %s could not be kept: %s", request.endpoint.name, error)

    async def explain(self, error: Exception, request: Call[Actor, Platform]) -> Answer:
        """The answer for an error: a problem document for the API, a page for people. Denied attempts are audited."""
        if isinstance(error, AnsweredBefore):
            return error.answer
        if isinstance(error, ConstraintViolated):
            # Told like any other refusal; that no rule of ours had said it first is worth a line to whoever writes the next one.
            log.warning(
                "%s was refused by the database alone: %s",
                request.endpoint.name,
                error.constraint or error.column,
            )
            error = translated(error)
        if isinstance(error, Forbidden | NotAllowed):
            await self._audit_denied(error, request)
        if is_answered_with_pages(request.endpoint):
            return await self._explain_on_page(error, request)
        return self._problem(error, request)

    async def _explain_on_page(self, error: Exception, request: Request) -> Answer:
        is_half_in = request.actor is not None and bool(request.actor.pending)
        if is_half_in and isinstance(error, NotAllowed | Forbidden) and request.endpoint.method == "GET":
            return Answer(303, b"", "text/html", {"location": "/sign-in/step"})
        if isinstance(error, NotSignedIn) and request.endpoint.method == "GET":
            asked = address_of(request)
            to = "/sign-in" if asked == "/" else f"/sign-in?{urlencode({'next': asked})}"
            return Answer(303, b"", "text/html", {"location": to})
        known = self._problem(error, request)
        status, page = await self._error_page(request, known.status, error)
        return Answer(status, page.encode(), "text/html; charset=utf-8", known.headers)

    def _problem(self, error: Exception, request: Request) -> Answer:
        if isinstance(error, ProgrammeError):
            more: dict[str, Any] = {"values": error.values} if error.values else {}
            if error.faults:
                more["faults"] = [msgspec.to_builtins(fault) for fault in error.faults]
            status = STATUSES[error.kind]
            if isinstance(error, Stale) and "if-match" in request.headers and request.endpoint.version_in:
                status = PRECONDITION_FAILED
            return problem(status, error.code, language_of(request).error(error), **more)
        if isinstance(error, NotSignedIn):
            return problem(401, getattr(error, "code", "not_signed_in"), language_of(request).error(error))
        if isinstance(error, NotAllowed):
            return problem(403, "forbidden", language_of(request).error(error))
        if isinstance(error, Refused | InputInvalid | BadCursor | ValueRefused):
            # Which value is wrong and how is told to a program in the words of its types; a sentence for all of them would hide it.
            is_technical = isinstance(error, InputInvalid) and not isinstance(error, UnknownField | SentTwice)
            return problem_for(error, None if is_technical else language_of(request).error(error))
        log.error("unexpected error in %s (%s)", request.endpoint.name, request.request_id, exc_info=error)
        text = "Something went wrong on our side. It was written down under this id."
        return problem(500, "unexpected", text, id=request.request_id)

    async def _audit_denied(self, error: Exception, request: Request) -> None:
        actor = request.actor
        if actor is None:
            return

        async def write(session: Session) -> None:
            reason = getattr(error, "code", "forbidden")
            await write_audit(
                session,
                actor,
                request.endpoint.name,
                "route",
                request.path[:200],
                outcome="denied",
                reason=reason,
            )

        try:
            await request.database.run(write, deadline_s=AUTHENTICATE_S)
        except Refused as refused:
            # It is denied all the same; that nobody could write it down is no reason to say something else.
            log.error("a denied attempt at %s could not be written down: %s", request.endpoint.name, refused)

    def headers(self, request: Call[Actor, Platform]) -> dict[str, str]:
        return API_HEADERS if request.path.startswith("/api/") else PAGE_HEADERS


def language_of(request: Request) -> Language:
    """The language in which this caller reads."""
    own = request.actor.language if request.actor is not None else None
    accept = request.headers.get("accept-language", "")
    chosen = choose_language(
        own, cookie_of(request, LANGUAGE_COOKIE), accept, languages_in(request.app.languages)
    )
    is_own = request.actor is not None and request.actor.has_own_digits
    return chosen.in_own_digits() if is_own else chosen


def is_answered_with_pages(endpoint: Endpoint) -> bool:
    """Whether what goes wrong at this route is told to a person, in a page, or to a program, as a problem document."""
    is_for_programs = endpoint.path.startswith("/api/") or "service" in endpoint.tags
    return endpoint.is_page or not is_for_programs


async def read_actor(request: Request, session: Session, *, scopes: Scopes | None) -> Actor | None:
    """Who holds the session or token that was sent, or None. *Cost*: one statement, and past `scopes` one more on a miss; three more where
    languages were changed since this process's last request.
    """
    actor = await _actor_of(request, session, scopes=scopes)
    if actor is not None:
        await learn(session, request.app, actor)
    return actor


async def learn(session: Session, app: Platform, actor: Actor) -> None:
    """Takes what was changed of languages and scales since this process last asked, by the mark that came with the actor: whoever is let in by another
    way than `read_actor` needs it too. *Cost*: none while the mark stays, else some five statements.
    """
    await learn_languages(session, app.languages, mark=actor.language_mark)
    await learn_scales(session, app.scales, mark=actor.language_mark)


async def _actor_of(request: Request, session: Session, *, scopes: Scopes | None) -> Actor | None:
    bearer = bearer_of(request)
    if bearer is not None:
        return await actor_by_token(
            session, bearer, request.app.clock, address=request.address, scopes=scopes
        )
    return await actor_by_session(
        session,
        own_cookie(request, SESSION_COOKIE) or "",
        request.app.clock,
        address=request.address,
        idle_s=request.app.settings.session_idle_s,
        scopes=scopes,
    )


def _let_in(request: Request, actor: Actor) -> Actor | None:
    """Who asks, once what came with it is from our own page and within a token's reach. *Errors*: those of Forbidden."""
    if bearer_of(request) is not None:
        require_reach(request, actor)
        return actor
    if request.endpoint.method in UNSAFE:
        require_same_site(request)
        if not request.endpoint.who.needs_actor and not holds_csrf_token(request, actor):
            # A page of before signing in, in a second tab or gone back to: its form may do what a stranger's may, and no more.
            return None
        require_csrf_token(request, actor)
    if actor.session_id is not None:
        request.app.seen_sessions.note(actor.session_id)
    return actor


class KeptAnswer(msgspec.Struct, frozen=True):
    """What is kept of an answer for the same write coming again; `is_gone` where that it was done is all that is kept."""

    status: int
    content: str
    content_type: str
    location: str = ""
    is_gone: bool = False


REMEMBERED = "is_remembered"
SENDER_MARK = "sender_mark"
COOKIES = "cookies"
COOKIE_PREFIX = "cookie_prefix"


def operation_of(request: Request) -> str:
    """What a request asks for, as its receipt names it: the route, the address, and a mark of all that was sent.

    So an id under which something else comes is refused, and not told that what it asks for was done. Secrets are no part of the mark:
    a PIN would be found by trying all of them.
    """
    sent = request.sent.digest(without=OWN_FIELDS | secret_fields(request.endpoint))
    asked = f"{address_of(request)} {request.headers.get('if-match', '')} {sent}"
    return f"{request.endpoint.name} {request.path} {sha256(asked.encode()).hexdigest()[:32]}"


def _answer_of(receipt: Receipt | None) -> Answer | None:
    """*Errors*: DoneAlready where nothing is kept but that it was done."""
    if receipt is None or receipt.answer is None:
        return None
    kept = msgspec.convert(receipt.answer, KeptAnswer)
    if kept.is_gone:
        raise DoneAlready
    headers = {"location": kept.location} if kept.location else {}
    return Answer(kept.status, kept.content.encode(), kept.content_type, headers)


async def claimed(request: Request, session: Session, actor: Actor | None) -> Answer | None:
    """The answer that this very write was given before, or None once its id is this transaction's. *Errors*: DoneAlready, WriteIdReused."""
    write_id = write_id_of(request)
    if write_id is None or actor is None:
        return None
    return _answer_of(await claim_write(session, write_id, actor.person_id, operation_of(request)))


async def saved_before(request: Request, session: Session, write_id: str, operation: str) -> str | None:
    """Where a form of this person led that was saved under this id; None where it was not. *Cost*: one statement."""
    try:
        UUID(write_id)
        receipt = await read_receipt(
            session, write_id, request.actor.person_id if request.actor else 0, operation
        )
    except (ValueError, WriteIdReused):  # no id of ours, or another deed's: whoever sends it is told
        return None
    if receipt is None or receipt.answer is None:
        return None
    return msgspec.convert(receipt.answer, KeptAnswer).location or "/"


async def remember_in(request: Request, session: Session, actor: Actor | None, answer: Answer) -> None:
    """Keeps the answer (already without what is shown once) in this transaction, if the write has an id."""
    write_id = write_id_of(request)
    if write_id is None or actor is None:
        return
    if answer.status >= REFUSED:
        # Nothing was written: the same write is judged anew, for what stood in its way may be over (a lock, a round being sealed).
        return
    is_gone = answer.is_shown_once or len(answer.content) > MAX_KEPT_ANSWER_BYTES
    content = "" if is_gone else answer.content.decode()
    location = answer.headers.get("location", "")
    kept = KeptAnswer(answer.status, content, answer.content_type, location, is_gone)
    await keep_answer(session, write_id, msgspec.to_builtins(kept))
    request.state[REMEMBERED] = True


def token_mark(request: Request) -> str | None:
    """A mark of the session or token that was sent. The token itself is kept nowhere, also not in memory."""
    if SENDER_MARK not in request.state:
        token = bearer_of(request) or own_cookie(request, SESSION_COOKIE)
        request.state[SENDER_MARK] = sha256(token.encode()).hexdigest()[:32] if token else None
    return request.state[SENDER_MARK]


def _stranger(request: Request) -> str:
    return device_of(request) or network_of(request.address)


EXPECTED = (ProgrammeError, Refused, InputInvalid, BadCursor, NotSignedIn, NotAllowed, NotFound)
"""What may be raised without anybody being woken."""


def bearer_of(request: Request) -> str | None:
    """The API token that was sent, if any."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def cookie_of(request: Request, name: str) -> str | None:
    """A cookie's value, if it was sent; of two with one name the first. *Cost*: the header is read once a request."""
    cookies: dict[str, str] | None = request.state.get(COOKIES)
    if cookies is None:
        cookies = request.state[COOKIES] = {}
        for pair in request.headers.get("cookie", "").split(";"):
            key, _, value = pair.strip().partition("=")
            cookies.setdefault(key, value)
    return cookies.get(name) or None


def sent_field(request: Request, name: str) -> str:
    """A field of the form as it was sent, the last of that name; empty where it was not."""
    return request.sent.fields.get(name, [""])[-1]


def sent_write_id(request: Request) -> str:
    """The id that a form came with, as it was sent."""
    return sent_field(request, "write_id")


def form_owner(request: Request) -> int | None:
    """The person for whom the form that was sent was made, as its signed mark says; None where there is none of ours."""
    return request.app.form_owners.person(sent_field(request, FORM_OWNER))


def address_of(request: Request) -> str:
    """The address that was asked for, its query included."""
    return with_query_string(request.path, request.query_string)


def with_query_string(path: str, query: str) -> str:
    """An address of its two parts."""
    return path + (f"?{query}" if query else "")


def write_id_of(request: Request) -> str | None:
    """The id that the client made for this write: the Idempotency-Key header, or a form's `write_id` field."""
    given = request.headers.get("idempotency-key") or sent_write_id(request)
    if not given:
        return None
    try:
        return str(UUID(given.strip('"')))
    except ValueError as error:
        raise BadWriteId from error


def require_same_site(request: Request) -> None:
    """Passes when the browser says that our own page sent this. *Source*: OWASP CSRF cheat sheet, Fetch Metadata.

    Programs that are no browser send neither header; they can't be made to carry somebody's cookie either.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise CrossSite
    origin = request.headers.get("origin")
    if origin is not None:
        here = {
            request.headers.get("host", ""),
            *(urlsplit(each).netloc for each in request.app.settings.trusted_origins),
        }
        if urlsplit(origin).netloc not in here:
            raise CrossSite


def holds_csrf_token(request: Request, actor: Actor) -> bool:
    """Whether the session's own token came along, in the x-csrf-token header or a form's `csrf_token` field."""
    given = request.headers.get("x-csrf-token") or sent_field(request, "csrf_token")
    return hmac.compare_digest(given.encode(), actor.csrf_token.encode())


def require_csrf_token(request: Request, actor: Actor) -> None:
    """Passes when the session's own token came along. *Errors*: CrossSite."""
    if not holds_csrf_token(request, actor):
        raise CrossSite


class TokenReadsOnly(Forbidden):
    """This token may only read."""

    code = "token_reads_only"


def require_reach(request: Request, actor: Actor) -> None:
    """Passes when a token that only reads asks for nothing else, whatever the route. *Errors*: TokenReadsOnly, audited as theirs."""
    if actor.token is not None and not actor.token.may_write and request.endpoint.method in UNSAFE:
        request.actor = actor
        raise TokenReadsOnly


def is_secure(request: Request) -> bool:
    """Whether cookies of this request are for https only: where https is, and by default wherever the host is not this machine itself."""
    wanted = request.app.settings.cookie_is_secure
    return _is_secure(wanted, request.headers.get("host", ""), is_https=request.is_https)


def _is_secure(wanted: str, host: str, *, is_https: bool) -> bool:
    if wanted != "auto":
        return wanted == "true"
    return is_https or not _is_this_machine(host)


PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "via")


def is_on_this_machine(request: Request) -> bool:
    """Whether a program on this machine asks by itself: from a loopback address, under this machine's own name, passed on by no proxy."""
    if any(name in request.headers for name in PASSED_ON) or not _is_this_machine(
        request.headers.get("host", "")
    ):
        return False
    return request.address == LOCAL or _is_this_machine(
        request.address if ":" not in request.address else f"[{request.address}]"
    )


@lru_cache(maxsize=64)
def _is_this_machine(host: str) -> bool:
    """Whether a Host header names the machine on which the browser runs. *Source*: RFC 6761 for `localhost` and what is below it."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    name = name.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def own_cookie(request: Request, name: str) -> str | None:
    """One of our cookies as we gave it: over https only under the name that no other host and no plain connection can have set."""
    prefix = request.state.get(COOKIE_PREFIX)
    if prefix is None:
        prefix = request.state[COOKIE_PREFIX] = SECURE_PREFIX if is_secure(request) else ""
    return cookie_of(request, prefix + name)


def device_of(request: Request) -> str | None:
    """The name by which this device is known, if we gave it one."""
    return request.app.device_names.known(own_cookie(request, DEVICE_COOKIE))


def set_cookie(request: Request, name: str, value: str, *, life_s: float) -> None:
    """Gives the browser one of our cookies; a life of 0 takes it away."""
    prefix, secure = (SECURE_PREFIX, "; Secure") if is_secure(request) else ("", "")
    request.cookies_to_set.append(
        f"{prefix}{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={int(life_s)}{secure}"
    )
