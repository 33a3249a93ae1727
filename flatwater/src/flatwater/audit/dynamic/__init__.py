"""The audit's driven half: each endpoint is asked from its OpenAPI document, inside the process, and measured.

Measured are what a call takes (statements, rows, repeats, time with a connection, memory at its peak), what it leaves behind (memory
with an interval, tasks, connections, threads, files), on good calls and on faulty ones, and how it takes hostile ones.
"""

from flatwater.audit.dynamic.client import CouldNotStart
from flatwater.audit.dynamic.document import NoDocument
from flatwater.audit.dynamic.drive import Driven, NotDisposable, Stop, audit_dynamically, drive_application
from flatwater.audit.dynamic.reading import EndpointReading

__all__ = [
    "CouldNotStart",
    "Driven",
    "EndpointReading",
    "NoDocument",
    "NotDisposable",
    "Stop",
    "audit_dynamically",
    "drive_application",
]
