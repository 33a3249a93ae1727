"""Photos: judged by content, made small, without their place, bounded, swept, and shown by links that run out."""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from people import NOW, Cast, make_cast
from PIL import Image, ImageChops, ImageFilter
from serving import NewDatabase
from visiting import sent_visit

from flatwater.clock import StandingClock
from flatwater.pool import Database
from rightlevel.programme.errors import Forbidden, Invalid, NotFound
from rightlevel.programme.photos import Album, FolderStore, PhotoLinks, list_photos, remove_photo
from rightlevel.programme.photos.actions import PhotoSpaceFull, TooManyPhotos
from rightlevel.programme.photos.model import kind_of
from rightlevel.programme.photos.shrinking import Shrinker
from rightlevel.programme.photos.shrinking_program import make_small
from rightlevel.programme.visits import lock_visits
from rightlevel.programme.visits.actions import NotTheirVisit, VisitLocked

pytestmark = pytest.mark.anyio
PLACE = 0x8825


def a_photo(
    size: tuple[int, int] = (400, 300),
    colour: int = 0,
    form: str = "JPEG",
    *,
    place: bool = True,
    turned: bool = False,
) -> bytes:
    picture = Image.new("RGB", size, (colour, 120, 60))
    exif = Image.Exif()
    exif[0x010F] = "A maker of phones"
    if place:
        exif.get_ifd(PLACE)[1] = "N"
        exif.get_ifd(PLACE)[2] = (11.0, 33.0, 12.0)
    if turned:
        exif[0x0112] = 6
    out = io.BytesIO()
    picture.save(out, form, exif=exif)
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of 60,000 × 60,000 pixels in a few hundred bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)

    header = (60_000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
async def test_a_photo_becomes_a_small_jpeg_without_what_the_phone_wrote_into_it(form: str) -> None:
    small = await Shrinker().shrink(a_photo((1800, 1000), form=form), keeps_place=False)
    assert (small.width, small.height) == (1600, 889)
    with Image.open(io.BytesIO(small.content)) as picture:
        assert (picture.format, picture.size, dict(picture.getexif())) == ("JPEG", (1600, 889), {})


async def test_the_place_is_kept_only_where_it_is_wanted_and_nothing_else_with_it() -> None:
    small = await Shrinker().shrink(a_photo(), keeps_place=True)
    with Image.open(io.BytesIO(small.content)) as picture:
        assert picture.getexif().get_ifd(PLACE)[1] == "N"
        assert set(picture.getexif()) == {PLACE}


async def test_a_photo_taken_sideways_stands_upright() -> None:
    small = await Shrinker().shrink(a_photo((400, 300), turned=True), keeps_place=False)
    assert (small.width, small.height) == (300, 400)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + b"x" * 100,
        b"<svg onload=alert(1)>",
        b"\xff\xd8\xff" + b"x" * 500,
        bomb(),
        a_photo(form="PNG")[:200],
    ],
    ids=["nothing", "gif", "svg", "no jpeg", "bomb", "cut off"],
)
async def test_what_is_no_photo_or_a_bomb_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid):
        await Shrinker().shrink(content, keeps_place=False)


