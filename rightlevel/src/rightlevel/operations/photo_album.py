"""Opens the album of photos: where the settings say that their bytes lie, with the deployment's own key for links."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flatwater.clock import Clock
from flatwater.pool import Database
from rightlevel.operations.signing_key import signing_key
from rightlevel.programme.photos import Album, BucketStore, FolderStore, Keys, PhotoLinks, Store
from rightlevel.settings import Settings

NAME: Final = "photo_links"


def folder_of(settings: Settings) -> Path | None:
    """The folder of photos: the one that is named, else one in the data folder; None where they lie in an S3-compatible store."""
    if settings.photo_store_address:
        return None
    return Path(settings.photo_folder) if settings.photo_folder else settings.data_folder / "photos"


def store_of(settings: Settings, clock: Clock) -> Store:
    """The store that the settings name: an S3-compatible one where it has an address, else a folder."""
    folder = folder_of(settings)
    if folder is not None:
        return FolderStore(folder)
    keys = Keys(settings.photo_store_key_id, settings.photo_store_secret, settings.photo_store_region)
    return BucketStore(settings.photo_store_address, settings.photo_store_bucket, keys, clock)


def open_album(database: Database, settings: Settings, clock: Clock) -> Album:
    return Album(database, store_of(settings, clock), clock)


async def open_photo_links(database: Database) -> PhotoLinks:
    """The deployment's own, with a key made at its first start and kept in its database."""
    return PhotoLinks(await signing_key(database, NAME))
