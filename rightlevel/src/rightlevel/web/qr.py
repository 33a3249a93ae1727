"""QR codes as inline SVG, black on white whatever the theme."""

from __future__ import annotations

from markupsafe import Markup

from rightlevel.web.application import is_secure
from rightlevel.web.request import Request

BORDER = 4
"""*Source*: ISO/IEC 18004: a quiet zone of four modules."""
MAX_CHARS = 500


def qr_svg(text: str, label: str) -> Markup:
    """The text as a QR code. *Errors*: ValueError for more than 500 characters. *Cost*: some 10 ms; 3 MB once, at the first."""
    from qrcodegen import QrCode  # loaded by the few pages that show one

    if len(text) > MAX_CHARS:
        raise ValueError(f"a QR code of {len(text)} characters can't be read off a phone")
    code = QrCode.encode_text(text, QrCode.Ecc.MEDIUM)
    size = code.get_size()
    dots = "".join(
        f"M{x + BORDER},{y + BORDER}h1v1h-1z"
        for y in range(size)
        for x in range(size)
        if code.get_module(x, y)
    )
    side = size + 2 * BORDER
    return Markup(
        '<svg class="qr" role="img" aria-label="{}" viewBox="0 0 {side} {side}" width="220" height="220" shape-rendering="crispEdges">'
        '<rect width="100%" height="100%" fill="#fff"/><path d="{}" fill="#000"/></svg>'
    ).format(label, dots, side=side)


def origin_of(request: Request) -> str:
    """Where this service was reached: the beginning of an address that another device can open."""
    scheme = "https" if is_secure(request) else "http"
    return f"{scheme}://{request.headers.get('host', 'localhost')[:200]}"
