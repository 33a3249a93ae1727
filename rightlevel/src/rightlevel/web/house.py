"""What RightLevel brings to its contracts: who is calling, guarded cookies, repeated writes, and errors in the reader's language."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import msgspec

from flatwater.answers import Answer, problem, problem_for
from flatwater.asgi import House, NotAllowed, NotSignedIn
from flatwater.contract import UNSAFE, Call, Endpoint
from flatwater.errors import Refused
from flatwater.inputs import InputInvalid, SentTwice, UnknownField
from flatwater.paging import BadCursor
from flatwater.transaction import ConstraintViolated, Session, ValueRefused
from rightlevel.assembly import Platform
from rightlevel.programme.accounts import Scopes, actor_by_session, actor_by_token
from rightlevel.programme.audit import write_audit
from rightlevel.programme.constraints import translated
from rightlevel.programme.errors import Forbidden, Kind, NotFound, ProgrammeError, Stale
from rightlevel.programme.permissions import Actor
from rightlevel.programme.receipts import claim_write, keep_answer
from rightlevel.web.call import Ask
from rightlevel.web.language import LANGUAGE_COOKIE, Language, choose_language

log = logging.getLogger("rightlevel.web")

SESSION_COOKIE = "rl_session"
DEVICE_COOKIE = "rl_device"
SCHOOL_DEVICE_COOKIE = "rl_school_device"
HELD_COOKIE = "rl_held"
FORM_PAGE = "form_page"
"""The field of every form that names the page it stands on."""
FORM_OWNER = "form_owner"
"""The field of every form that says, signed, for whom its page was made."""
DEVICE_LIFE_S = 400 * 86_400
AUTHENTICATE_S = 5.0
STATUSES: dict[Kind, int] = {"not_found": 404, "forbidden": 403, "conflict": 409, "invalid": 422, "gone": 410}
REFUSED = 400
"""From here on a status says that nothing was done."""
PRECONDITION_FAILED = 412
"""What `stale` is answered with when the version came as `If-Match` (RFC 9110, 13.1.1)."""
MAX_KEPT_ANSWER_BYTES = 64 * 1024

PAGE_HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
}
API_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}

ErrorPage = Callable[[Ask, int, Exception], Awaitable[tuple[int, str]]]
"""The page a person sees for an error, in their language, and its status: the form they sent, as they sent it, wherever it can be."""


class CrossSite(Forbidden):
    """This form was not sent from our own page. Please go back, load the page again and send it once more."""

    code = "cross_site"


class BadWriteId(ProgrammeError):
    """A write id is a UUID that the sender made for this one write."""

    kind = "invalid"
    code = "bad_write_id"


class RightLevelHouse(House[Actor, Platform]):
    """Authentication, receipts and error texts. `error_page` renders errors on pages."""

    own_names = frozenset({"csrf_token", "write_id"})

    def __init__(self, error_page: ErrorPage) -> None:
        self._error_page = error_page

    def identity(self, call: Call[Actor, Platform]) -> str:
        """The person (by their session or token), else the device, else the address: a school's shared address starves nobody.

        Where strangers may come in no session counts, for a made-up one would buy more attempts; a device's name only counts
        when it is one that we gave, on a sign-in that succeeded.
        """
        if call.endpoint.who.needs_actor:
            token = bearer_of(call) or cookie_of(call, SESSION_COOKIE)
            if token:
                # A rate may be kept in a table: the token itself never is.
                return "p " + sha256(token.encode()).hexdigest()[:32]
        device = call.app.device_names.known(cookie_of(call, DEVICE_COOKIE))
        return f"d {device}" if device else f"a {call.address}"

    async def authenticate(self, call: Call[Actor, Platform]) -> Actor | None:
        """The actor of this request from its token or session; never from anything else that was sent."""
        bearer = bearer_of(call)
        cookie = None if bearer else cookie_of(call, SESSION_COOKIE)
        if bearer is None and cookie is None:
            if call.endpoint.method in UNSAFE:
                require_same_site(call)
            return None
        # What a write is judged by comes from the database, also where the handler opens its own transactions.
        scopes = None if call.endpoint.method in UNSAFE else call.app.scopes
        if call.endpoint.work == "none":
            async with call.database.read(deadline_s=AUTHENTICATE_S) as session:
                actor = await read_actor(call, session, scopes=scopes)
        else:
            actor = await read_actor(call, call.session, scopes=scopes)
        if actor is not None and cookie is not None:
            if call.endpoint.method in UNSAFE:
                require_same_site(call)
                require_csrf_token(call, actor)
            if actor.session_id is not None:
                call.app.seen_sessions.note(actor.session_id)
        if actor is not None and bearer is not None:
            require_reach(call, actor)
        return actor

    async def recall(self, call: Call[Actor, Platform]) -> Answer | None:
        write_id = write_id_of(call)
        if write_id is None or call.actor is None:
            return None
        operation = f"{call.endpoint.name} {call.path}"
        receipt = await claim_write(call.session, write_id, call.actor.person_id, operation)
        if receipt is None or receipt.answer is None:
            return None
        kept = msgspec.convert(receipt.answer, KeptAnswer)
        headers = {"location": kept.location} if kept.location else {}
        return Answer(kept.status, kept.content.encode(), kept.content_type, headers)

    async def remember(self, call: Call[Actor, Platform], answer: Answer) -> None:
        write_id = write_id_of(call)
        if write_id is None or call.actor is None or len(answer.content) > MAX_KEPT_ANSWER_BYTES:
            return
        if answer.status >= REFUSED:
            # Nothing was written: the same write is judged anew, for what stood in its way may be over (a lock, a round being sealed).
            return
        kept = KeptAnswer(
            answer.status, answer.content.decode(), answer.content_type, answer.headers.get("location", "")
        )
        await keep_answer(call.session, write_id, msgspec.to_builtins(kept))

    async def explain(self, error: Exception, call: Call[Actor, Platform]) -> Answer:
        """The answer for an error: a problem document for the API, a page for people. Denied attempts are audited."""
        if isinstance(error, ConstraintViolated):
            # Told like any other refusal; that no rule of ours had said it first is worth a line to whoever writes the next one.
            log.warning(
                "%s was refused by the database alone: %s",
                call.endpoint.name,
                error.constraint or error.column,
            )
            error = translated(error)
        if isinstance(error, Forbidden | NotAllowed):
            await self._audit_denied(error, call)
        if is_answered_with_pages(call.endpoint):
            return await self._explain_on_page(error, call)
        return self._problem(error, call)

    async def _explain_on_page(self, error: Exception, call: Ask) -> Answer:
        is_half_in = call.actor is not None and bool(call.actor.pending)
        if is_half_in and isinstance(error, NotAllowed | Forbidden) and call.endpoint.method == "GET":
            return Answer(303, b"", "text/html", {"location": "/sign-in/step"})
        if isinstance(error, NotSignedIn) and call.endpoint.method == "GET":
            asked = call.path + (f"?{call.query_string}" if call.query_string else "")
            to = "/sign-in" if asked == "/" else f"/sign-in?{urlencode({'next': asked})}"
            return Answer(303, b"", "text/html", {"location": to})
        known = self._problem(error, call)
        status, page = await self._error_page(call, known.status, error)
        return Answer(status, page.encode(), "text/html; charset=utf-8", known.headers)

    def _problem(self, error: Exception, call: Ask) -> Answer:
        if isinstance(error, ProgrammeError):
            more: dict[str, Any] = {"values": error.values} if error.values else {}
            if error.faults:
                more["faults"] = [msgspec.to_builtins(fault) for fault in error.faults]
            status = STATUSES[error.kind]
            if isinstance(error, Stale) and "if-match" in call.headers and call.endpoint.version_in:
                status = PRECONDITION_FAILED
            return problem(status, error.code, language_of(call).error(error), **more)
        if isinstance(error, NotSignedIn):
            return problem(401, getattr(error, "code", "not_signed_in"), language_of(call).error(error))
        if isinstance(error, NotAllowed):
            return problem(403, "forbidden", language_of(call).error(error))
        if isinstance(error, Refused | InputInvalid | BadCursor | ValueRefused):
            # Which value is wrong and how is told to a program in the words of its types; a sentence for all of them would hide it.
            is_technical = isinstance(error, InputInvalid) and not isinstance(error, UnknownField | SentTwice)
            return problem_for(error, None if is_technical else language_of(call).error(error))
        log.error("unexpected error in %s (%s)", call.endpoint.name, call.request_id, exc_info=error)
        text = "Something went wrong on our side. It was written down under this id."
        return problem(500, "unexpected", text, id=call.request_id)

    async def _audit_denied(self, error: Exception, call: Ask) -> None:
        actor = call.actor
        if actor is None:
            return

        async def write(session: Session) -> None:
            reason = getattr(error, "code", "forbidden")
            await write_audit(
                session, actor, call.endpoint.name, "route", call.path[:200], outcome="denied", reason=reason
            )

        try:
            await call.database.run(write, deadline_s=AUTHENTICATE_S)
        except Refused as refused:
            # It is denied all the same; that nobody could write it down is no reason to say something else.
            log.error("a denied attempt at %s could not be written down: %s", call.endpoint.name, refused)

    def headers(self, call: Call[Actor, Platform]) -> dict[str, str]:
        return API_HEADERS if call.path.startswith("/api/") else PAGE_HEADERS


def language_of(call: Ask) -> Language:
    """The language in which this caller reads."""
    own = call.actor.language if call.actor is not None else None
    return choose_language(own, cookie_of(call, LANGUAGE_COOKIE), call.headers.get("accept-language", ""))


def is_answered_with_pages(endpoint: Endpoint) -> bool:
    """Whether what goes wrong at this route is told to a person, in a page, or to a program, as a problem document."""
    is_for_programs = endpoint.path.startswith("/api/") or "service" in endpoint.tags
    return endpoint.is_page or not is_for_programs


async def read_actor(call: Ask, session: Session, *, scopes: Scopes | None) -> Actor | None:
    """Who holds the session or token that was sent, or None. *Cost*: one statement, and past `scopes` one more on a miss."""
    bearer = bearer_of(call)
    if bearer is not None:
        return await actor_by_token(session, bearer, call.app.clock, address=call.address, scopes=scopes)
    return await actor_by_session(
        session, cookie_of(call, SESSION_COOKIE) or "", call.app.clock, address=call.address,
        idle_s=call.app.settings.session_idle_s, scopes=scopes,
    )  # fmt: skip


class KeptAnswer(msgspec.Struct, frozen=True):
    """What is kept of an answer for the same write coming again."""

    status: int
    content: str
    content_type: str
    location: str = ""


EXPECTED = (ProgrammeError, Refused, InputInvalid, BadCursor, NotSignedIn, NotAllowed, NotFound)
"""What may be raised without anybody being woken."""


def bearer_of(call: Ask) -> str | None:
    """The API token that was sent, if any."""
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


def cookie_of(call: Ask, name: str) -> str | None:
    """A cookie's value, if it was sent."""
    for pair in call.headers.get("cookie", "").split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value or None
    return None


