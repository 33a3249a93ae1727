"""Makes one photo small, in a process of its own: bytes come in, a JPEG goes out, and the memory it took goes with the process.

Nothing of the platform is loaded here. Answers on standard output: one line of JSON, then the JPEG.
*Source* of the bounds: programme/photos/model.py; a decompression bomb is refused by its header, before anything is decoded.
"""

from __future__ import annotations

import io
import json
import math
import resource
import sys
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

MEMORY_BYTES = 320 * 1024 * 1024
"""Address space, not memory: the libraries alone take 100 MB of it."""
QUALITY = 80
STRIP_ROWS = 64
MARGIN_ROWS = 4
"""More than the bicubic filter sees beyond a row: two rows of what is made."""
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture is turned that was taken in each way of holding the phone (EXIF 2.32, 4.6.4, Orientation)."""
PLACE = 0x8825  # the tag of the place where a photo was taken (EXIF 2.32, GPS IFD)


def is_too_large(picture: Image.Image, *, jpeg: int, coefficients: int, png: int, webp: int) -> bool:
    """Whether decoding would take more memory than a photo may, judged by the header alone."""
    pixels = picture.width * picture.height
    if not isinstance(picture, JpegImageFile):
        return pixels > (png if picture.format == "PNG" else webp)
    if pixels > jpeg:
        return True
    # Sampling of each component against the finest; two bytes a coefficient (libjpeg, structure.txt: "full-image coefficient buffers").
    finest = max(each[1] * each[2] for each in picture.layer)
    held = 2 * pixels * sum(each[1] * each[2] for each in picture.layer) // finest
    return bool(picture.info.get("progressive")) and held > coefficients


def make_small(picture: Image.Image, longest: int) -> Image.Image:
    """The picture's pixels in red, green and blue, no side longer than that, and nothing else of it.

    Strip by strip: done whole, Pillow holds the picture at its new width and old height beside both. Rows near a strip's edges are made of what lies
    beyond them too, so each strip is taken with a margin that is cut off again.
    """
    part = min(1.0, longest / max(picture.size))
    width, height = (max(1, min(longest, round(side * part))) for side in picture.size)
    down = picture.height / height
    small = Image.new("RGB", (width, height))
    for top in range(0, height, STRIP_ROWS):
        bottom = min(height, top + STRIP_ROWS)
        first, last = max(0, top - MARGIN_ROWS), min(height, bottom + MARGIN_ROWS)
        above, below = int(first * down), min(picture.height, math.ceil(last * down))
        seen = picture.crop((0, above, picture.width, below)).convert("RGB")
        box = (0.0, first * down - above, float(picture.width), min(below, last * down) - above)
        strip = seen.resize((width, last - first), Image.Resampling.BICUBIC, box)
        small.paste(strip.crop((0, top - first, width, bottom - first)), (0, top))
    return small


def shrink(
    content: io.BytesIO, *, longest: int, bounds: tuple[int, int, int, int], keeps_place: bool
) -> tuple[dict[str, Any], bytes]:
    """The photo made small, or why not. *Errors*: ValueError, OSError, SyntaxError for content that is no picture."""
    with Image.open(content, formats=("JPEG", "PNG", "WEBP")) as picture:
        width, height = picture.size
        jpeg, coefficients, png, webp = bounds
        if is_too_large(picture, jpeg=jpeg, coefficients=coefficients, png=png, webp=webp):
            return {"refused": "too_many_pixels"}, b""
        turned = picture.getexif().get(ORIENTATION, 1)
        place = dict(picture.getexif().get_ifd(PLACE)) if keeps_place else {}
        # Each step holds as little as it can: decoded at a part of its size, made small before it is turned.
        part = min(1.0, longest / max(width, height))
        picture.draft("RGB", (max(1, int(width * part)), max(1, int(height * part))))
        picture.load()
        content.close()
        clean = make_small(picture, longest)
    # Closed, it still holds its pixels: they are let go before the small one is turned and written.
    del picture
    if turned in TURNS:
        clean = clean.transpose(TURNS[turned])
    kept = Image.Exif()
    if place:
        kept[PLACE] = place
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=QUALITY, optimize=True, exif=kept)
    return {"width": clean.width, "height": clean.height}, out.getvalue()


def peak_bytes() -> int:
    """The most memory this program held. What getrusage says counts its parent's too, for as long as it was a copy of it."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0][1]) * 1024 if lines else 0


def main() -> int:
    """Reads the photo from standard input; the bounds are the arguments."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    longest, jpeg, coefficients, png, webp, keeps_place = (int(each) for each in sys.argv[1:7])
    told: dict[str, Any]
    try:
        told, made = shrink(
            io.BytesIO(sys.stdin.buffer.read()),
            longest=longest,
            bounds=(jpeg, coefficients, png, webp),
            keeps_place=bool(keeps_place),
        )
    except MemoryError:
        told, made = {"refused": "too_many_pixels"}, b""
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        OSError,
        SyntaxError,
        ValueError,
        TypeError,
        KeyError,
    ):
        told, made = {"refused": "damaged"}, b""
    told["peak_bytes"] = peak_bytes()
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
