"""Walks every page as somebody, reads each form as it is rendered, fills it in one way or another, posts all of it and says what is wrong with the answer."""

from __future__ import annotations

import re
from collections import defaultdict
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import psycopg
from asking import path_of, query_of
from opening_everything import CHANGED
from opening_everything import ids_of as ids_in
from people import NAMES, NOW, token_of
from serving import Served
from simulation.forms import Form, forms_of

from flatwater.contract import Endpoint
from flatwater.routing import Routes
from rightlevel.programme.accounts.store import digest
from rightlevel.web.app import all_routes
from rightlevel.web.request import secret_fields

ROLES = ("admin", "coordinator", "mentor", "teacher", "viewer")
LANGUAGES = ("en", "km")
PAGES_OF_A_ROUTE = 3
TOO_LONG = 12_000
TEXTS = ("text", "search", "email", "tel", "url", "")
LEAVE_ALONE = {"/language", "/sign-out"}
"""What every page carries, and what ends the walk's own session."""
NAMES_OF_FIELDS = re.compile(r"\b[a-z]+_(?:on|id|ids|at|from|to|code)\b|\b[a-z]+\.\d+\.|\bNone\b")
ROUTES = [each for each in all_routes() if each.is_page or "pages" in each.tags]


class Page(msgspec.Struct):
    """One page with a form that somebody is offered."""

    name: str
    address: str
    form: Form
    route: str


