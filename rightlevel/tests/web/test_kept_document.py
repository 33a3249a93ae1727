"""The document is made once for a state of the program, since making it leaves 8 MB in the process that does."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from rightlevel.web import document as module
from rightlevel.web.app import all_routes
from rightlevel.web.document import document, kept_document

REGISTRY = all_routes()


def test_a_kept_document_is_the_document_and_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openapi-of-an-earlier-program.json.gz").write_bytes(b"old")
    made = kept_document(REGISTRY, tmp_path)
    assert gzip.decompress(made) == document(REGISTRY)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [made]
    monkeypatch.setattr(module, "document", lambda _: pytest.fail("it was made again"))
    assert kept_document(REGISTRY, tmp_path) == made


def test_a_program_that_was_changed_makes_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept_document(REGISTRY, tmp_path)
    monkeypatch.setattr(module, "_state_of_program", lambda: "changed")
    monkeypatch.setattr(module, "document", lambda _: b"{}")
    assert gzip.decompress(kept_document(REGISTRY, tmp_path)) == b"{}"


def test_it_is_made_where_it_can_not_be_kept(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_bytes(b"")
    assert gzip.decompress(kept_document(REGISTRY, in_the_way)) == document(REGISTRY)
