"""Opens the album of photos: where the settings say that their bytes lie, with the deployment's own key for links."""

from __future__ import annotations

from typing import Final

from flatwater.clock import Clock
from flatwater.pool import Database
from rightlevel.operations.file_folders import library_folder, photo_folder
from rightlevel.operations.signing_key import signing_key
from rightlevel.programme.photos import Album, BucketStore, FolderStore, Keys, PhotoLinks, Store
from rightlevel.settings import Settings

NAME: Final = "photo_links"


def store_of(settings: Settings, clock: Clock) -> Store:
    """The store that the settings name: an S3-compatible one where it has an address, else a folder."""
    folder = photo_folder(settings)
    if folder is not None:
        return FolderStore(folder)
    keys = Keys(settings.photo_store_key_id, settings.photo_store_secret, settings.photo_store_region)
    return BucketStore(settings.photo_store_address, settings.photo_store_bucket, keys, clock)


def stores_of(settings: Settings, clock: Clock) -> tuple[Store, ...]:
    """Every place of files that all hosts of a database must see: that of photos, and the library's."""
    return store_of(settings, clock), FolderStore(library_folder(settings))


def open_album(database: Database, settings: Settings, clock: Clock) -> Album:
    return Album(database, store_of(settings, clock), clock)


async def open_photo_links(database: Database) -> PhotoLinks:
    """The deployment's own, with a key made at its first start and kept in its database."""
    return PhotoLinks(await signing_key(database, NAME))
