"""Pages as a browser without JavaScript uses them: read the form, fill it in, send it, follow the redirect."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx
import msgspec


def shown_text(html: str) -> str:
    """What a page says, without its tags and what is hidden, one space between words."""
    without_hidden = re.sub(r"<span[^>]* hidden>.*?</span>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", without_hidden)).split())


class Form(msgspec.Struct):
    """One form of a page: where it goes, and what it sends when nothing is touched."""

    action: str
    method: str
    fields: dict[str, str]


class Forms(HTMLParser):
    """The forms of a page with the fields inside them, and those that name them from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._by_id: dict[str, Form] = {}
        self._open: Form | None = None
        self._select = ""
        self._area = ""
        self.outside: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(at.get("action", ""), at.get("method", "get"), {})
            self.forms.append(self._open)
            self._by_id[at.get("id", "")] = self._open
        elif tag == "input" and at.get("name"):
            is_off = at.get("type") in ("radio", "checkbox") and "checked" not in at
            if not is_off:
                self._keep(at, at.get("value", ""))
        elif tag == "textarea" and self._open is not None:
            self._area = at.get("name", "")
            self._open.fields[self._area] = ""
        elif tag == "select":
            self._select = at.get("name", "")
        elif tag == "option" and self._select and ("selected" in at) and self._open is not None:
            self._open.fields[self._select] = at.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = ""
        elif tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area and self._open is not None:
            self._open.fields[self._area] += data

    def _keep(self, at: dict[str, str], value: str) -> None:
        owner = self._by_id.get(at["form"]) if "form" in at else self._open
        if owner is not None:
            owner.fields[at["name"]] = value


def forms_of(answer: httpx.Response) -> list[Form]:
    """The forms of a page."""
    parser = Forms()
    parser.feed(answer.text)
    return parser.forms


def form_at(answer: httpx.Response, action: str | None = None) -> Form:
    """The form that posts to an address (the page's own, when not told)."""
    path = action or answer.request.url.raw_path.decode()
    found = [each for each in forms_of(answer) if each.method == "post" and each.action == path]
    assert found, f"no form posts to {path}; there are {[each.action for each in forms_of(answer)]}"
    return found[0]


async def send(
    client: httpx.AsyncClient, answer: httpx.Response, action: str | None = None, **typed: Any
) -> httpx.Response:
    """Fills a form of the page in and sends it as a browser does, without following the redirect."""
    form = form_at(answer, action)
    fields = form.fields | {name: str(value) for name, value in typed.items()}
    return await client.post(form.action, data=fields)
