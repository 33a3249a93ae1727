"""Resources: the library of activities, files and links by subject and level, with how often each was opened.

Public: `list_resources`, `read_resource`, `create_resource`, `change_resource`, `delete_resource`, `restore_resource`, `open_file`,
`begin_upload`, `count_view`; `Files`, the folder they lie in; `Resource`, `NewResource`, `ResourceChange`, `ResourceSearch`, `StoredFile`.
"""

from rightlevel.programme.resources.actions import (
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
from rightlevel.programme.resources.files import Files
from rightlevel.programme.resources.model import (
    KINDS,
    MAX_FILE_BYTES,
    MEDIA_TYPES,
    KeptFile,
    NewResource,
    Resource,
    ResourceChange,
    ResourceSearch,
    StoredFile,
)

__all__ = [
    "KINDS",
    "MAX_FILE_BYTES",
    "MEDIA_TYPES",
    "Files",
    "KeptFile",
    "NewResource",
    "Resource",
    "ResourceChange",
    "ResourceSearch",
    "StoredFile",
    "begin_upload",
    "change_resource",
    "count_view",
    "create_resource",
    "delete_resource",
    "list_resources",
    "open_file",
    "read_resource",
    "restore_resource",
]
