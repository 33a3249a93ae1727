"""Where files lie that all hosts of a database must see: photos of visits, the library's files, files that wait for their import, and
months of the audit."""

from __future__ import annotations

from pathlib import Path

from rightlevel.settings import Settings


def photo_folder(settings: Settings) -> Path | None:
    """The folder of photos; None where they lie in an S3-compatible store."""
    return None if settings.photo_store_address else _root(settings) / "photos"


def library_folder(settings: Settings) -> Path:
    """The folder of the library's files."""
    return _root(settings) / "resources"


def import_folder(settings: Settings) -> Path:
    """The folder of files that wait for their import: any host takes them from there."""
    return _root(settings) / "imports"


def archive_folder(settings: Settings) -> Path:
    """The folder of months of the audit that are no longer in the database: whichever host is elected writes one."""
    return _root(settings) / "archive"


def _root(settings: Settings) -> Path:
    """The folder that hosts share, where one is named, else the data folder of this one."""
    return Path(settings.files_folder) if settings.files_folder else settings.data_folder
