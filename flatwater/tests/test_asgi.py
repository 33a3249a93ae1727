import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
import uvicorn
from network import Onlooker, query
from waiting import until

from flatwater import asgi
from flatwater.answers import Answer, problem
from flatwater.asgi import ContractApp, WebApplication
from flatwater.clock import Clock, StandingClock, SystemClock
from flatwater.contract import (
    Call,
    ContractBroken,
    Created,
    Everyone,
    Html,
    Raw,
    Redirect,
    Registry,
    SignedIn,
    Streamed,
    Upload,
)
from flatwater.errors import DatabaseUnavailable, LockTimeout
from flatwater.paging import Page, PageLimit, PageRequest, page_of
from flatwater.pool import Database
from flatwater.rate_limit import MemoryRateLimiter, RateClass
from flatwater.transaction import ConstraintViolated

pytestmark = pytest.mark.anyio

ANY = RateClass("any", per_s=1_000, burst=1_000)
SCARCE = RateClass("scarce", per_s=1, burst=2)
ADD_NOTE = query("insert into note (author, words) values (%(author)s, %(words)s) returning id")
COUNT_NOTES = query("select count(*) from note")
LIST_NOTES = query("select id, words from note where id > %(after)s order by id limit %(limit)s")
SLEEP = query("select pg_sleep(%(seconds)s)")
READ_ONLY = query("select current_setting('transaction_read_only')")


class Things(msgspec.Struct):
    """What this service works with."""

    database: Database
    clock: Clock
    ended: list[str] = []
    kept: list[Path] = []


class Note(msgspec.Struct):
    id: int
    words: str


class NewNote(msgspec.Struct):
    author: str
    words: str


class ById(msgspec.Struct):
    id: int


class Wait(msgspec.Struct):
    seconds: float = 0.0


