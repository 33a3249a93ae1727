"""A real browser on the real service: uvicorn on a free port, over a database of its own with the cast in it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from find_browser import ADVICE, browser_path
from journey import FLAGS, PASSWORD, PATIENCE_MS, START_S, Device, Site
from people import sign_in_again
from phone_in_village import Phone, nobody_tested
from playwright.sync_api import Browser, expect, sync_playwright
from serving import OneDatabase, Served, serving

from flatwater.queries import read_queries
from rightlevel.programme.accounts import PasswordHasher, set_admins_need_second_factor

QUERIES = read_queries(
    """
-- name: give_password
-- Lets everybody of the cast sign in.
update person set password_hash = %(password_hash)s where password_hash is null
-- name: everybody_reads_english
-- Undoes the choices of earlier journeys.
update person set language = 'en' where language <> 'en'
-- name: nobody_is_held_up
-- Forgets the wrong passwords of earlier journeys, which hold an account up at the one address that they all have.
delete from sign_in_failure
-- name: nobody_is_signed_in
-- Ends the sessions of earlier journeys: a person has so many at most, and one more would end the cast's own, which are the oldest.
delete from person_session
-- name: nobody_keeps_a_phone
-- Forgets the phones of earlier journeys: a person has twenty at most, and where the clock stands still any of them may be the oldest.
delete from person_phone
""",
    origin="tests/journeys/conftest.py",
)


@pytest.fixture(scope="session")
def running_site(
    new_database: Callable[[], OneDatabase], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with _running(new_database(), tmp_path_factory.mktemp("journeys")) as site:
        yield site


@pytest.fixture(scope="session")
def running_over() -> Callable[[OneDatabase, Path], AbstractContextManager[Site]]:
    """Runs a service of one's own, for what would be in the way of the other journeys."""
    return _running


@contextmanager
def _running(database: OneDatabase, folder: Path) -> Iterator[Site]:
    """The service on a free port, in a thread with a loop of its own."""
    started: list[Site | BaseException] = []
    is_started, stop = threading.Event(), threading.Event()

    def live() -> None:
        try:
            asyncio.run(_live(database, folder, started, is_started, stop))
        except BaseException as error:
            started.insert(0, error)
            is_started.set()
            raise

    thread = threading.Thread(target=live, name="site", daemon=True)
    thread.start()
    assert is_started.wait(START_S), "the service did not start"
    if isinstance(started[0], BaseException):
        raise started[0]
    yield started[0]
    stop.set()
    thread.join(START_S)


async def _live(
    database: OneDatabase,
    folder: Path,
    started: list[Any],
    is_started: threading.Event,
    stop: threading.Event,
) -> None:
    async with serving(database, folder) as served:
        await _give_passwords(served)
        async with _listening(served) as url:
            started.append(Site(url, served, asyncio.get_running_loop()))
            is_started.set()
            while not stop.is_set():
                await asyncio.sleep(0.05)


async def _give_passwords(served: Served) -> None:
    hasher = PasswordHasher()
    password_hash = await hasher.hash(PASSWORD)
    hasher.close()
    async with served.database.transaction(deadline_s=START_S) as session:
        await session.execute(QUERIES["give_password"], {"password_hash": password_hash})
        await set_admins_need_second_factor(session, None, is_needed=False)


@asynccontextmanager
async def _listening(served: Served) -> AsyncIterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            served.app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        serving_task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving_task


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the run."""
    path = browser_path()
    if path is None:
        pytest.fail(ADVICE)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def device(browser: Browser, site: Site) -> Iterator[Device]:
    """Windows for one test; a page that complains (an error, a blocked script) fails it."""
    opened = Device(browser, site)
    yield opened
    opened.close()
    assert opened.complaints == []


@pytest.fixture
def phone(browser: Browser, site: Site) -> Iterator[Phone]:
    """A phone of a village, before anybody was tested; a page that complains fails its test."""
    site.run(nobody_tested)
    opened = Phone(browser, site)
    yield opened
    opened.close()
    assert opened.complaints == []


@pytest.fixture
def site(running_site: Site) -> Site:
    """The service, without what an earlier journey left: everybody reads English, nobody is held up by another's wrong
    passwords, and of all sessions there are those of the cast."""
    running_site.run(_begin_anew)
    return running_site


async def _begin_anew(served: Served) -> None:
    async with served.database.transaction(deadline_s=START_S) as session:
        for each in (
            "everybody_reads_english",
            "nobody_is_held_up",
            "nobody_is_signed_in",
            "nobody_keeps_a_phone",
        ):
            await session.execute(QUERIES[each], {})
        await sign_in_again(session, served.cast)
