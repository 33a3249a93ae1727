"""Makes one photo small, in a process of its own: bytes come in, a JPEG goes out, and the memory it took goes with the process.

Nothing of the platform is loaded here. Answers on standard output: one line of JSON, then the JPEG.
*Source* of the bounds: programme/photos/model.py; a decompression bomb is refused by its header, before anything is decoded.
"""

from __future__ import annotations

import io
import json
import resource
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

MEMORY_BYTES = 320 * 1024 * 1024
"""Address space, not memory: the libraries alone take 100 MB of it."""
QUALITY = 80
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


def shrink(
    content: bytes, *, longest: int, bounds: tuple[int, int, int, int], keeps_place: bool
) -> tuple[dict[str, Any], bytes]:
    """The photo made small, or why not. *Errors*: ValueError, OSError, SyntaxError for content that is no picture."""
    with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as picture:
        width, height = picture.size
        jpeg, coefficients, png, webp = bounds
        if is_too_large(picture, jpeg=jpeg, coefficients=coefficients, png=png, webp=webp):
            return {"refused": "too_many_pixels"}, b""
        place = dict(picture.getexif().get_ifd(PLACE)) if keeps_place else {}
        # Each step holds as little as it can: decoded at a part of its size, made small before it is turned.
        part = min(1.0, longest / max(width, height))
        picture.draft("RGB", (max(1, int(width * part)), max(1, int(height * part))))
        picture.thumbnail((longest, longest))
        ImageOps.exif_transpose(picture, in_place=True)
        # A fresh picture carries nothing of the old one but its pixels.
        clean = Image.new("RGB", picture.size)
        clean.paste(picture)
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
            sys.stdin.buffer.read(),
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
