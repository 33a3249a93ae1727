"""Static files that come as one: over a slow line each further file of a page costs a way there and back, and several compress better together."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
BUNDLES: Final = {
    "phone_page.css": ("programme.css", "guided.css", "phone.css"),
    "phone_page.js": (
        "guided_test.js",
        "form_engine.js",
        "signature.js",
        "phone_store.js",
        "phone_outbox.js",
        "phone_visits.js",
        "phone_children.js",
        "phone.js",
    ),
}
"""Name → the files in their order. `app.css` is in none: who signs in has it already."""


@cache
def lean_script(path: str) -> str:
    """A script of ours without the lines that only people read: a tenth of what comes over the wire. *Cost*: 300 kB for all of them, once."""
    lines = (line.strip() for line in Path(path).read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def bundle(name: str) -> bytes:
    """All files of a bundle, scripts lean. *Errors*: KeyError."""
    parts = (STATIC / each for each in BUNDLES[name])
    texts = (lean_script(str(each)) if name.endswith(".js") else each.read_text("utf-8") for each in parts)
    return "\n".join(texts).encode()