class OurApplication(WebApplication[str, Things]):
    """Lets in whoever says a name, and remembers writes that carry a key."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.is_broken = False

    async def authenticate(self, call: Call[str, Things]) -> str | None:
        return call.headers.get("x-name")

    async def recall(self, call: Call[str, Things]) -> Answer | None:
        return self.answers.get(call.headers.get("idempotency-key", ""))

    async def remember(self, call: Call[str, Things], answer: Answer) -> None:
        if key := call.headers.get("idempotency-key"):
            self.answers[key] = answer

    async def explain(self, error: Exception, call: Call[str, Things]) -> Answer:
        if self.is_broken:
            raise DatabaseUnavailable if isinstance(error, LockTimeout) else KeyError("explain")
        if isinstance(error, ConstraintViolated):
            return problem(409, "conflict", error.constraint)
        return await super().explain(error, call)


routes = Registry()
Ask = Call[str, Things]
Handler = Callable[..., Awaitable[Any]]


def route(method: str, path: str, work: str = "read", **more: Any) -> Callable[[Handler], Handler]:
    promised: dict[str, Any] = {"who": Everyone(), "rate": ANY, "deadline_s": 5.0, "work": work}
    return routes.endpoint(method, path, **{**promised, **more})


@route("GET", "/notes", page=PageLimit(default=2, ceiling=10))
async def list_notes(call: Ask, *, page: PageRequest) -> Page[Note]:
    """Notes in order."""
    after = page.key(tuple[int]) or (0,)
    rows = await call.session.fetch_all(LIST_NOTES, {"after": after[0], "limit": page.rows_to_ask}, into=Note)
    return page_of(rows, page, lambda note: (note.id,))


@route("POST", "/notes", "write", body_bytes=1_000, who=SignedIn())
async def add_note(call: Ask, *, body: NewNote, query: Wait) -> Created[Note]:
    """Adds a note."""
    made = await call.session.fetch_value(ADD_NOTE, {"author": body.author, "words": body.words})
    call.cookies_to_set.append("noted=1")
    await call.session.fetch_value(SLEEP, {"seconds": query.seconds})
    return Created(Note(made, body.words), f"/notes/{made}")


@route("POST", "/notes/swallow", "write", body_bytes=1_000)
async def swallow(call: Ask, *, body: NewNote) -> None:
    """Adds a note twice and swallows the refusal."""
    for _ in range(2):
        with contextlib.suppress(ConstraintViolated):
            await call.session.fetch_value(ADD_NOTE, {"author": body.author, "words": body.words})


@route("GET", "/notes/{id}", media=("text/plain",))
async def read_note(call: Ask, *, path: ById) -> Raw:
    """One note."""
    return Raw(b"x" * path.id, "text/plain", headers={"X-Content-Type-Options": "other"})


@route("GET", "/wait", deadline_s=30.0)
async def wait_in_database(call: Ask, *, query: Wait) -> str:
    """Waits in the database."""
    try:
        await call.session.fetch_value(SLEEP, {"seconds": query.seconds})
    except asyncio.CancelledError:
        call.app.ended.append("wait")
        raise
    return "waited"


@route("GET", "/late", deadline_s=0.1)
async def late(call: Ask) -> None:
    """Takes longer than it may, in the database."""
    await call.session.fetch_value(SLEEP, {"seconds": 10})


@route("GET", "/late/without", "none", deadline_s=0.1)
async def late_without(call: Ask) -> None:
    """Takes longer than it may, without a session."""
    await asyncio.sleep(10)


@route("POST", "/apart", "none", body_bytes=100)
async def work_apart(call: Ask, *, body: Wait) -> None:
    """Writes in a transaction of its own."""

    async def write(session: Any) -> None:
        await session.fetch_value(ADD_NOTE, {"author": "apart", "words": "written"})
        await session.fetch_value(SLEEP, {"seconds": body.seconds})

    await call.database.run(write, deadline_s=5)


@route("GET", "/mode")
async def mode(call: Ask) -> str:
    """Whether this reads only."""
    return await call.session.fetch_value(READ_ONLY, {})


@route("GET", "/bug")
async def bug(call: Ask) -> None:
    """Holds a mistake."""
    call.cookies_to_set.append("signed_in=1")
    raise ZeroDivisionError("ours")


@route("GET", "/busy")
async def busy(call: Ask) -> None:
    """Is refused."""
    raise LockTimeout(retry_after_s=3)


@route("GET", "/page")
async def page(call: Ask) -> Html:
    """A page."""
    return Html("<p>ក</p>", headers={"x-more": "1"})


@route("GET", "/go")
async def go(call: Ask) -> Redirect:
    """Sends people on."""
    return Redirect("/notes?search=ក\r\nx: y")


@route("GET", "/header", media=("text/plain",))
async def bad_header(call: Ask) -> Raw:
    """Would end a header's line early."""
    return Raw(b"", "text/plain", headers={"content-disposition": "a\r\nset-cookie: x=y"})


@route("GET", "/scarce", rate=SCARCE)
async def scarce(call: Ask) -> None:
    """May be asked twice."""


@route("POST", "/scarce", "none", rate=SCARCE, body_bytes=100)
async def scarce_body(call: Ask, *, body: Wait) -> None:
    """May be asked twice."""


@route("POST", "/files", "none", body_bytes=5_000)
async def send_file(call: Ask, *, upload: Upload) -> int:
    """Takes a file."""
    call.app.kept.append(upload.path)
    assert upload.path.exists()
    if upload.filename == "bug.csv":
        raise ZeroDivisionError("ours")
    return upload.size_bytes


@route("GET", "/stream", "none", media=("text/csv",))
async def stream(call: Ask, *, query: Wait) -> Streamed:
    """Is made while it is sent."""

    async def pieces() -> AsyncIterator[bytes]:
        try:
            for _ in range(3 if not query.seconds else 1_000_000):
                yield b"line\n"
                await asyncio.sleep(query.seconds)
        finally:
            call.app.ended.append("stream")

    return Streamed(pieces(), "text/csv")


