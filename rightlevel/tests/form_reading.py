"""Pages as a browser without JavaScript uses them: read the form, fill it in, send it, follow the redirect."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import msgspec
from simulation.forms import forms_of as rendered


def shown_text(html: str) -> str:
    """What a page says, without its tags and what is hidden, one space between words."""
    without_hidden = re.sub(r"<span[^>]* hidden>.*?</span>", "", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", without_hidden)).split())


class Form(msgspec.Struct):
    """One form of a page: where it goes, and what it sends when nothing is touched."""

    action: str
    method: str
    fields: dict[str, str]


def forms_of(answer: httpx.Response) -> list[Form]:
    """The forms of a page, as the simulation's reader reads them; of a field that is there twice, the last."""
    return [Form(each.action, each.method, dict(each.fields)) for each in rendered(answer.text)]


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
