"""The library's files as the web room reaches and sends them."""

from __future__ import annotations

from urllib.parse import quote

from rightlevel.operations.file_folders import library_folder
from rightlevel.programme.resources import Files, StoredFile
from rightlevel.web.request import Request


def files_of(request: Request) -> Files:
    """The library's folder in this deployment."""
    return Files(library_folder(request.app.settings))


def file_headers(stored: StoredFile) -> dict[str, str]:
    """What goes with a file so that no browser runs anything in it: kept as a file, its type not guessed, its content shut in.

    *Source*: OWASP File Upload Cheat Sheet; RFC 6266 for the name.
    """
    return {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(stored.file_name, safe='')}",
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
        "cache-control": "private, no-store",
        "etag": f'"{stored.sha256}"',
    }
