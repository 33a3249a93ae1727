"""Pages from templates: one environment, everything escaped, and nothing in a template that isn't defined."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, tzinfo
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec
from jinja2 import BytecodeCache, Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.types import Receive, Scope, Send

from flatwater.answers import problem
from flatwater.asgi import NotAllowed, NotSignedIn
from flatwater.contract import Html, Redirect
from flatwater.errors import Refused
from flatwater.inputs import SentTwice, UnknownField
from rightlevel import __version__
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, ProgrammeError, Stale
from rightlevel.programme.ids import time_ordered_id
from rightlevel.programme.levels import Level, Scale, scale_now, scale_of_round
from rightlevel.programme.permissions import Actor
from rightlevel.programme.permissions import may as may_of
from rightlevel.web.application import (
    FORM_OWNER,
    FORM_PAGE,
    OWN_FIELDS,
    PAGE_HEADERS,
    STATUSES,
    CrossSite,
    address_of,
    cookie_of,
    is_secure,
    language_of,
    sent_field,
    with_query_string,
)
from rightlevel.web.bundles import BUNDLES
from rightlevel.web.form_again import FormAgain, Line, Summary, Wrong
from rightlevel.web.language import LANGUAGE_COOKIE, LANGUAGES, N_, Language, choose_language, languages_in
from rightlevel.web.navigation import headings_of
from rightlevel.web.request import Request, secret_fields
from rightlevel.web.words import WORDS, level_name, word

HERE = Path(__file__).parent
NOTICE_COOKIE = "rl_notice"
NOTICE_S = 60
LONGEST_CODE = 36
"""A UUID; what is longer, or has a space in it, somebody has typed."""
NOT_MARKED = N_("What was entered can’t be right.")
STANDS = N_("Somebody changed this in the meantime. What you see is how it stands now.")
MAX_NOTICE_CHARS = 300
CHOOSE_AGAIN = N_("Please choose the file again: a browser does not keep it")
HAS_HELD = "has_held"
"""Where a page has found that a form of its reader's is kept for them on this browser."""
PARTLY = "\u26a0 "
"""Before a notice of which not everything is good news."""


BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("UCBrowser", "UC Browser"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("CrOS", "Chromebook"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def _static_addresses() -> dict[str, str]:
    """The address of each static file with its own mark, so that browsers keep it exactly as long as it is the same."""
    paths = (path for path in (HERE / "static").iterdir() if path.is_file())
    marks = {path.name: sha256(path.read_bytes()).hexdigest()[:10] for path in paths}
    together = {
        name: sha256("".join(marks[each] for each in parts).encode()).hexdigest()[:10]
        for name, parts in BUNDLES.items()
    }
    return {name: f"/static/{name}?v={mark}" for name, mark in (marks | together).items()}


def device_name(user_agent: str) -> str:
    """A browser and its system as people call them, out of a User-Agent header; good enough to know one's own phone."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return " · ".join(each for each in (browser, system) if each) or user_agent[:40]


def _compiled_kept(folder: Path) -> BytecodeCache | None:
    """Templates compiled once for every process to come, beside Python's own compiled files; none where those can't be written.

    Compiling all of them takes 1.7 s of processor and leaves 3 MB of holes in the memory of a process that does it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return FileSystemBytecodeCache(str(folder)) if os.access(folder, os.W_OK) else None


_environment = Environment(
    loader=FileSystemLoader([HERE / "templates", HERE]),
    bytecode_cache=_compiled_kept(HERE / "__pycache__" / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_static = _static_addresses()
_static_set = frozenset(_static.values())
_shared: dict[str, Any] = {
    "version": __version__,
    "languages": LANGUAGES,
    "static": _static.__getitem__,
}
_environment.globals.update(_shared)
_environment.filters["device"] = device_name


def compile_templates() -> int:
    """Compiles every template, so that the service finds them compiled; how many there are."""
    found = _environment.list_templates(extensions=["html"])
    names = [each for each in found if not each.startswith("templates/")]
    for name in names:
        _environment.get_template(name)
    return len(names)


refused: ContextVar[ProgrammeError | None] = ContextVar("refused", default=None)
"""While a page is opened once more for a form that was refused: why it was. The page may ask now what it does not ask at first."""


def render(
    request: Request,
    template: str,
    /,
    *,
    status: int = 200,
    error: ProgrammeError | None = None,
    **values: Any,
) -> Html:
    """A page in the caller's language; `error` marks its fields and is told above the form. *Cost*: no query."""
    language = language_of(request)
    context = _context(language, request.actor, request.path, request.query_string, request.clock.zone)
    context["languages"] = languages = languages_in(request.app.languages)
    context["languages_named"] = [(each.code, each.name) for each in languages.values()]
    context |= _error_context(language, error)
    context["csrf_field"] = partial(_form_fields, request)
    notice = _take_notice(request)
    context["notice_text"], context["is_notice_partly"] = (
        notice.removeprefix(PARTLY),
        notice.startswith(PARTLY),
    )
    # Whoever signed in by another door than the one that was offered with it finds it on their first page.
    context["has_held"] = bool(request.state.get(HAS_HELD))
    scale = values.get("scale")
    # The colours of a scale that was made in the product; a version never changes, so neither does its sheet.
    context["scale_sheet"] = (
        f"/scales/{scale.key}/colours.css" if isinstance(scale, Scale) and scale.is_own else ""
    )
    text = in_digits(language, _environment.get_template(template).render(context | values))
    if error is not None and request.sent.fields and "hx-request" not in request.headers:
        text = filled(request, text, error, shown=values.get("fault_list"), is_own=True)
    return Html(text, status)


def filled(
    request: Request,
    page: str,
    error: ProgrammeError,
    *,
    shown: Sequence[Wrong] | None = None,
    is_own: bool = False,
    write_id: str = "",
) -> str:
    """A page with the form that was sent as it was sent, and the error told above it and at each field. *Cost*: no query.

    `is_own` says that whoever made the page shows by itself what stands otherwise on the server; `write_id` is that of a form which
    nobody judged this time, so that it may have been done before.
    """
    language = language_of(request)
    faults = shown or _wrong(language, error)
    action = address_of(request)
    is_stale = isinstance(error, Stale) and not is_own
    again = FormAgain(
        page,
        action,
        repeated(request),
        faults,
        is_stale=is_stale,
        proposed=error.proposes,
        write_id=write_id,
        choose_again=language.gettext(CHOOSE_AGAIN) if request.sent.upload is not None else "",
    )
    text = language.error(error)
    if isinstance(error, Invalid) and error.text == Invalid().text and not faults:
        text = language.gettext(NOT_MARKED)
    if is_stale and not again.summary.both:
        text = language.gettext(STANDS)
    block = part(
        request,
        "again.html",
        text=text,
        summary=again.summary,
        is_wrong=True,
        sent=listed(again, repeated(request)),
    )
    return again.text(block)


def repeated(request: Request) -> dict[str, list[str]]:
    """What was sent and may be shown again: a secret is typed anew, whatever kind of field it was typed into."""
    secret = secret_fields(request.endpoint)
    return {name: values for name, values in request.sent.fields.items() if name not in secret}


def listed(again: FormAgain, fields: Mapping[str, Sequence[str]]) -> list[str]:
    """What was typed into a form that is no longer on its page."""
    if again.summary.is_found:
        return []
    texts = [value for name, values in fields.items() if name not in OWN_FIELDS for value in values]
    return [each for each in texts if " " in each.strip() or len(each) > LONGEST_CODE]


def static_address(name: str) -> str:
    """The address of a static file with its own mark. *Errors*: KeyError."""
    return _static[name]


def is_static_address(address: str) -> bool:
    """Whether it is the address of a static file with the mark of the file as it is now."""
    return address in _static_set


def impersonal(language: Language, template: str, path: str, **values: Any) -> str:
    """A page in a language for nobody in particular: the same text for whoever asks, so that it may be kept. *Cost*: no query."""
    return _environment.get_template(template).render(_context(language, None, path, "") | values)


_NO_WORDS = re.compile(r"<(script|style|code|textarea)\b.*?</\1>|<[^>]*>|&[#\w]+;", re.DOTALL)
"""What of a page is no text that people read: its tags, what stands between some of them, and characters by their numbers."""


def in_digits(language: Language, page: str) -> str:
    """A page with every digit that people read as this reader reads digits; what is typed into fields stays as it is.

    *Cost*: none for 0 to 9; else 2 ms for a page of 100 kB.
    """
    if language.digits == "0123456789":
        return page
    parts: list[str] = []
    at = 0
    for found in _NO_WORDS.finditer(page):
        parts += (language.in_digits(page[at : found.start()]), found[0])
        at = found.end()
    return "".join((*parts, language.in_digits(page[at:])))


def part(request: Request, template: str, /, **values: Any) -> str:
    """A part of a page in the caller's language, to be put into one that is there already. *Cost*: no query."""
    language = language_of(request)
    context = _context(language, request.actor, request.path, request.query_string, request.clock.zone)
    return in_digits(language, _environment.get_template(template).render(context | values))


def render_once(request: Request, template: str, /, **values: Any) -> Html:
    """A page that shows a secret this once: nothing keeps it, and the same write coming again is told that it was done."""
    return msgspec.structs.replace(render(request, template, **values), is_shown_once=True)


def _context(
    language: Language, actor: Actor | None, path: str, query: str, zone: tzinfo = UTC
) -> dict[str, Any]:
    csrf = actor.csrf_token if actor is not None else ""

    def may(action: str, resource: str) -> bool:
        return actor is not None and may_of(actor, action, resource)

    def with_query(**changes: object) -> str:
        return _with_query(path, query, changes)

    def translated_word(vocabulary: str, code: object) -> str:
        return language.gettext(word(vocabulary, code))

    def rung(level: Level | str | None, scale: Scale | None = None) -> str:
        """What a level is called: as its scale's editor says, else as the catalogue does."""
        return level_name(language, level, scale)

    def named(vocabulary: str, codes: Iterable[object]) -> list[tuple[object, str]]:
        return [(code, translated_word(vocabulary, code)) for code in codes]

    return {
        "_": language.gettext,
        "ngettext": language.ngettext,
        "language": language,
        "number": language.number,
        "share": language.share,
        "date": partial(language.date, zone=zone),
        "moment": partial(language.moment, zone=zone),
        "word": translated_word,
        "rung": rung,
        "scale_of": scale_of_round,
        "scale_now": scale_now,
        "named": named,
        "actor": actor,
        "may": may,
        "path": path,
        "with_query": with_query,
        "find_headings": partial(headings_of, actor),
        "here": with_query_string(path, query),
        "csrf_field": lambda: _hidden("csrf_token", csrf) if csrf else "",
        "write_id": lambda: _hidden("write_id", time_ordered_id()),
    }


def _form_fields(request: Request) -> Markup:
    """What every form carries: the session's own token, the page it stands on and for whom that was made.

    A page that a POST answered with stands at an address of no use; its forms name the page before it.
    """
    here = address_of(request)
    if request.endpoint.method != "GET":
        here = local_path(sent_field(request, FORM_PAGE), "")
    fields = _hidden(FORM_PAGE, here) if here else Markup()
    if request.actor is None:
        return fields
    owner = request.app.form_owners.mark(request.actor.person_id)
    return _hidden("csrf_token", request.actor.csrf_token) + fields + _hidden(FORM_OWNER, owner)


def _hidden(name: str, value: str) -> Markup:
    return Markup('<input type="hidden" name="{}" value="{}">').format(name, value)


def _with_query(path: str, query: str, changes: dict[str, object]) -> str:
    kept = {name: value for name, value in parse_qsl(query, max_num_fields=100) if value}
    kept |= {name: str(value) for name, value in changes.items()}
    kept = {name: value for name, value in kept.items() if value and value != "None"}
    return path + (f"?{urlencode(kept)}" if kept else "")


def _error_context(language: Language, error: ProgrammeError | None) -> dict[str, Any]:
    shown = _wrong(language, error) if error is not None else []
    by_field: dict[str, str] = {}
    for each in shown:
        by_field[each.field] = f"{by_field[each.field]}. {each.text}" if each.field in by_field else each.text
    reason = error or refused.get()
    return {
        "error_code": reason.code if reason is not None else "",
        "error_text": language.error(error) if error is not None else None,
        "fault_list": shown,
        "faults": by_field,
    }


def _wrong(language: Language, error: ProgrammeError) -> list[Wrong]:
    return [
        Wrong(each.field, field_name(language, each.field), language.rule(each.rule)) for each in error.faults
    ]


def field_name(language: Language, field: str) -> str:
    """How a field is called where no label of a page says it; nothing for one that has no name people know."""
    name = WORDS["field"].get(field.rsplit(".", 1)[-1], "")
    return language.gettext(name) if name else ""


class ShownAgain(ProgrammeError):
    """This form is shown again."""

    code = "shown_again"

    def __init__(self, page: str, error: ProgrammeError) -> None:
        super().__init__(error.text, faults=error.faults)
        self.kind = error.kind
        self.page = page


def show_again(request: Request, template: str, error: ProgrammeError, /, **values: Any) -> NoReturn:
    """Raises the form with its faults and what was typed, so that the request's transaction is rolled back.

    Answering with it instead would commit, and keep it as the answer for this write id. What is forbidden or not
    there has no form to go back to and is raised as it is.
    """
    if isinstance(error, Forbidden | NotFound):
        raise error
    raise ShownAgain(render(request, template, error=error, **values).text, error) from error


def render_partly(
    request: Request, template: str, text: str, refused: Sequence[tuple[str, str]], /, **values: Any
) -> Html:
    """A page on which some of what was sent is saved and some is not: who was refused and why, and the form as it was sent.

    What was saved stays saved; `text` says how much that is. The page's own `values` may have any name, `refused` too.
    """
    page = render(request, template, **values).text
    again = FormAgain(page, request.path, repeated(request))
    lines = tuple(Line("", name, why) for name, why in refused)
    summary = Summary(lines, (), is_found=True)
    block = part(request, "again.html", text=text, summary=summary, is_wrong=True, sent=[])
    return Html(again.text(block), HTTPStatus.CONFLICT)


def refusal(request: Request, template: str, error: ProgrammeError, /, **values: Any) -> Html:
    """A form that was refused, with its status: for those that open their own transactions, so that there is nothing to roll back."""
    return render(request, template, status=STATUSES[error.kind], error=error, **values)


def done(request: Request, to: str, text: str = "", /, *, is_partly: bool = False, **values: Any) -> Redirect:
    """Go and look there; the text (of the catalogue, `{name}` in it filled from `values`, or made of such) is told once, on the next page;
    as a warning where not all was taken.
    """
    if text:
        told = language_of(request).gettext(text, **values)
        kept = (PARTLY if is_partly else "") + told[:MAX_NOTICE_CHARS]
        request.cookies_to_set.append(_notice_cookie(request, quote(kept), NOTICE_S))
    return Redirect(to)


def _take_notice(request: Request) -> str:
    kept = cookie_of(request, NOTICE_COOKIE)
    if kept is None or request.endpoint.method != "GET":
        return ""
    request.cookies_to_set.append(_notice_cookie(request, "", 0))
    return unquote(kept)[: MAX_NOTICE_CHARS + len(PARTLY)]


def _notice_cookie(request: Request, value: str, life_s: int) -> str:
    secure = "; Secure" if is_secure(request) else ""
    return f"{NOTICE_COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={life_s}{secure}"


def local_path(asked: str, otherwise: str = "/") -> str:
    """An address of our own out of one that was sent; anything that could lead elsewhere gives `otherwise`."""
    is_ours = asked.startswith("/") and not asked.startswith(("//", "/\\")) and "\\" not in asked
    return asked if is_ours and asked.isascii() and asked.isprintable() and len(asked) < 1_000 else otherwise


TITLES = {
    401: N_("Please sign in"),
    403: N_("You may not do this"),
    404: N_("There is nothing here"),
    409: N_("This could not be saved"),
    410: N_("This is gone"),
    413: N_("This is too big"),
    422: N_("Something is not right"),
    429: N_("A moment, please"),
    500: N_("Something went wrong"),
    503: N_("A moment, please"),
    504: N_("This took too long"),
}
ADVICE = {
    400: "",
    401: N_("Sign in and try again."),
    403: N_("If you need this for your work, ask your coordinator."),
    404: N_("The address may be mistyped, or what was here was removed or isn't assigned to you."),
    409: N_("Open the page again, look at how it is now, and try again."),
    422: N_("Open the page again, correct it and send it once more."),
    429: N_("Wait a moment, go back and send it once more. Nothing is saved twice."),
    500: N_("Go back and try again. If it happens again, tell your coordinator the number below."),
    503: N_("Wait a moment, go back and send it once more. Nothing is saved twice."),
    504: N_("Go back and try again. Nothing is saved twice."),
}
LEADERS_ADVICE = {
    403: N_("Your role does not include this. An admin can do it, or give it to somebody."),
    500: N_("Try again. If it happens again, tell whoever runs the server the number below."),
}
"""For whoever others are told to ask."""
STRANGERS_ADVICE = {
    500: N_("Try again. If it happens again, tell whoever runs the programme the number below.")
}
UNEXPECTED = N_("The mistake is on our side and was written down.")


def error_page(
    request: Request,
    status: int,
    error: Exception,
    *,
    held: bool = False,
    again: Sequence[tuple[str, str]] = (),
) -> str:
    """The page a person sees for an error: what happened, what to do, and what is wrong with which field.

    `held` says that what was sent is kept until they have signed in; `again` is what was sent, to be sent once more.
    """
    language = language_of(request)
    problem_of_form = error if isinstance(error, ProgrammeError) else None
    values = _context(language, request.actor, request.path, "", request.clock.zone) | _error_context(
        language, problem_of_form
    )
    is_unexpected = status == HTTPStatus.INTERNAL_SERVER_ERROR
    values["error_text"] = language.gettext(UNEXPECTED) if is_unexpected else _sentence(language, error)
    values["request_id"] = request.request_id if is_unexpected else ""
    values |= {"held": held, "again": again, "csrf_field": partial(_form_fields, request)}
    values["action"] = address_of(request)
    values["sign_in_again"] = isinstance(error, CrossSite | NotSignedIn)
    is_cross_site = isinstance(
        error, CrossSite
    )  # a page left open for long: nothing to ask the coordinator about
    return _error_text(HTTPStatus.BAD_REQUEST if is_cross_site else status, values)


def _sentence(language: Language, error: Exception) -> str:
    if isinstance(error, ProgrammeError | Refused | NotAllowed | NotSignedIn | UnknownField | SentTwice):
        return language.error(error)
    return language.gettext(N_("What was sent can't be read here."))


def _error_text(status: int, values: dict[str, Any]) -> str:
    title: str = values["_"](TITLES.get(status, TITLES[503 if status > 500 else 422]))
    if values["error_text"].rstrip(".។") == title:
        values["error_text"] = ""
    values |= {
        "status": status,
        "title": title,
        "advice": _advice(status, values["actor"]),
        "notice_text": "",
        "is_notice_partly": False,
        "has_held": False,
    }
    return _environment.get_template("error.html").render(values)


def _advice(status: int, actor: Actor | None) -> str:
    """What to do, for this reader: whom a coordinator asks is not their coordinator."""
    if actor is None:
        own = STRANGERS_ADVICE
    else:
        own = LEADERS_ADVICE if actor.role in ("admin", "coordinator") else {}
    return own.get(status) or ADVICE.get(status, ADVICE[503 if status > 500 else 422])


async def not_found_page(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers an address that leads nowhere: a page for people, a problem for programs."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    path: str = scope["path"]
    if path.startswith("/api/"):
        answer = problem(404, "not_found", "There is nothing at this address.")
        content, kind = answer.content, answer.content_type
    else:
        content, kind = _not_found_text(path, headers).encode(), "text/html; charset=utf-8"
    raw = [(name.encode(), value.encode()) for name, value in PAGE_HEADERS.items()]
    raw += [(b"content-type", kind.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 404, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})


def _not_found_text(path: str, headers: dict[str, str]) -> str:
    cookie = next(
        (pair.strip() for pair in headers.get("cookie", "").split(";") if LANGUAGE_COOKIE in pair), ""
    )
    language = choose_language(None, cookie.partition("=")[2], headers.get("accept-language", ""))
    values = _context(language, None, path, "") | _error_context(language, None)
    values |= {"error_text": language.gettext(N_("There is nothing at this address.")), "request_id": ""}
    values |= {"held": False, "again": (), "action": path, "sign_in_again": False}
    return _error_text(404, values)


__all__ = [
    "done",
    "error_page",
    "escape",
    "language_of",
    "local_path",
    "not_found_page",
    "refusal",
    "render",
    "render_once",
    "render_partly",
    "show_again",
]