class Look(HTMLParser):
    """What the checks want to know of an answer."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: dict[str, int] = {}
        self.labels: dict[str, str] = {}
        self.summary: list[tuple[str, str]] = []
        self.said = ""
        self.focused: dict[str, str] | None = None
        self.wrong: list[str] = []
        self.is_error_page = False
        self._n = 0
        self._stack: list[tuple[str, dict[str, str]]] = []
        self._label_for = ""
        self._legend_of = ""
        self._link: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        self._n += 1
        if "id" in at:
            self.ids.setdefault(at["id"], self._n)
        if "autofocus" in at and self.focused is None:
            self.focused = at
        if at.get("aria-invalid") == "true":
            self.wrong.append(at.get("name") or at.get("id", "").removeprefix("f-"))
        self.is_error_page = self.is_error_page or "error-page" in at.get("class", "")
        if tag == "label":
            self._label_for = at.get("for", "")
        if tag == "fieldset":
            self._legend_of = at.get("id", "")
        if self._in_summary() and tag == "a":
            self.summary.append((at.get("href", ""), ""))
        if (
            tag in ("input", "select", "textarea")
            and at.get("id")
            and any(t == "label" for t, _ in self._stack)
        ):
            self._label_for = self._label_for or at["id"]
        if tag not in ("input", "br", "img", "meta", "link", "hr"):
            self._stack.append((tag, at))

    def handle_endtag(self, tag: str) -> None:
        while any(name == tag for name, _ in self._stack):
            last, _ = self._stack.pop()
            if last == tag:
                break
        if tag == "label":
            self._label_for = ""

    def handle_data(self, data: str) -> None:
        tags = [tag for tag, _ in self._stack]
        if self._in_summary():
            self.said += data
            if "a" in tags and self.summary:
                href, text = self.summary[-1]
                self.summary[-1] = (href, text + data)
        if "label" in tags and self._label_for:
            self.labels[self._label_for] = self.labels.get(self._label_for, "") + data
        if tags and tags[-1] == "legend" and self._legend_of:
            self.labels[self._legend_of] = self.labels.get(self._legend_of, "") + data

    def _in_summary(self) -> bool:
        return any(at.get("id") == "faults" for _, at in self._stack)


def route_of(path: str, method: str) -> Endpoint | None:
    """The route that a path leads to; one without a parameter first."""
    parts = urlsplit(path).path.split("/")
    found = [
        each
        for each in ROUTES
        if each.method == method
        and len(each.path.split("/")) == len(parts)
        and all(a == b or a.startswith("{") for a, b in zip(each.path.split("/"), parts, strict=True))
    ]
    return min(found, key=lambda each: each.path.count("{"), default=None)


def route_path(address: str) -> str:
    """The path of the route that shows a page."""
    found = route_of(address, "GET")
    return found.path if found else address


def ids_of(site: Served) -> dict[str, Any]:
    with psycopg.connect(site.server.conninfo) as connection:
        found = ids_in(connection, "A")
        first = connection.execute("select id from grouping order by id limit 1").fetchone()
    return {**found, "groupings": first[0]} if first else found


def let_in(site: Served) -> None:
    """Makes everybody's session and account as they were: another's walk may have ended them."""
    with psycopg.connect(site.server.conninfo) as connection:
        connection.execute("update person set is_active = true, deleted_at = null")
        for each in NAMES:
            connection.execute(
                """insert into person_session (token_hash, person_id, csrf_token, created_at, last_seen_at, expires_at, address)
                select %s, id, 'csrf', %s, %s, %s::timestamptz + interval '90 days', 'test' from person where username = %s
                on conflict do nothing""",
                [digest(token_of(each)), NOW, NOW, NOW, each],
            )


def whole(site: Served) -> None:
    """Gives the filled rows the histories and points that no deed of the platform leaves out."""
    with psycopg.connect(site.server.conninfo) as connection:
        connection.execute("update visit set fidelity = null")
        connection.execute(
            "update round set state = 'frozen' where id in (select round_id from round_snapshot)"
        )
        connection.execute("delete from boundary_change_school")
        connection.execute("delete from boundary_change")
        connection.execute(
            "update intervention_change set before = before || %s::jsonb, after = after || %s::jsonb",
            [CHANGED, CHANGED],
        )


async def pages_of(client: httpx.AsyncClient, ids: dict[str, Any]) -> dict[str, str]:
    """Every page that somebody can open, by address: each route with the ids, and what those lead to."""
    texts: dict[str, str] = {}
    opened: dict[str, int] = defaultdict(int)
    waiting: list[str] = []
    for route in ROUTES:
        if route.method == "GET" and route.is_page:
            asked = {k: v for k, v in ids.items() if v is not None}
            url = httpx.URL(path_of(route, asked), params=query_of(route, asked))
            waiting.append(str(url))
            if route.path.count("{"):
                continue
            waiting.append(route.path)
    while waiting:
        address = waiting.pop(0)
        route = route_of(address, "GET")
        if route is None or not route.is_page or address in texts or opened[route.path] >= PAGES_OF_A_ROUTE:
            continue
        opened[route.path] += 1
        answer = await client.get(address)
        texts[address] = answer.text
        if answer.status_code >= 500:
            texts[address] = f"5xx {answer.status_code} " + answer.text
        waiting += [
            unescape(each)
            for each in re.findall(r'href="(/[^"#]*)"', answer.text)
            if not each.startswith("/static")
        ]
    return texts


async def offered(client: httpx.AsyncClient, name: str, ids: dict[str, Any]) -> list[Page]:
    """Each form of each page that somebody is offered, once for each route, page and set of fields."""
    found: dict[tuple[str, str, frozenset[str]], Page] = {}
    for address, text in (await pages_of(client, ids)).items():
        here = route_of(address, "GET")
        for form in forms_of(text):
            to = route_of(form.action, "POST")
            if form.method == "post" and form.action.split("?")[0] not in LEAVE_ALONE:
                path = to.path if to else form.action
                key = (here.path if here else "", path, frozenset(name.split(".")[0] for name in form.names))
                found.setdefault(key, Page(name, address, form, path))
    return list(found.values())


def typed(form: Form, mode: str) -> dict[str, Any]:
    """What somebody types who fills a form in one way or another; None leaves a field out."""
    texts = {
        n: at
        for n, at in form.shown.items()
        if at["tag"] == "textarea" or (at.get("type", "") in TEXTS and at["tag"] == "input")
    }
    days = [n for n, at in form.shown.items() if at.get("type") == "date"]
    numbers = [
        n for n, at in form.shown.items() if at.get("type") == "number" or at.get("inputmode") == "numeric"
    ]
    choices = {n: form.choices[n] for n, at in form.shown.items() if n in form.choices}
    blank: dict[str, Any] = dict.fromkeys((*texts, *days, *numbers), "")
    for name, values in choices.items():
        blank[name] = "" if "" in values else (None if form.shown[name]["tag"] == "input" else values[0])
    match mode:
        case "nothing":
            return blank
        case "half":
            first = next(iter(texts), None)
            return blank | ({first: "typed here"} if first else {})
        case "wrong":
            some = {n: "typed here " + n for n in texts}
            return some | dict.fromkeys(days, "31/31/2026") | dict.fromkeys(numbers, "1_0")
        case "long":
            return {
                n: "x" * (int(at["maxlength"]) + 1 if at.get("maxlength") else TOO_LONG)
                for n, at in texts.items()
                if n not in numbers
            }
        case "fit":
            return {
                n: "x" * int(at["maxlength"])
                for n, at in texts.items()
                if n not in numbers and at.get("maxlength")
            }
        case "early" | "late":
            some = {n: "typed here" for n in texts if n not in numbers}
            return some | dict.fromkeys(days, "0001-01-02" if mode == "early" else "9999-12-30")
        case "stale":
            return {n: "typed here" for n in texts if n not in numbers} | {"version": "0"}
        case _:
            return {n: "typed here" for n in texts if n not in numbers and not dict(form.fields).get(n)}


def is_pointless(form: Form, mode: str) -> bool:
    """Whether a form has nothing that could be sent so."""
    has_day = any(at.get("type") == "date" for at in form.shown.values())
    if mode == "stale":
        return "version" not in form.names
    return not form.shown or (mode in ("early", "late") and not has_day)


async def post(client: httpx.AsyncClient, form: Form, values: dict[str, Any]) -> httpx.Response:
    """Sends all of a form as a browser does, with these typed in."""
    sent = form.filled(**values)
    data: dict[str, list[str]] = {}
    for name, value in sent:
        data.setdefault(name, []).append(value)
    headers = {"sec-fetch-site": "same-origin"}
    files = {"file": ("x.csv", b"", "text/csv")} if form.is_file else None
    return await client.post(form.action, data=data, files=files, headers=headers)


def examine(
    page: Page, mode: str, values: dict[str, Any], answer: httpx.Response, language: str
) -> list[str]:
    """What is wrong with the answer to a form, each as `kind: where`."""
    where = f"{page.name} {language} {page.route} on {page.address} ({mode})"
    if answer.status_code >= 500:
        return [f"5xx: {where}"]
    if answer.status_code == 429:
        return []  # refused before it is read, as whoever asks too often is
    if answer.status_code in (200, 303) or not answer.headers.get("content-type", "").startswith("text/html"):
        if (
            mode in ("early", "late")
            and any(at.get("type") == "date" for at in page.form.shown.values())
            and answer.status_code == 303
            and not page.route.endswith("/checks")  # nobody was tapped, so nothing is saved
        ):
            return [f"day without bounds: {where}"]
        if (
            mode == "long"
            and answer.status_code == 303
            and any(n in values for n, at in page.form.shown.items() if not at.get("maxlength"))
        ):
            names = [n for n, at in page.form.shown.items() if n in values and not at.get("maxlength")]
            return [f"length untold: {where} {names}"]
        return []
    if answer.status_code == 403 and page.form.action not in answer.text:
        return [f"offered and refused: {where}"]
    faults: list[str] = []
    look = Look(answer.text)
    shown = page.form.shown
    if look.is_error_page:
        return [f"error page in place of the form: {where} {answer.status_code}"] if shown else []
    again = [
        each
        for each in forms_of(answer.text)
        if each.action == page.form.action and set(shown) <= set(each.names) | {"file"}
    ]
    kept = [dict(each.fields) for each in again]
    secrets = _secrets_of(page.form.action)
    for name, value in values.items():
        at = shown.get(name)
        if (
            at is None
            or name in secrets
            or value in (None, "")
            or at.get("type") in ("password", "file")
            or (at["tag"] == "select" and value not in page.form.choices[name])
        ):
            continue
        if not any(each.get(name) == value for each in kept) and str(value) not in answer.text:
            faults.append(f"not shown again: {where} {name}")
    if mode == "fit" and (
        found := re.search(r"[Aa]t most \d+ characters|and \d+ characters|too long", look.said)
    ):
        faults.append(f"shorter than the page says: {where} {found[0]}")
    return faults + _summary_faults(look, where, answer)


def _summary_faults(look: Look, where: str, answer: httpx.Response) -> list[str]:
    faults: list[str] = []
    if "faults" not in look.ids:
        return [f"no summary: {where} {answer.status_code}"]
    places = []
    for href, text in look.summary:
        id_ = href.removeprefix("#")
        if id_ not in look.ids:
            faults.append(f"a link of the summary leads nowhere: {where} {href}")
            continue
        places.append(look.ids[id_])
        label = _plain(look.labels.get(id_, ""))
        if label and not label.startswith(_plain(text)):
            faults.append(f"another name than its label: {where} {text!r} / {label!r}")
    if places != sorted(places):
        faults.append(f"the summary in another order: {where}")
    if look.focused is None:
        faults.append(f"nothing has the focus: {where}")
    elif (
        look.summary
        and places
        and look.focused.get("id") not in {h.removeprefix("#") for h, _ in look.summary[:1]}
        and look.focused.get("aria-invalid") != "true"
    ):
        faults.append(f"another field has the focus: {where}")
    if found := NAMES_OF_FIELDS.search(look.said):
        faults.append(f"an internal name: {where} {found[0]!r}")
    return faults


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(" :*")


_ROUTES = Routes(all_routes())


def _secrets_of(action: str) -> frozenset[str]:
    """The fields of a form that no page shows again: passwords, PINs and one-time codes, as its route declares them."""
    match = _ROUTES.match("POST", urlsplit(action).path)
    return secret_fields(match.endpoint) if match is not None and match.endpoint is not None else frozenset()