@route("GET", "/stream/broken", "none", media=("text/csv",))
async def broken_stream(call: Ask) -> Streamed:
    """Breaks in the middle."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"line\n"
        raise ZeroDivisionError("ours")

    return Streamed(pieces(), "text/csv")


class Served(msgspec.Struct):
    """The service over a real socket, what it works with, and one client."""

    app: ContractApp[str, Things]
    application: OurApplication
    things: Things
    client: httpx.AsyncClient
    port: int

    async def send(self, text: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Says this to the server and leaves the connection open."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(text.replace("\n", "\r\n").encode())
        await writer.drain()
        return reader, writer


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leaves pytest's alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


class Socket(msgspec.Struct):
    """A real server on a real socket, which stops too slowly to be started for each test."""

    port: int = 0
    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="module")
async def listening(anyio_backend: object) -> AsyncIterator[Socket]:
    opened = Socket()
    server = _Server(uvicorn.Config(opened, port=0, log_config=None, access_log=False, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    opened.port = server.servers[0].sockets[0].getsockname()[1]
    yield opened
    server.should_exit = True
    await serving


@pytest.fixture
async def served(listening: Socket, database: Database) -> AsyncIterator[Served]:
    things = Things(database, SystemClock())

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[Things]:
        yield things

    application = OurApplication()
    listening.app = app = ContractApp(routes, application, lifespan)
    async with app.running(), httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.port}") as client:
        yield Served(app, application, things, client, listening.port)


AS_SOK = {"x-name": "Sok"}
NOTE = {"author": "Sok", "words": "ក"}


# --- answers


async def test_reading_and_writing_work_end_to_end(served: Served) -> None:
    made = [
        await served.client.post("/notes", json={**NOTE, "words": str(n)}, headers=AS_SOK) for n in range(3)
    ]
    assert [answer.status_code for answer in made] == [201] * 3
    assert made[0].headers["location"] == f"/notes/{made[0].json()['id']}"
    assert made[0].headers["set-cookie"] == "noted=1"
    first = (await served.client.get("/notes")).json()
    assert [note["words"] for note in first["items"]] == ["0", "1"]
    second = (await served.client.get("/notes", params={"after": first["next"]})).json()
    assert ([note["words"] for note in second["items"]], second["next"]) == (["2"], None)


async def test_a_read_is_read_only(served: Served) -> None:
    assert (await served.client.get("/mode")).json() == "on"


async def test_every_answer_has_the_house_headers_unless_it_says_otherwise(served: Served) -> None:
    page = await served.client.get("/page")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-more"] == "1"
    one = await served.client.get("/notes/5")
    assert one.headers.get_list("x-content-type-options") == ["other"]
    assert one.headers["content-length"] == "5"


async def test_head_tells_what_get_would_without_the_content(served: Served) -> None:
    answer = await served.client.head("/notes/5")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "5")
    assert (await served.client.head("/nothing")).content == b""
    assert (await served.client.head("/stream")).content == b""
    await until(lambda: served.things.ended == [])
    assert (await served.client.get("/notes/5")).content == b"xxxxx"


async def test_nothing_to_say_has_neither_type_nor_length(served: Served) -> None:
    answer = await served.client.get("/scarce")
    assert answer.status_code == 204
    assert "content-length" not in answer.headers
    assert "content-type" not in answer.headers


async def test_addresses_and_methods_that_are_not_there(served: Served) -> None:
    nowhere = await served.client.get("/nowhere")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    wrong = await served.client.put("/notes", json={})
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST, HEAD")
    assert wrong.headers["content-type"] == "application/problem+json"
    assert (await served.client.get("/notes/")).status_code == 404
    assert (await served.client.get("/notes/5%00")).status_code == 404


async def test_an_address_that_people_are_sent_to_cannot_carry_a_header(served: Served) -> None:
    answer = await served.client.get("/go")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/notes?search=%E1%9E%80%0D%0Ax:%20y"
    assert "x" not in answer.headers


async def test_a_header_that_would_end_its_line_is_a_mistake_of_ours(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await served.client.get("/header")
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert "set-cookie" not in answer.headers
    assert len(caplog.records) == 1


# --- refusals


async def test_what_nobody_expected_is_logged_once_and_told_without_details(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await served.client.get("/bug")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "ours" not in answer.text
    assert "set-cookie" not in answer.headers
    errors = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(errors) == 1
    assert answer.json()["id"] in errors[0].getMessage()
    assert errors[0].exc_info is not None


async def test_what_is_expected_is_not_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    answers = [
        await served.client.get("/busy"),
        await served.client.get("/late"),
        await served.client.get("/late/without"),
        await served.client.post("/notes", json={"author": 1}, headers=AS_SOK),
        await served.client.get("/notes?after=damaged"),
        await served.client.get("/notes?limit=11"),
        await served.client.post("/notes", content=b"{", headers=AS_SOK),
        await served.client.post("/notes", json={"author": "a", "words": "a\0"}, headers=AS_SOK),
        await served.client.get("/notes/x"),
        await served.client.post("/notes", json=NOTE),
    ]
    told = [(answer.status_code, answer.json()["code"], answer.json().get("where")) for answer in answers]
    assert told == [
        (409, "lock_timeout", None),
        (504, "deadline_exceeded", None),
        (504, "deadline_exceeded", None),
        (422, "input_invalid", "body.author"),
        (422, "bad_cursor", "query.after"),
        (422, "input_invalid", "query.limit"),
        (422, "input_invalid", "body"),
        (422, "input_invalid", "body.words"),
        (422, "input_invalid", "path.id"),
        (401, "not_signed_in", None),
    ]
    assert answers[0].headers["retry-after"] == "3"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_explanation_that_fails_is_an_answer_too(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.application.is_broken = True
    assert (await served.client.get("/bug")).json()["code"] == "unexpected"
    assert len(caplog.records) == 1
    assert "ZeroDivisionError" in caplog.text
    assert (await served.client.get("/busy")).json()["code"] == "database_unavailable"
    assert len(caplog.records) == 1


async def test_a_write_that_is_refused_leaves_nothing(served: Served, onlooker: Onlooker) -> None:
    assert (await served.client.post("/notes", json=NOTE, headers=AS_SOK)).status_code == 201
    again = await served.client.post("/notes", json=NOTE, headers=AS_SOK)
    assert (again.status_code, again.json()["detail"]) == (409, "note_is_unique")
    assert "set-cookie" not in again.headers
    assert await onlooker.value("select count(*) from note") == 1


async def test_a_swallowed_refusal_is_not_told_as_success(
    served: Served, onlooker: Onlooker, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await served.client.post("/notes/swallow", json=NOTE)
    assert answer.status_code == 500
    assert "swallowed" in caplog.text
    assert await onlooker.value("select count(*) from note") == 0


async def test_a_write_sent_again_is_done_once(served: Served, onlooker: Onlooker) -> None:
    headers = {**AS_SOK, "idempotency-key": "k1"}
    first, second = [await served.client.post("/notes", json=NOTE, headers=headers) for _ in range(2)]
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert second.headers["location"] == first.headers["location"]
    assert await onlooker.value("select count(*) from note") == 1


async def test_who_asks_too_often_is_told_when_to_come_back(served: Served) -> None:
    answers = [await served.client.get("/scarce") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 429]
    assert answers[2].json()["code"] == "too_many_requests"
    assert answers[2].headers["retry-after"] == "1"


async def test_who_asks_too_often_is_refused_before_the_body_is_read(served: Served) -> None:
    for _ in range(2):
        await served.client.get("/scarce")
    reader, writer = await served.send("POST /scarce HTTP/1.1\nhost: x\ncontent-length: 50\n\n")
    async with asyncio.timeout(1):
        assert b"429" in await reader.readline()
    writer.close()


# --- bodies


async def test_a_body_over_its_ceiling_is_refused(served: Served) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    declared = await served.client.post("/notes", content=b" " * 1_001, headers=AS_SOK)
    chunked = await served.client.post("/notes", content=pieces(), headers=AS_SOK)
    for answer in (declared, chunked):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_big")
        assert "retry-after" not in answer.headers


async def test_a_body_that_does_not_arrive_ends_the_connection(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flatwater.inputs.BODY_READ_S", 0.05)
    reader, writer = await served.send("POST /scarce HTTP/1.1\nhost: x\ncontent-length: 50\n\n{")
    async with asyncio.timeout(2):
        told = await reader.read()
    assert told.startswith(b"HTTP/1.1 408 ")
    assert b'"too_slow"' in told
    writer.close()


async def test_no_connection_is_held_while_a_body_arrives(served: Served) -> None:
    open_ones = [
        await served.send("POST /notes HTTP/1.1\nhost: x\nx-name: Sok\ncontent-length: 30\n\n{")
        for _ in range(10)
    ]
    assert (await served.client.get("/mode")).json() == "on"
    for _, writer in open_ones:
        writer.close()


@pytest.mark.parametrize(("name", "status"), [("a.csv", 200), ("bug.csv", 500)])
async def test_an_uploaded_file_is_deleted_however_it_ends(served: Served, name: str, status: int) -> None:
    answer = await served.client.post("/files", files={"file": (name, b"a,b")})
    assert answer.status_code == status
    assert len(served.things.kept) == 1
    assert not served.things.kept[0].exists()


async def test_a_broken_upload_is_the_senders_mistake(served: Served) -> None:
    broken = {"content-type": "multipart/form-data; boundary=x"}
    answer = await served.client.post("/files", content=b"nonsense", headers=broken)
    assert (answer.status_code, answer.json()["where"]) == (422, "form")
    none = await served.client.post("/files", json={})
    assert (none.status_code, none.json()["where"]) == (422, "upload")


# --- clients that leave


async def test_a_client_that_leaves_ends_its_query_on_the_server(served: Served, onlooker: Onlooker) -> None:
    _, writer = await served.send("GET /wait?seconds=20 HTTP/1.1\nhost: x\n\n")
    await onlooker.wait_until_running("flatwater", "pg_sleep")
    writer.close()
    await onlooker.wait_until_running("flatwater", "pg_sleep", count=0)
    await until(lambda: served.app.clients_left == 1)
    assert served.things.ended == ["wait"]
    assert (await served.client.get("/mode")).json() == "on"


async def test_a_receiver_that_gives_empty_bodies_without_end_holds_nobody_up(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen: the loop went round in the watch for the client's leaving, and the process answered nobody any more."""
    heard, said = 0, b""

    async def receive() -> Any:
        nonlocal heard
        heard += 1
        assert heard < 10 * asgi.MOST_MESSAGES, "the watch goes round and lets nobody else work"
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal said
        said += message.get("body", b"")

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/wait",
        "raw_path": b"/wait",
        "query_string": b"seconds=0.3",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    await served.app(scope, receive, send)
    assert said == b'"waited"'
    assert heard <= asgi.MOST_MESSAGES + 2
    assert "nobody watches" in caplog.text


