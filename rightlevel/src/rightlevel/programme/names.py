"""What a name may be made of, wherever people or places or things are named."""

from __future__ import annotations

import re
from typing import Final

from rightlevel.programme.errors import Fault

_UNSEEN: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
"""Line breaks, control characters, marks that turn the direction of what follows, and letters of no width.

*Source*: Unicode TR36, "Unicode Security Considerations", 3.4. The zero-width space and joiners (U+200B to U+200D) stay: Khmer and Indic
scripts are written with them, and the key by which names are found leaves them out.
"""
WITHOUT_UNSEEN: Final = "Without line breaks and marks that can’t be seen"


def unseen_faults(**names: str) -> list[Fault]:
    """A fault for each name that holds what can't be seen."""
    return [
        Fault(field, WITHOUT_UNSEEN, _UNSEEN.sub("·", name)[:80])
        for field, name in names.items()
        if _UNSEEN.search(name.strip())
    ]
