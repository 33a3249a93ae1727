"""Both stores keep, give back and remove; a bucket's requests are signed, and one that does not answer is said so."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from people import NOW, make_cast
from PIL import Image
from serving import NewDatabase
from visiting import sent_visit

from flatwater.clock import StandingClock
from flatwater.pool import Database
from rightlevel.database.server import with_database
from rightlevel.operations.backup import make_backup, pictures_of, restore_backup
from rightlevel.programme.photos import Album, BucketStore, FolderStore, Keys
from rightlevel.programme.photos.storing import StoreUnreachable

pytestmark = pytest.mark.anyio
KEYS = Keys("key", "secret", "us-east-1")


class Bucket(BaseHTTPRequestHandler):
    """As much of a store as the three requests need: refuses what is not signed by our key. It does not check signatures."""

    kept: dict[str, bytes]

    def _answer(self, status: int, content: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _is_signed(self) -> bool:
        return "Credential=key/20261123/us-east-1/s3/aws4_request" in self.headers.get("authorization", "")

    def do_PUT(self) -> None:
        self.kept[self.path] = self.rfile.read(int(self.headers["content-length"]))
        self._answer(200 if self._is_signed() else 403)

    def do_GET(self) -> None:
        found = self.kept.get(self.path)
        self._answer(404) if found is None else self._answer(200, found)

    def do_DELETE(self) -> None:
        self.kept.pop(self.path, None)
        self._answer(204)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name it has in the library
        """Says nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    kind = type("OneBucket", (Bucket,), {"kept": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


async def test_a_bucket_keeps_gives_back_and_removes(address: str) -> None:
    store = BucketStore(address, "photos", KEYS, StandingClock(NOW))
    await store.put("visits/a/b.jpg", b"content")
    assert await store.get("visits/a/b.jpg") == b"content"
    await store.remove("visits/a/b.jpg")
    await store.remove("visits/a/b.jpg")
    assert await store.get("visits/a/b.jpg") is None


async def test_a_store_that_does_not_answer_is_said_so() -> None:
    with pytest.raises(StoreUnreachable):
        await BucketStore("http://127.0.0.1:1", "photos", KEYS, StandingClock(NOW)).get("x")


async def test_a_folder_keeps_gives_back_and_removes_and_holds_nothing_outside_it(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "photos")
    await store.put("visits/a/b.jpg", b"content")
    assert await store.get("visits/a/b.jpg") == b"content"
    await store.remove("visits/a/b.jpg")
    assert await store.get("visits/a/b.jpg") is None
    with pytest.raises(ValueError, match="outside"):
        await store.put("../../x", b"content")


def a_photo(colour: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 300), (colour, 120, 60)).save(out, "JPEG")
    return out.getvalue()


async def test_photos_of_a_bucket_are_in_the_backup_and_put_back_where_the_settings_say(
    address: str, new_database: NewDatabase, tmp_path: Path
) -> None:
    clock = StandingClock(NOW)
    store = BucketStore(address, "photos", KEYS, clock)
    one = new_database()
    async with Database(one.conninfo) as database:
        async with database.transaction(deadline_s=30) as session:
            cast = await make_cast(session)
            visit = await sent_visit(session, cast, clock)
        album = Album(database, store, clock)
        for colour in (0, 200):
            await album.add(cast.mentor, visit.visit.id, str(uuid4()), a_photo(colour=colour))
        kept = {name: await store.get(name) for _, name in await album.stored_after()}
        assert len(kept) == 2
        folder, made = await make_backup(
            database,
            one.conninfo,
            tmp_path / "backups",
            clock,
            photos=pictures_of(album),
            library=tmp_path / "library",
            say=print,
            keep=1,
        )
    assert [each.name for each in made.files] == ["database.dump", "library.tar", "photos.tar"]
    with tarfile.open(folder / "photos.tar") as tar:
        found = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    assert found == kept
    back: dict[str, bytes] = {}
    with psycopg.connect(one.conninfo, autocommit=True) as connection:
        connection.execute("create database put_back")
    restore_backup(
        folder,
        with_database(one.conninfo, "put_back"),
        photos=back.__setitem__,
        library=tmp_path / "new",
        say=print,
    )
    assert back == kept
