"""A phone in a village: a browser whose line can be cut, with its owner's work on it."""

from __future__ import annotations

import re
from typing import Any

from journey import PASSWORD, PHONE, Site, sign_in
from playwright.sync_api import Browser, Page, expect
from serving import DEADLINE_S, Served
from village_line import Line

from flatwater.queries import read_queries

PIN = "482913"
QUERIES = read_queries(
    """
-- name: forget_results
-- Everybody is to be tested again.
update result set deleted_at = now() where round_id = %(round)s and deleted_at is null
""",
    origin="tests/phone_in_village.py",
)


class Phone:
    """A browser with a line of its own that can be cut."""

    def __init__(self, browser: Browser, site: Site, language: str = "en") -> None:
        self.site = site
        self.line = Line(site.url)
        self.context = browser.new_context(base_url=self.line.url, viewport=PHONE, locale=language)
        self.context.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.language = language

    def page(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console",
            lambda told: self.complaints.append(told.text) if "Content Security" in told.text else None,
        )
        return page

    def set_up(self, name: str = "teacher") -> Page:
        """Signed in, with the work on the phone."""
        page = self.page()
        sign_in(page, name, PASSWORD)
        page.goto(f"/phone/{self.language}")
        page.fill("#f-pin", PIN)
        page.fill("#f-again", PIN)
        page.locator("main form .button").first.click()
        expect(page.locator("#line")).to_be_visible()
        page.evaluate("navigator.serviceWorker.ready")
        page.wait_for_function("navigator.serviceWorker.controller")
        return page

    def cut(self) -> None:
        self.line.cut()
        self.context.set_offline(True)

    def mend(self) -> None:
        self.line.mend()
        self.context.set_offline(False)

    def close(self) -> None:
        self.context.close()
        self.line.close()


async def nobody_tested(served: Served) -> None:
    """Everybody of the cast is to be tested."""
    async with served.database.transaction(deadline_s=DEADLINE_S) as session:
        await session.execute(QUERIES["forget_results"], {"round": served.cast.round})


def unlock(page: Page, pin: str = PIN) -> None:
    page.fill("#f-pin", pin)
    page.locator("main form .button").first.click()


def row_of(page: Page, name: str) -> Any:
    return page.get_by_role("group", name=name, exact=True).first


def tap(page: Page, name: str, level: str) -> None:
    row_of(page, name).get_by_label(level, exact=True).click()


def open_grid(page: Page, text: str = "Grade 3 A Reading") -> None:
    page.locator(".link-row", has_text=re.compile(text)).click()
    expect(page.locator(".grid-row").first).to_be_visible()