def write_id_of(call: Ask) -> str | None:
    """The id that the client made for this write: the Idempotency-Key header, or a form's `write_id` field."""
    given = call.headers.get("idempotency-key") or call.sent.fields.get("write_id", [""])[-1]
    if not given:
        return None
    try:
        return str(UUID(given.strip('"')))
    except ValueError as error:
        raise BadWriteId from error


def require_same_site(call: Ask) -> None:
    """Passes when the browser says that our own page sent this. *Source*: OWASP CSRF cheat sheet, Fetch Metadata.

    Programs that are no browser send neither header; they can't be made to carry somebody's cookie either.
    """
    site = call.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise CrossSite
    origin = call.headers.get("origin")
    if origin is not None:
        here = {
            call.headers.get("host", ""),
            *(urlsplit(each).netloc for each in call.app.settings.trusted_origins),
        }
        if urlsplit(origin).netloc not in here:
            raise CrossSite


def require_csrf_token(call: Ask, actor: Actor) -> None:
    """Passes when the session's own token came along, in the x-csrf-token header or a form's `csrf_token` field."""
    given = call.headers.get("x-csrf-token") or call.sent.fields.get("csrf_token", [""])[-1]
    if not hmac.compare_digest(given.encode(), actor.csrf_token.encode()):
        raise CrossSite


