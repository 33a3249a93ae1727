"""What the journeys share: the running service, and the devices with which people use it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page
from serving import Served

PASSWORD = "three words in a row"
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}
START_S = 60
PATIENCE_MS = 30_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Site:
    """The running service: where it is, who is in it, and a way to look into its database."""

    def __init__(self, url: str, served: Served, loop: asyncio.AbstractEventLoop) -> None:
        self.url = url
        self.served = served
        self.cast = served.cast
        self._loop = loop

    def run(self, deed: Callable[[Served], Awaitable[Any]]) -> Any:
        """Does something with the service's parts, on its own loop."""

        async def doing() -> Any:
            return await deed(self.served)

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result(START_S)


class Device:
    """Makes one person's browser windows, and notes what their pages complain of."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser = browser
        self._site = site
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def open(
        self, *, language: str = "en", desk: bool = False, script: bool = True, dark: bool = False
    ) -> Page:
        """A fresh window, signed out."""
        context = self._browser.new_context(
            base_url=self._site.url,
            viewport=DESK if desk else PHONE,
            locale=language,
            java_script_enabled=script,
            color_scheme="dark" if dark else "light",
        )
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and not text.startswith(
            "Failed to load resource: the server responded with a status of 4"
        ):
            self.complaints.append(text)

    def open_as(self, name: str, path: str = "/", **options: Any) -> Page:
        """A window in which somebody of the cast has signed in with name and password."""
        page = self.open(**options)
        sign_in(page, name, PASSWORD)
        if path != "/":
            page.goto(path)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


def sign_in(page: Page, username: str, password: str) -> None:
    """Signs in through the form, and waits for the answer: a page that is closed while one arrives may never end closing (crbug.com/536385539)."""
    page.goto("/sign-in")
    page.fill("#f-username", username)
    page.fill("#f-password", password)
    with page.expect_navigation():
        page.click("main form .button:not([data-reveal])")
