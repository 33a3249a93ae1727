"""Photos of visits: at most five each, made small on the server, stored in a folder or an S3-compatible store, shown by short-lived links.

Public: `Album` (add, content, sweep), `list_photos`, `remove_photo`, `PhotoLinks`, `FolderStore`, `BucketStore`, `Keys`.
"""

from rightlevel.programme.photos.actions import Album, list_photos, remove_photo
from rightlevel.programme.photos.links import PhotoLinks
from rightlevel.programme.photos.model import MAX_PHOTOS, MAX_SENT_BYTES, Photo
from rightlevel.programme.photos.signing import Keys
from rightlevel.programme.photos.storing import BucketStore, FolderStore, Store

__all__ = [
    "MAX_PHOTOS",
    "MAX_SENT_BYTES",
    "Album",
    "BucketStore",
    "FolderStore",
    "Keys",
    "Photo",
    "PhotoLinks",
    "Store",
    "list_photos",
    "remove_photo",
]
