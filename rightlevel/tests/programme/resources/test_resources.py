"""The library: kinds by content, bounds, https only, leaders change and everybody who teaches reads, views in one row a day."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from people import NOW, Cast

from flatwater.clock import StandingClock
from flatwater.paging import PageRequest
from flatwater.queries import read_queries
from flatwater.transaction import Session
from rightlevel.programme.errors import Forbidden, Invalid, NotFound, Stale
from rightlevel.programme.resources import (
    Files,
    KeptFile,
    NewResource,
    ResourceChange,
    ResourceSearch,
    begin_upload,
    change_resource,
    count_view,
    create_resource,
    delete_resource,
    list_resources,
    open_file,
    read_resource,
    restore_resource,
)
from rightlevel.programme.resources import model as bounds
from rightlevel.programme.resources.actions import LibraryFull
from rightlevel.programme.resources.model import is_https, media_type_of

pytestmark = pytest.mark.anyio
PDF = b"%PDF-1.7\n" + b"x" * 100
ACTIVITY = NewResource("activity", "Number chart", "Read it together.", "math", "beginner", "number_1digit")

QUERIES = read_queries(
    """
-- name: view_rows
-- How many rows the views take.
select count(*) from resource_view
""",
    origin="test_resources.py",
)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.4", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF....WEBPVP8 ", "image/webp"),
        (b"RIFF....WAVEfmt ", "audio/wav"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90\x00", "audio/mpeg"),
        (b"OggS\x00", "audio/ogg"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
        (b"<html>", None),
        (b"<svg xmlns", None),
        (b"MZ\x90", None),
        (b"PK\x03\x04", None),
        (b"", None),
        (b"GIF89a", None),
    ],
)
def test_a_files_kind_is_told_from_its_content(head: bytes, kind: str | None) -> None:
    assert media_type_of(head) == kind


@pytest.mark.parametrize(
    ("url", "is_good"),
    [
        ("https://example.org/video?id=1", True),
        ("http://example.org", False),
        ("javascript:alert(1)", False),
        ("https://", False),
        ("https://me:secret@example.org", False),
        ('https://example.org/"onclick=', False),
        ("https://example.org/" + "x" * 1000, False),
        ("//example.org", False),
        ("https://exa mple.org", False),
        ("https://[bad", False),
    ],
)
def test_links_are_https_only(url: str, is_good: bool) -> None:
    assert is_https(url) is is_good


async def kept(tmp_path: Path, content: bytes, name: str = "chart.pdf") -> KeptFile:
    sent = tmp_path / "sent"
    sent.write_bytes(content)
    return await Files(tmp_path / "resources").keep(sent, name)


async def test_a_file_is_kept_under_its_hash_and_sent_as_it_was(tmp_path: Path) -> None:
    file = await kept(tmp_path, PDF)
    assert (file.media_type, file.size_bytes, file.file_name) == ("application/pdf", len(PDF), "chart.pdf")
    files = Files(tmp_path / "resources")
    assert b"".join([piece async for piece in files.read(file.sha256)]) == PDF
    await files.remove([file.sha256])
    assert not await files.has(file.sha256)


@pytest.mark.parametrize("content", [b"", b"<script>alert(1)</script>"])
async def test_a_file_that_is_none_of_the_kinds_leaves_nothing_behind(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Invalid):
        await kept(tmp_path, content, "innocent.pdf")
    assert not list((tmp_path / "resources").glob("*"))


async def test_a_file_above_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rightlevel.programme.resources.files.MAX_FILE_BYTES", 50)
    with pytest.raises(Invalid):
        await kept(tmp_path, PDF)


async def test_leaders_keep_the_library_and_everybody_who_teaches_reads(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await create_resource(session, cast.coordinator, ACTIVITY, clock)
    for actor in (cast.mentor, cast.teacher, cast.stranger):
        assert (await read_resource(session, actor, made.id, clock)).title == "Number chart"
        with pytest.raises(Forbidden):
            await create_resource(session, actor, ACTIVITY, clock)
        with pytest.raises(Forbidden):
            await delete_resource(session, actor, made.id, reason="", clock=clock)
    with pytest.raises(Forbidden):
        await read_resource(session, cast.viewer, made.id, clock)


async def test_resources_are_found_by_subject_and_level(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    one = await create_resource(session, cast.admin, ACTIVITY, clock)
    both = await create_resource(session, cast.admin, NewResource("activity", "Welcome song"), clock)

    async def found(**asked: Any) -> set[int]:
        return {
            each.id
            for each in (
                await list_resources(session, cast.teacher, PageRequest(50), ResourceSearch(**asked), clock)
            ).items
        }

    assert await found() == {one.id, both.id}
    assert await found(subject="math", level="number_1digit") == {one.id, both.id}
    assert await found(subject="math", level="division") == {both.id}
    assert await found(subject="language") == {both.id}
    with pytest.raises(Invalid):
        await found(subject="math", level="letter")


async def test_what_can_not_be_right_is_refused(session: Session, cast: Cast, clock: StandingClock) -> None:
    for new in (
        NewResource("link", "Video", url="http://example.org"),
        NewResource("poem", "x"),
        NewResource("activity", " "),
        NewResource("activity", "x", subject="math", level_from="division", level_to="beginner"),
        NewResource("activity", "x", level_from="beginner", level_to="beginner"),
        NewResource("file", "x"),
        NewResource("activity", "x", subject="math", level_from="letter", level_to="letter"),
    ):
        with pytest.raises(Invalid):
            await create_resource(session, cast.admin, new, clock)


async def test_a_stale_change_shows_both(session: Session, cast: Cast, clock: StandingClock) -> None:
    made = await create_resource(session, cast.admin, ACTIVITY, clock)
    await change_resource(session, cast.admin, made.id, ResourceChange(1, "Better"), clock)
    with pytest.raises(Stale) as stale:
        await change_resource(session, cast.coordinator, made.id, ResourceChange(1, "Other"), clock)
    assert (stale.value.values["current"]["title"], stale.value.values["yours"]["title"]) == (
        "Better",
        "Other",
    )


async def test_the_library_is_bounded(
    session: Session, cast: Cast, clock: StandingClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = await kept(tmp_path, PDF)
    monkeypatch.setattr("rightlevel.programme.resources.actions.MAX_TOTAL_BYTES", len(PDF))
    for _ in range(2):  # the same content takes its room once
        await create_resource(session, cast.admin, NewResource("file", "Chart"), clock, file)
    with pytest.raises(LibraryFull):
        await create_resource(
            session, cast.admin, NewResource("file", "More"), clock, await kept(tmp_path, PDF + b"more")
        )
    monkeypatch.setattr("rightlevel.programme.resources.actions.MAX_RESOURCES", 2)
    with pytest.raises(LibraryFull):
        await create_resource(session, cast.admin, ACTIVITY, clock)
    assert bounds.MAX_TOTAL_BYTES == 2_000_000_000


async def test_what_is_deleted_comes_back_and_its_file_is_let_go_after_thirty_days(
    session: Session, cast: Cast, clock: StandingClock, tmp_path: Path
) -> None:
    file = await kept(tmp_path, PDF)
    made = await create_resource(session, cast.admin, NewResource("file", "Chart"), clock, file)
    await delete_resource(session, cast.admin, made.id, reason="old", clock=clock)
    with pytest.raises(NotFound):
        await open_file(session, cast.teacher, made.id)
    with pytest.raises(Forbidden):
        await read_resource(session, cast.teacher, made.id, clock)
    assert await begin_upload(session, cast.admin, clock) == []
    await restore_resource(session, cast.admin, made.id, clock)
    assert (await open_file(session, cast.teacher, made.id)).sha256 == file.sha256
    await delete_resource(session, cast.admin, made.id, reason="old", clock=clock)
    later = StandingClock(NOW + timedelta(days=31))
    assert await begin_upload(session, cast.admin, later) == [file.sha256]
    with pytest.raises(NotFound):
        await restore_resource(session, cast.admin, made.id, later)


async def test_views_take_one_row_a_resource_and_day_and_are_swept(
    session: Session, cast: Cast, clock: StandingClock
) -> None:
    made = await create_resource(session, cast.admin, ACTIVITY, clock)
    for _ in range(5):
        await count_view(session, cast.teacher, made.id, clock)
    assert await session.fetch_value(QUERIES["view_rows"], {}) == 1
    assert (await read_resource(session, cast.teacher, made.id, clock)).views == 5
    later = StandingClock(NOW + timedelta(days=400))
    await count_view(session, cast.teacher, made.id, later)
    assert await session.fetch_value(QUERIES["view_rows"], {}) == 1
    assert (await read_resource(session, cast.teacher, made.id, later)).views == 1
