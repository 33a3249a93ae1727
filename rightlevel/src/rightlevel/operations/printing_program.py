"""Makes a PDF of one page by WeasyPrint, in a process of its own: JSON with `html` and `css` comes in, the PDF goes out.

Nothing of the platform is loaded here, and what WeasyPrint takes of memory goes with the process. Bounds: arguments 1 and 2, memory in bytes
and time on the processor in seconds. Ends with 3 where the system has no Pango.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
from typing import Any

NO_LIBRARY = 3


def main() -> int:
    """Writes the PDF."""
    memory_bytes, cpu_s = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    told = json.load(sys.stdin.buffer)
    try:
        # Loaded only within the bounds; it looks for Pango as it is loaded.
        weasyprint: Any = importlib.import_module("weasyprint")
    except OSError:
        return NO_LIBRARY
    # No address that stands in a page is asked for, neither on this machine nor in its network.
    nothing = importlib.import_module("weasyprint.urls").URLFetcher(allowed_protocols=())
    document = weasyprint.HTML(string=told["html"], url_fetcher=nothing)
    sheet = weasyprint.CSS(string=told["css"], url_fetcher=nothing)
    sys.stdout.buffer.write(document.write_pdf(stylesheets=[sheet]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