async def test_a_write_is_finished_when_its_client_leaves(served: Served, onlooker: Onlooker) -> None:
    body = json.dumps(NOTE)
    _, writer = await served.send(
        f"POST /notes?seconds=0.2 HTTP/1.1\nhost: x\nx-name: Sok\ncontent-length: {len(body)}\n\n{body}"
    )
    await onlooker.wait_until_running("flatwater", "pg_sleep")
    writer.close()
    await onlooker.wait_until_running("flatwater", "pg_sleep", count=0)
    async with asyncio.timeout(2):
        while await onlooker.value("select count(*) from note") == 0:
            await asyncio.sleep(0.01)


async def test_a_write_without_our_session_is_finished_too(served: Served, onlooker: Onlooker) -> None:
    _, writer = await served.send('POST /apart HTTP/1.1\nhost: x\ncontent-length: 16\n\n{"seconds": 0.2}')
    await onlooker.wait_until_running("flatwater", "pg_sleep")
    writer.close()
    async with asyncio.timeout(2):
        while await onlooker.value("select count(*) from note") == 0:
            await asyncio.sleep(0.01)


async def test_a_client_that_leaves_before_its_body_was_there_is_counted(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await served.send("POST /scarce HTTP/1.1\nhost: x\ncontent-length: 50\n\n{")
    await asyncio.sleep(0.05)
    writer.close()
    await until(lambda: served.app.clients_left == 1)
    assert not caplog.records


async def test_a_stream_is_sent_to_its_end_and_closed(served: Served) -> None:
    answer = await served.client.get("/stream")
    assert (answer.text, answer.headers["content-type"]) == ("line\n" * 3, "text/csv")
    assert served.things.ended == ["stream"]


async def test_a_stream_is_closed_when_its_client_leaves(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await served.send("GET /stream?seconds=0.01 HTTP/1.1\nhost: x\n\n")
    await reader.readuntil(b"line")
    writer.close()
    await until(lambda: served.things.ended == ["stream"])
    assert served.app.clients_left == 1
    assert not caplog.records


async def test_a_stream_that_breaks_is_cut_short_for_all_to_see(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await served.client.get("/stream/broken")
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_clients_that_leave_at_any_moment_leave_the_service_whole(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asgi, "WATCH_AFTER_S", 0.0)

    async def leave(number: int) -> None:
        _, writer = await served.send("GET /wait?seconds=0.02 HTTP/1.1\nhost: x\n\n")
        await asyncio.sleep(number % 40 / 1_000)
        writer.close()

    for batch in range(5):
        await asyncio.gather(*(leave(batch * 20 + number) for number in range(20)))
    await until(lambda: served.things.database.statistics().waiting == 0)
    answers = await asyncio.gather(*(served.client.get("/mode") for _ in range(20)))
    assert {answer.json() for answer in answers} == {"on"}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# --- the application itself


async def test_a_service_with_a_gap_does_not_start() -> None:
    broken = Registry()

    async def silent(call: Any) -> None: ...

    broken.endpoint("GET", "/", who=Everyone(), rate=ANY, deadline_s=1, work="none")(silent)
    with pytest.raises(ContractBroken, match="no summary"):
        ContractApp(broken, OurApplication(), cast("Any", None))


async def _lived(app: ContractApp[Any, Any], *messages: str) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    heard = iter(messages)

    async def receive() -> dict[str, Any]:
        return {"type": next(heard)}

    async def send(message: Any) -> None:
        said.append(dict(message))

    await app({"type": "lifespan"}, receive, send)
    return said


async def test_starting_and_closing_are_told_as_they_went(caplog: pytest.LogCaptureFixture) -> None:
    happened: list[str] = []

    def app(*, starts: bool = True, closes: bool = True) -> ContractApp[Any, Any]:
        @contextlib.asynccontextmanager
        async def lifespan() -> AsyncIterator[Any]:
            if not starts:
                raise OSError("no disk")
            happened.append("opened")
            yield object()
            happened.append("closed")
            if not closes:
                raise OSError("no disk")

        return ContractApp(routes, OurApplication(), lifespan)

    both = ("lifespan.startup", "lifespan.shutdown")
    assert [each["type"] for each in await _lived(app(), *both)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert happened == ["opened", "closed"]
    assert await _lived(app(starts=False), *both) == [
        {"type": "lifespan.startup.failed", "message": "no disk"}
    ]
    assert (await _lived(app(closes=False), *both))[-1]["type"] == "lifespan.shutdown.failed"
    assert len(caplog.records) == 2


async def test_other_addresses_go_to_whoever_serves_them() -> None:
    asked: list[str] = []

    async def otherwise(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])

    app = ContractApp(routes, OurApplication(), cast("Any", None), otherwise=otherwise)
    await app(
        {"type": "http", "method": "GET", "path": "/static/app.css"}, cast("Any", None), cast("Any", None)
    )
    assert asked == ["/static/app.css"]
    with pytest.raises(RuntimeError, match="lifespan has not started"):
        await app({"type": "http", "method": "GET", "path": "/mode"}, cast("Any", None), cast("Any", None))


async def test_a_web_socket_is_turned_away() -> None:
    said: list[str] = []

    async def send(message: Any) -> None:
        said.append(message["type"])

    await ContractApp(routes, OurApplication(), cast("Any", None))(
        {"type": "websocket"}, cast("Any", None), send
    )
    assert said == ["websocket.close"]


async def test_rates_are_counted_by_the_clock_of_the_limiter(database: Database) -> None:
    clock = StandingClock(SystemClock().now())

    @contextlib.asynccontextmanager
    async def lifespan() -> AsyncIterator[Things]:
        yield Things(database, clock)

    app = ContractApp(routes, OurApplication(), lifespan, limiter=MemoryRateLimiter(clock=clock))
    async with (
        app.running(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client,
    ):
        statuses = [(await client.get("/scarce")).status_code for _ in range(3)]
        clock.advance(1)
        statuses.append((await client.get("/scarce")).status_code)
    assert statuses == [204, 204, 429, 204]