class TokenReadsOnly(Forbidden):
    """This token may only read."""

    code = "token_reads_only"


def require_reach(call: Ask, actor: Actor) -> None:
    """Passes when a token that only reads asks for nothing else, whatever the route. *Errors*: TokenReadsOnly, audited as theirs."""
    if actor.token is not None and not actor.token.may_write and call.endpoint.method in UNSAFE:
        call.actor = actor
        raise TokenReadsOnly


def session_cookie(token: str, *, life_s: float, is_secure: bool) -> str:
    """The Set-Cookie value for a session."""
    secure = "; Secure" if is_secure else ""
    return f"{SESSION_COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={int(life_s)}{secure}"


def device_cookie(name: str, *, is_secure: bool) -> str:
    """The Set-Cookie value by which a device is known at the next sign-in."""
    secure = "; Secure" if is_secure else ""
    return f"{DEVICE_COOKIE}={name}; Path=/; HttpOnly; SameSite=Lax; Max-Age={DEVICE_LIFE_S}{secure}"


def school_device_cookie(secret: str, *, is_secure: bool) -> str:
    """The Set-Cookie value by which a device is known as linked to a school; an empty secret removes it."""
    secure = "; Secure" if is_secure else ""
    life = DEVICE_LIFE_S if secret else 0
    return f"{SCHOOL_DEVICE_COOKIE}={secret}; Path=/; HttpOnly; SameSite=Lax; Max-Age={life}{secure}"


def no_session_cookie() -> str:
    """The Set-Cookie value that removes the session's cookie."""
    return f"{SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