def saved_as(size: tuple[int, int], form: str, *, mode: str = "RGB", **more: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((size[0] // 8, size[1] // 8), 90).resize(size).convert(mode).save(out, form, **more)
    return out.getvalue()


@pytest.mark.parametrize(
    ("size", "form", "more"),
    [
        ((7300, 5475), "JPEG", {}),
        ((6398, 4798), "JPEG", {}),
        ((4032, 3024), "JPEG", {"progressive": True}),
        ((2816, 2112), "JPEG", {"progressive": True, "subsampling": 0}),
        ((2560, 1440), "PNG", {"mode": "RGBA", "compress_level": 1}),
        ((1920, 1080), "WEBP", {}),
    ],
)
async def test_the_largest_photo_of_each_kind_stays_within_the_memory_it_may_take(
    size: tuple[int, int], form: str, more: dict[str, Any]
) -> None:
    shrinker = Shrinker()
    small = await shrinker.shrink(saved_as(size, form, **more), keeps_place=False)
    assert max(small.width, small.height) == 1600
    assert 0 < shrinker.peak_bytes < 85_000_000


@pytest.mark.parametrize(
    ("size", "form", "more"),
    [
        ((7400, 5550), "JPEG", {}),
        ((4160, 3120), "JPEG", {"progressive": True}),
        ((2900, 2200), "JPEG", {"progressive": True, "subsampling": 0}),
        ((2600, 1440), "PNG", {"compress_level": 1}),
        ((2000, 1080), "WEBP", {}),
    ],
)
async def test_one_a_little_larger_is_refused_before_it_takes_any(
    size: tuple[int, int], form: str, more: dict[str, Any]
) -> None:
    shrinker = Shrinker()
    with pytest.raises(Invalid) as refused:
        await shrinker.shrink(saved_as(size, form, **more), keeps_place=False)
    assert "too many pixels" in refused.value.faults[0].rule
    assert 0 < shrinker.peak_bytes < 50_000_000


@pytest.mark.parametrize("form", ["RGB", "RGBA", "P", "L"])
def test_made_small_in_strips_it_is_the_picture_made_small_at_once(form: str) -> None:
    noise = Image.frombytes("RGB", (640, 407), random.Random(1).randbytes(640 * 407 * 3))
    picture = noise.filter(ImageFilter.GaussianBlur(2)).convert(form)
    at_once = picture.convert("RGB").resize((400, 254), Image.Resampling.BICUBIC)
    strips = make_small(picture, 400)
    assert (strips.mode, strips.size) == ("RGB", (400, 254))
    assert max(ImageChops.difference(strips, at_once).tobytes()) <= 1
    assert make_small(strips, 400).tobytes() == strips.tobytes(), "what is small enough stays as it is"


async def test_a_photo_of_six_megapixels_takes_what_room_is_asked_for() -> None:
    noise = Image.frombytes("RGB", (2450, 2450), random.Random(1).randbytes(2450 * 2450 * 3))
    out = io.BytesIO()
    noise.save(out, "JPEG", quality=85)
    shrinker = Shrinker()
    assert (await shrinker.shrink(out.getvalue(), keeps_place=False)).width == 1600
    assert shrinker.peak_bytes < 60_000_000


def test_a_file_is_what_its_first_bytes_say() -> None:
    assert [kind_of(a_photo(form=form)) for form in ("JPEG", "PNG", "WEBP", "GIF")] == [
        "jpeg",
        "png",
        "webp",
        None,
    ]


def test_a_link_is_good_for_its_person_and_a_while() -> None:
    links, photo = PhotoLinks(b"k" * 32), str(uuid4())
    address = links.link(photo, 7, NOW)
    until, mark = int(address.split("until=")[1].split("&")[0]), address.split("mark=")[1]
    assert links.is_good(photo, 7, until, mark, NOW)
    assert not links.is_good(photo, 8, until, mark, NOW)
    assert not links.is_good(str(uuid4()), 7, until, mark, NOW)
    assert not links.is_good(photo, 7, until + 900, mark, NOW)
    assert not links.is_good(photo, 7, until, mark, NOW + timedelta(minutes=31))
    assert not PhotoLinks(b"x" * 32).is_good(photo, 7, until, mark, NOW)


class Opened:
    def __init__(
        self, album: Album, cast: Cast, database: Database, clock: StandingClock, folder: Path, visit: str
    ) -> None:
        self.album, self.cast, self.database, self.clock, self.folder, self.visit = (
            album,
            cast,
            database,
            clock,
            folder,
            visit,
        )

    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.jpg"))


@pytest.fixture
async def opened(new_database: NewDatabase, tmp_path: Path, anyio_backend: object) -> AsyncIterator[Opened]:
    clock = StandingClock(NOW)
    async with Database(new_database().conninfo, clock=clock) as database:
        async with database.transaction(deadline_s=10) as session:
            cast = await make_cast(session)
            visit = (await sent_visit(session, cast, clock)).visit.id
        album = Album(database, FolderStore(tmp_path), clock, school_bytes=40_000, all_bytes=60_000)
        yield Opened(album, cast, database, clock, tmp_path, visit)


async def test_a_visit_has_at_most_five_photos_each_once(opened: Opened) -> None:
    first = await opened.album.add(opened.cast.mentor, opened.visit, str(uuid4()), a_photo())
    assert await opened.album.add(opened.cast.mentor, opened.visit, str(uuid4()), a_photo()) == first
    for colour in range(50, 250, 50):
        await opened.album.add(opened.cast.mentor, opened.visit, str(uuid4()), a_photo(colour=colour))
    with pytest.raises(TooManyPhotos):
        await opened.album.add(opened.cast.mentor, opened.visit, str(uuid4()), a_photo(colour=255))
    assert len(opened.files()) == 5
    assert (await opened.album.content(opened.cast.mentor, first.id))[:3] == b"\xff\xd8\xff"


async def test_photos_are_for_whoever_may_see_or_change_the_visit(opened: Opened) -> None:
    cast, album = opened.cast, opened.album
    made = await album.add(cast.mentor, opened.visit, str(uuid4()), a_photo())
    for actor, refusal in (
        (cast.mentor_elsewhere, NotFound),
        (cast.teacher, NotFound),
        (cast.viewer, Forbidden),
    ):
        with pytest.raises(refusal):
            await album.content(actor, made.id)
    for actor, refusal in (
        (cast.mentor_elsewhere, NotFound),
        (cast.coordinator, NotTheirVisit),
        (cast.teacher, Forbidden),
    ):
        with pytest.raises(refusal):
            await album.add(actor, opened.visit, str(uuid4()), a_photo(colour=9))
    async with opened.database.transaction(deadline_s=10) as session:
        await lock_visits(session, cast.coordinator, [opened.visit], reason="paid", clock=opened.clock)
    with pytest.raises(VisitLocked):
        await album.add(cast.mentor, opened.visit, str(uuid4()), a_photo(colour=9))


async def test_a_school_takes_only_so_much_and_gets_it_back(opened: Opened) -> None:
    tight = Album(opened.database, FolderStore(opened.folder), opened.clock, school_bytes=2_000)
    made = await tight.add(opened.cast.mentor, opened.visit, str(uuid4()), a_photo())
    with pytest.raises(PhotoSpaceFull):
        await tight.add(opened.cast.mentor, opened.visit, str(uuid4()), a_photo(colour=200))
    async with opened.database.transaction(deadline_s=10) as session:
        await remove_photo(session, opened.cast.mentor, made.id, opened.clock)
    assert await tight.sweep() == 0
    opened.clock.advance(31 * 86_400)
    assert await tight.sweep() == 1
    assert opened.files() == []
    await tight.add(opened.cast.mentor, opened.visit, str(uuid4()), a_photo(colour=200))


class Interrupted(FolderStore):
    async def put(self, name: str, content: bytes) -> None:
        await super().put(name, content)
        raise OSError("the machine stopped here")


async def test_what_was_interrupted_is_stored_when_it_is_sent_again_or_swept(opened: Opened) -> None:
    broken = Album(opened.database, Interrupted(opened.folder), opened.clock)
    for colour in (1, 99):
        with pytest.raises(OSError, match="stopped"):
            await broken.add(opened.cast.mentor, opened.visit, str(uuid4()), a_photo(colour=colour))
    again = await opened.album.add(opened.cast.mentor, opened.visit, str(uuid4()), a_photo(colour=1))
    async with opened.database.read(deadline_s=10) as session:
        assert [each.id for each in await list_photos(session, opened.cast.mentor, opened.visit)] == [
            again.id
        ]
    opened.clock.advance(2 * 3_600)
    assert await opened.album.sweep() == 1
    assert [path.stem for path in opened.files()] == [again.id]
