"""Every link and every search form that a page shows leads somewhere: its address takes all the names that it sends.

Unknown names are refused by name; so a link that a page makes with a name that its address doesn't take would be a dead one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import pytest
from fill_school import fill_school, ground
from serving import DEADLINE_S, NewDatabase, Served, serving

from flatwater.routing import Routes
from rightlevel.web.app import all_routes
from rightlevel.web.operations import pages as operations

pytestmark = pytest.mark.anyio

ROUTES = Routes(all_routes())
ROLES = ("admin", "mentor", "teacher")
MOST = 200
"""How many pages a walk may open for one role; a page is opened once for each set of names."""


class Ways(HTMLParser):
    """Where a page leads: its links, and its forms that ask, with each name that they send."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._action: str | None = None
        self._names: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = {name: value or "" for name, value in attrs}
        if tag == "a" and at.get("href"):
            self.found.add(at["href"])
        elif "hx-get" in at:
            self.found.add(at["hx-get"])
        if tag == "form" and at.get("method", "get").lower() == "get":
            self._action, self._names = at.get("action", ""), {}
        elif tag in ("input", "select", "textarea", "button") and self._action is not None and at.get("name"):
            self._names[at["name"]] = at.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._action is not None:
            path = self._action.partition("?")[0]
            self.found.add(f"{path}?{urlencode(self._names)}")
            self._action = None


@pytest.fixture(scope="module")
async def full(
    new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory, anyio_backend: object
) -> AsyncIterator[Served]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(operations, "STREAM_S", 0.05)
        async with serving(new_database(), tmp_path_factory.mktemp("links")) as opened:
            async with opened.database.transaction(deadline_s=DEADLINE_S) as session:
                await fill_school(session, opened.cast.school_a, await ground(session, opened.cast))
            yield opened


def sort_of(address: str) -> tuple[str, frozenset[str]] | None:
    """The route that an address leads to, with the names it sends; None for another site, a file or a mark in the page."""
    parts = urlsplit(address)
    if parts.netloc not in ("", "test") or parts.path.startswith("/static/"):
        return None
    match = ROUTES.match("GET", parts.path)
    if match is None or match.endpoint is None:
        return (f"nothing at {parts.path}", frozenset())
    return match.endpoint.name, frozenset(name for name, _ in parse_qsl(parts.query, keep_blank_values=True))


@pytest.mark.walk
async def test_no_page_shows_a_link_that_its_address_refuses(full: Served) -> None:
    refused: list[str] = []
    every: set[tuple[str, frozenset[str]]] = set()
    for role in ROLES:
        waiting, seen = ["/"], set[tuple[str, frozenset[str]]]()
        async with full.client(role, by="cookie") as client:
            while waiting and len(seen) < MOST:
                address = waiting.pop()
                kind = sort_of(address)
                if kind is None or kind in seen:
                    continue
                seen.add(kind)
                answer = await client.get(address)
                is_refused = "does not take" in answer.text or "sent more than once" in answer.text
                # A catalogue holds every text of ours, and these two.
                is_catalogue = "gettext" in answer.headers.get("content-type", "")
                if (is_refused and not is_catalogue) or answer.status_code >= 500:
                    refused.append(f"{role}: {address} -> {answer.status_code}")
                if not answer.headers.get("content-type", "").startswith("text/html"):
                    continue
                ways = Ways()
                ways.feed(answer.text)
                waiting += [urljoin(address, way) for way in sorted(ways.found)]
                if answer.status_code == 303:
                    waiting.append(urljoin(address, answer.headers["location"]))
        every |= seen
    assert refused == []
    assert len(every) > 90, len(every)
