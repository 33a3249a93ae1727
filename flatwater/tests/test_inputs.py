import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import pytest
from starlette.types import Message, Receive

from flatwater import inputs
from flatwater.contract import Call, Endpoint, Everyone, Registry, Sent, Upload
from flatwater.errors import TooBig, TooSlow
from flatwater.inputs import (
    MAX_FIELDS,
    ClientLeft,
    FormInvalid,
    InputInvalid,
    SentTwice,
    UnknownField,
    decode_inputs,
    parse_fields,
    read_sent,
)
from flatwater.paging import PageLimit, PageRequest
from flatwater.rate_limit import RateClass

pytestmark = pytest.mark.anyio
RATE = RateClass("any", per_s=1, burst=1)
CEILING = 1_000
BOUNDARY = b"--line"


@pytest.fixture(autouse=True)
def spools_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every test here ends its request, which gives its room back."""
    monkeypatch.setattr(inputs, "SPOOLS", inputs.Spools(600_000_000))


class Sex(Enum):
    GIRL = "girl"
    BOY = "boy"


class Child(msgspec.Struct):
    name: str
    age: int = 0
    marks: dict[str, int] = {}


class Search(msgspec.Struct):
    grade: int | None = None
    sexes: list[Sex] = []
    schools: list[int] | None = None
    numbers: Annotated[list[int], msgspec.Meta(max_length=3)] | None = None
    pair: tuple[int, int] | None = None
    search: str = ""
    is_deleted: bool = msgspec.field(default=False, name="deleted")


class Id(msgspec.Struct):
    id: int


def endpoint(kinds: dict[str, Any], *, body_bytes: int = CEILING, page: PageLimit | None = None) -> Endpoint:
    async def handler(call: Any, **_inputs: Any) -> None:
        """A route."""

    return Endpoint(
        name="asked",
        method="POST",
        path="/a",
        summary="A route.",
        who=Everyone(),
        rate=RATE,
        deadline_s=1,
        work="none",
        handler=handler,
        inputs=kinds,
        output=None,
        body_bytes=body_bytes,
        page=page,
    )


def arriving(chunks: Iterable[bytes], *, then_leaves: bool = False) -> Receive:
    async def messages() -> AsyncIterator[Message]:
        for chunk in chunks:
            yield {"type": "http.request", "body": chunk, "more_body": True}
        if not then_leaves:
            yield {"type": "http.request", "body": b"", "more_body": False}
        yield {"type": "http.disconnect"}

    iterator = messages()

    async def receive() -> Message:
        return await anext(iterator)

    return receive


async def read(kinds: dict[str, Any], chunks: Iterable[bytes], **headers: str) -> Sent:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return await read_sent(endpoint(kinds), {"type": "http", "headers": raw}, arriving(chunks), named)


def decoded(
    kinds: dict[str, Any],
    *,
    sent: Sent | None = None,
    query: str = "",
    path: dict[str, str] | None = None,
    page: PageLimit | None = None,
) -> dict[str, Any]:
    call: Call[None, None] = Call(
        endpoint=endpoint(kinds, page=page),
        app=None,
        database=cast("Any", None),
        clock=cast("Any", None),
        headers={},
        path="/a",
        query_string=query,
        address="",
        request_id="",
    )
    call.sent = sent or Sent()
    return decode_inputs(call, path or {})


def parts(*each: tuple[str, str | None, bytes]) -> bytes:
    """A multipart body: name, file name or None, content."""
    lines: list[bytes] = []
    for name, filename, content in each:
        file = f'; filename="{filename}"' if filename is not None else ""
        lines += [BOUNDARY, f'Content-Disposition: form-data; name="{name}"{file}'.encode(), b"", content]
    return b"\r\n".join([*lines, BOUNDARY + b"--", b""])


MULTIPART = "multipart/form-data; boundary=line"


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that uploads are kept in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


# --- what is read, and within which bounds


async def test_a_body_up_to_its_ceiling_is_read_whole() -> None:
    assert (await read({"body": Child}, [b"x" * 600, b"y" * 400])).content == b"x" * 600 + b"y" * 400
    assert (await read({"body": Child}, [b"x"] * CEILING)).content == b"x" * CEILING
    assert (await read({"body": Child}, [])).content == b""


async def test_a_body_over_its_ceiling_is_refused_by_what_it_says_of_itself() -> None:
    with pytest.raises(TooBig, match="At most 1,000 bytes"):
        await read({"body": Child}, [b"never read"], content_length="1001")
    with pytest.raises(TooBig):
        await read({"body": Child}, [], content_length="9" * 5_000)


@pytest.mark.parametrize("says", ["", "5", "²", "-1", "abc", "1e9"])
async def test_a_body_over_its_ceiling_is_refused_whatever_it_says_of_itself(says: str) -> None:
    with pytest.raises(TooBig):
        await read({"body": Child}, [b"x" * 600] * 2, content_length=says)


async def test_no_more_of_a_body_is_taken_than_its_ceiling_and_one_piece() -> None:
    taken = 0

    def endless() -> Iterable[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100

    with pytest.raises(TooBig):
        await read({"form": Child}, endless())
    assert taken == 11


async def test_a_body_is_not_read_where_none_is_taken() -> None:
    async def receive() -> Message:
        raise AssertionError("read")

    assert await read_sent(endpoint({}, body_bytes=0), {"type": "http"}, receive, {}) == Sent()


async def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "BODY_READ_S", 0.05)

    async def receive() -> Message:
        await asyncio.sleep(0.02)
        return {"type": "http.request", "body": b"x", "more_body": True}

    with pytest.raises(TooSlow):
        await read_sent(endpoint({"body": Child}), {"type": "http"}, receive, {})


async def test_a_client_that_leaves_in_the_middle_is_no_mistake_of_its_form(uploads: Path) -> None:
    for kinds in ({"body": Child}, {"form": Child}, {"upload": Upload}):
        scope = {"type": "http", "headers": [(b"content-type", MULTIPART.encode())]}
        receive = arriving([parts(("file", "a.csv", b"a"))[:70]], then_leaves=True)
        with pytest.raises(ClientLeft):
            await read_sent(endpoint(kinds), scope, receive, {})
    assert not list(uploads.iterdir())


# --- uploads


async def test_an_uploaded_file_is_on_disk_until_it_is_discarded(uploads: Path) -> None:
    body = parts(("kind", None, b"schools"), ("file", "សិស្ស.csv", b"a,b\r\n1,2"), ("kind", None, b"again"))
    sent = await read({"form": Child, "upload": Upload}, [body[:90], body[90:]], content_type=MULTIPART)
    assert sent.upload is not None
    assert (sent.upload.filename, sent.upload.size_bytes) == ("សិស្ស.csv", 8)
    assert sent.upload.path.read_bytes() == b"a,b\r\n1,2"
    assert sent.fields == {"kind": ["schools", "again"]}
    assert inputs.SPOOLS.held_bytes > 0
    sent.discard()
    sent.discard()
    assert inputs.SPOOLS.held_bytes == 0, "its room goes back once"
    assert not list(uploads.iterdir())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\teacher\\marks.xlsx", "marks.xlsx"),
        ("a\x07b.csv", "ab.csv"),
        ("..", "file"),
        ("/", "file"),
    ],
)
async def test_an_uploaded_file_keeps_only_the_plain_part_of_its_name(
    given: str, kept: str, uploads: Path
) -> None:
    sent = await read(
        {"upload": Upload}, [parts(("file", given.replace("\\", "\\\\"), b"x"))], content_type=MULTIPART
    )
    assert sent.upload is not None
    assert sent.upload.filename == kept
    assert sent.upload.path.parent == uploads
    sent.discard()


async def test_an_upload_over_its_ceiling_leaves_no_file(uploads: Path) -> None:
    body = parts(("file", "big.csv", b"x" * 5_000))
    with pytest.raises(TooBig):
        await read({"upload": Upload}, [body[:900], body[900:]], content_type=MULTIPART)
    assert not list(uploads.iterdir())


async def test_two_files_are_refused_and_leave_none(uploads: Path) -> None:
    body = parts(("file", "a.csv", b"a"), ("file", "b.csv", b"b"))
    with pytest.raises(InputInvalid, match="Too many files"):
        await read({"upload": Upload}, [body], content_type=MULTIPART)
    assert not list(uploads.iterdir())


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", parts(("file", "a", b"a"))),
        (MULTIPART, b"nonsense"),
        (MULTIPART, b"--line\r\nContent-Disposition: form-data\r\n\r\nx\r\n--line--\r\n"),
        (MULTIPART, b"--line\r\nno colon\r\n\r\nx\r\n--line--\r\n"),
        ("multipart/form-data; boundary=" + "b" * 500, b"--" + b"b" * 500),
    ],
)
async def test_a_broken_form_is_the_senders_mistake(content_type: str, body: bytes, uploads: Path) -> None:
    with pytest.raises(InputInvalid) as invalid:
        await read({"upload": Upload}, [body], content_type=content_type)
    assert invalid.value.where == "form"
    assert not list(uploads.iterdir())


async def test_too_many_fields_of_a_multipart_form_are_refused() -> None:
    body = parts(*(("a", None, b"") for _ in range(MAX_FIELDS + 1)))
    wide = endpoint({"upload": Upload}, body_bytes=10_000_000)
    scope = {"type": "http", "headers": [(b"content-type", MULTIPART.encode())]}
    with pytest.raises(InputInvalid, match="Too many fields"):
        await read_sent(wide, scope, arriving([body]), {})


async def test_a_framework_around_us_does_not_answer_for_us() -> None:
    scope = {"type": "http", "headers": [(b"content-type", b"multipart/form-data")], "app": object()}
    with pytest.raises(InputInvalid):
        await read_sent(endpoint({"upload": Upload}), scope, arriving([b"x"]), {})


async def test_a_cancelled_upload_leaves_no_file(uploads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    began = asyncio.Event()

    async def never(*_: object) -> int:
        began.set()
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr(asyncio, "to_thread", never)
    body = parts(("file", "a.csv", b"a"))
    task = asyncio.create_task(read({"upload": Upload}, [body], content_type=MULTIPART))
    await began.wait()
    assert len(list(uploads.iterdir())) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list(uploads.iterdir())


async def test_a_form_without_a_chosen_file_has_no_upload() -> None:
    sent = await read({"upload": Upload | None}, [parts(("file", "", b""))], content_type=MULTIPART)
    assert sent.upload is None
    assert decoded({"upload": Upload | None}, sent=sent) == {"upload": None}
    with pytest.raises(InputInvalid, match="Please send a file") as invalid:
        decoded({"upload": Upload}, sent=sent)
    assert invalid.value.where == "upload"


# --- what it means


def test_fields_keep_their_order_repeats_and_blanks() -> None:
    assert parse_fields("b=2&a=1&b=&c=%E1%9E%80+x&d", where="query") == {
        "b": ["2", ""],
        "a": ["1"],
        "c": ["ក x"],
        "d": [""],
    }
    assert parse_fields("", where="query") == {}


def test_fields_are_bounded_in_number() -> None:
    assert len(parse_fields("&".join(f"a{n}=1" for n in range(MAX_FIELDS)), where="form")) == MAX_FIELDS
    with pytest.raises(InputInvalid, match="More than 2000 fields"):
        parse_fields("a=1&" * (MAX_FIELDS + 1), where="form")


def test_a_query_becomes_its_type() -> None:
    asked = "grade=3&sexes=girl&sexes=boy&schools=7&numbers=1&numbers=2&pair=1&pair=2&search=%E1%9E%80&deleted=true"
    assert decoded({"query": Search}, query=asked)["query"] == Search(
        3, [Sex.GIRL, Sex.BOY], [7], [1, 2], (1, 2), "ក", is_deleted=True
    )


def test_a_blank_field_counts_as_not_sent() -> None:
    blank = "grade=&sexes=&schools=&search=&deleted=&sexes=boy"
    assert decoded({"query": Search}, query=blank)["query"] == Search(sexes=[Sex.BOY])


def test_a_parameter_sent_twice_is_refused_by_name_where_one_is_taken() -> None:
    with pytest.raises(SentTwice, match="grade was sent more than once") as refused:
        decoded({"query": Search}, query="grade=3&grade=4")
    assert (refused.value.names, refused.value.where) == (["grade"], "query.grade")
    assert decoded({"query": Search}, query="sexes=girl&sexes=boy")["query"].sexes


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("grade=three", "query.grade"),
        ("sexes=girl&sexes=cat", "query.sexes[1]"),
        ("schools=x", "query.schools[0]"),
        ("numbers=1&numbers=2&numbers=3&numbers=4", "query.numbers"),
        ("deleted=perhaps", "query.deleted"),
        ("grade=" + "9" * 5_000, "query.grade"),
    ],
)
def test_a_query_of_the_wrong_kind_says_where(query: str, where: str) -> None:
    with pytest.raises(InputInvalid) as invalid:
        decoded({"query": Search}, query=query)
    assert (invalid.value.where, "`$" in str(invalid.value)) == (where, False)


def test_a_form_and_a_path_become_their_types() -> None:
    sent = Sent(fields={"name": ["Sok"], "age": ["9"]})
    assert decoded({"form": Child}, sent=sent)["form"] == Child("Sok", 9)
    assert decoded({"form": dict[str, list[str]]}, sent=sent)["form"] == sent.fields
    assert decoded({"path": Id}, path={"id": "7"})["path"] == Id(7)
    with pytest.raises(InputInvalid) as invalid:
        decoded({"path": Id}, path={"id": "x"})
    assert invalid.value.where == "path.id"
    with pytest.raises(InputInvalid, match="missing required field `name`"):
        decoded({"form": Child}, sent=Sent(fields={"name": [""]}))


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'{"name": 1}', "body.name"),
        (b'{"age": 1}', "body"),
        (b'{"name": "a", "marks": {"x": "y"}}', "body.marks[...]"),
        (b'{"name": "a", "marks": {"x"', "body"),
        (b"", "body"),
        (b"[]", "body"),
        (b"nan", "body"),
        (b'{"name": "\xff"}', "body"),
        (b'{"name": "\\ud800"}', "body"),
        (b'{"name": "a", "age": ' + b"9" * 5_000 + b"}", "body.age"),
        (b'{"name": "a", "more": ' + b"[" * 60_000, "body"),
    ],
)
def test_a_json_body_of_the_wrong_kind_says_where(content: bytes, where: str) -> None:
    with pytest.raises(InputInvalid) as invalid:
        decoded({"body": Child}, sent=Sent(content=content))
    assert (invalid.value.where, "`$" in str(invalid.value)) == (where, False)


class Family(msgspec.Struct):
    mother: Child | None = None
    children: list[Child] = []
    by_name: dict[str, Child] = {}


@pytest.mark.parametrize(
    ("content", "names", "where"),
    [
        (b'{"mother": {"name": "a", "agee": 1}}', ["agee"], "body.mother.agee"),
        (b'{"children": [{"name": "a"}, {"name": "b", "x": 1, "y": 2}]}', ["x", "y"], "body.children[1].x"),
        (b'{"by_name": {"a": {"nam": "a"}}}', ["nam"], "body.by_name.a.nam"),
        (b'{"child": {}}', ["child"], "body.child"),
    ],
)
def test_a_name_that_a_body_does_not_have_is_refused_wherever_it_is(
    content: bytes, names: list[str], where: str
) -> None:
    with pytest.raises(UnknownField, match="does not take " + ", ".join(names)) as refused:
        decoded({"body": Family}, sent=Sent(content=content))
    assert (refused.value.names, refused.value.where) == (names, where)


def test_a_name_that_a_query_does_not_have_is_refused() -> None:
    for kinds in ({"query": Search}, {}):
        with pytest.raises(UnknownField, match="does not take schol") as refused:
            decoded(kinds, query="schol=24&search=x" if kinds else "schol=24")
        assert (refused.value.names, refused.value.where) == (["schol"], "query.schol")
    limit = PageLimit(default=20, ceiling=100)
    assert decoded({"page": PageRequest}, query="limit=5&after=", page=limit)["page"].limit == 5


def test_a_json_body_becomes_its_type() -> None:
    sent = Sent(content=b'{"name": "Sok", "marks": {"reading": 3}}')
    assert decoded({"body": Child}, sent=sent)["body"] == Child("Sok", 0, {"reading": 3})


def test_a_page_is_asked_for_within_its_ceiling() -> None:
    limit = PageLimit(default=20, ceiling=100)

    def page(query: str) -> PageRequest:
        return decoded({"page": PageRequest}, query=query, page=limit)["page"]

    assert page("") == PageRequest(20)
    assert page("limit=&after=") == PageRequest(20)
    assert page("limit=100&after=abc") == PageRequest(100, "abc")
    for limit_asked in ("0", "101", "-1", "1.5", "x", "+5", " 5", "²", "1" * 5_000, "000000001"):
        with pytest.raises(InputInvalid, match="from 1 to 100") as invalid:
            page(f"limit={limit_asked}")
        assert invalid.value.where == "query.limit"


def test_a_registry_needs_no_input_to_be_decoded() -> None:
    assert len(Registry()) == 0
    assert decoded({}) == {}


class NewTerm(msgspec.Struct, frozen=True):
    """What a form makes."""

    name: str
    starts_on: date
    pupils: int | None = None
    share: float | None = None
    note: str | None = None


class TermChange(msgspec.Struct, frozen=True):
    """What a form changes; what is None stays."""

    version: int
    name: str | None = None
    starts_on: date | None = None
    is_current: bool | None = None


def typed(kind: Any, text: str) -> Any:
    return decoded({"form": kind}, sent=Sent(fields=parse_fields(text, where="form")))["form"]


def test_what_people_type_comes_in_the_types_that_programs_send() -> None:
    term = typed(NewTerm, "name=Spring&starts_on=2026-03-01&pupils=%E1%9F%A1%E1%9F%A2&share=0%2C5&note=")
    assert term == NewTerm("Spring", date(2026, 3, 1), 12, 0.5, None)


def test_every_field_of_a_form_that_cannot_be_read_is_named_at_once() -> None:
    with pytest.raises(FormInvalid) as invalid:
        typed(NewTerm, "name=&starts_on=spring&pupils=many")
    assert [each.where for each in invalid.value.faults] == ["form.name", "form.starts_on", "form.pupils"]
    assert invalid.value.where == "form.name"


@pytest.mark.parametrize("text", ["nan", "-inf", "1e3", "1_0", "9" * 30, "0x1f", "1.2.3"])
def test_what_only_programs_call_a_number_is_none(text: str) -> None:
    with pytest.raises(FormInvalid) as invalid:
        typed(NewTerm, f"name=Spring&starts_on=2026-03-01&pupils={text}&share={text}")
    assert [each.where for each in invalid.value.faults] == ["form.pupils", "form.share"]


def test_blanks_around_a_number_or_a_day_are_nothing() -> None:
    term = typed(NewTerm, "name=Spring&starts_on=+2026-03-01+&pupils=+12+&share=+")
    assert term == NewTerm("Spring", date(2026, 3, 1), 12, None)


def test_a_blank_text_of_a_change_is_empty_and_an_unticked_box_is_no() -> None:
    """In a change nothing means that a field stays, which is not what an emptied field says."""
    assert typed(TermChange, "version=2&name=&starts_on=") == TermChange(2, "", None, False)
    assert typed(TermChange, "version=2&is_current=true").is_current is True
