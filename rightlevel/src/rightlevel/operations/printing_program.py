"""Makes a PDF of one page by WeasyPrint, in a process of its own: JSON with `html` and `css` comes in, the PDF goes out.

Nothing of the platform is loaded here, and what WeasyPrint takes of memory goes with the process. Bounds: arguments 1 and 2, memory in bytes
(what the process writes to, not what it maps) and time on the processor in seconds. Ends with 3 where the system has no Pango, with 4 where the memory was not enough.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
from types import ModuleType
from typing import Any

NO_LIBRARY = 3
NO_MEMORY = 4
LATER = ("fontTools.subset", "fontTools.ttLib", "fontTools.varLib", "fontTools.varLib.instancer")
"""What WeasyPrint loads for fonts of unusual kinds (variable ones, bitmaps) and for systems whose HarfBuzz can't take parts of fonts: 11 MB."""


NEVER = ("ssl", "_ssl", "_hashlib")
"""What the standard library does without where it is not there: nothing is fetched here, and OpenSSL takes 5 MB."""


class Later(ModuleType):
    """Stands in for a library that is loaded when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        # What is caught by its name has to be a kind of error; whoever catches all of them there goes on without that font.
        return Exception if name.endswith("Error") else Part(self.__name__, name)


class Part:
    """Something of such a library: loaded when it is called or asked for a part of its own."""

    def __init__(self, module: str, name: str) -> None:
        self._module, self._name = module, name

    def _loaded(self) -> Any:
        for each in LATER:
            if isinstance(sys.modules.get(each), Later):
                del sys.modules[each]
        return getattr(importlib.import_module(self._module), self._name)

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._loaded()(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loaded(), name)


def main() -> int:
    """Writes the PDF."""
    memory_bytes, cpu_s = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    told = json.load(sys.stdin.buffer)
    sys.modules.update({name: Later(name) for name in LATER})
    sys.modules.update(dict.fromkeys(NEVER))  # type: ignore[arg-type]  # as the import system has it: None is not there
    # WeasyPrint makes a way to https in any case, also where no address is ever asked for.
    request: Any = importlib.import_module("urllib.request")

    def no_https(**_: Any) -> Any:
        return request.BaseHandler()

    request.HTTPSHandler = no_https
    try:
        return _print(told["html"], told["css"])
    except MemoryError:
        return NO_MEMORY


def _print(html: str, css: str) -> int:
    try:
        # Loaded only within the bounds; it looks for Pango as it is loaded.
        weasyprint: Any = importlib.import_module("weasyprint")
    except OSError:
        return NO_LIBRARY
    # No address that stands in a page is asked for, neither on this machine nor in its network.
    nothing = importlib.import_module("weasyprint.urls").URLFetcher(allowed_protocols=())
    document = weasyprint.HTML(string=html, url_fetcher=nothing)
    sheet = weasyprint.CSS(string=css, url_fetcher=nothing)
    sys.stdout.buffer.write(document.write_pdf(stylesheets=[sheet]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
