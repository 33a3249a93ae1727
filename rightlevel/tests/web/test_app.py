"""What the application gives beside its routes: static files, our own scripts without what only people read."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from rightlevel import web
from rightlevel.web import app
from rightlevel.web.bundles import BUNDLES, STATIC, bundle, lean_script
from rightlevel.web.offline import SHELL_FILES
from rightlevel.web.templating import static_address

FONT = "noto-sans-khmer.woff2"
CSS = (STATIC / "app.css").read_text("utf-8")
OWN = sorted(each for each in STATIC.glob("*.js") if not each.name.endswith(".min.js"))


@pytest.mark.parametrize("script", OWN, ids=lambda script: script.name)
def test_a_lean_script_has_no_line_less_than_it_needs(script: Path) -> None:
    """No text of ours goes over several lines: taking lines and indentation away changes none."""
    for number, line in enumerate(script.read_text("utf-8").splitlines(), 1):
        assert line.count("`") % 2 == 0, f"{script.name}:{number}: a text that goes over lines"
    lean = lean_script(str(script))
    assert not any(line.startswith("//") for line in lean.splitlines())
    assert [line.strip() for line in lean.splitlines()] == [
        line.strip()
        for line in script.read_text("utf-8").splitlines()
        if line.strip() and not line.strip().startswith("//")
    ]


def test_all_scripts_together_fit_a_slow_network() -> None:
    """The goal of an issue, for who has 400 kbit/s: 60 KB over the wire, each script once, those of the phone's page as they come: in one."""
    minified = [each.read_bytes() for each in STATIC.glob("*.min.js")]
    worker = Path(app.__file__).parent / "offline" / "worker.js"
    lean = [lean_script(str(each)).encode() for each in OWN if each.name not in BUNDLES["phone_page.js"]]
    sent = (*minified, *lean, bundle("phone_page.js"), worker.read_bytes())
    assert sum(len(gzip.compress(each, 9)) for each in sent) <= 60_000


def test_the_khmer_font_stands_under_its_own_mark_behind_those_of_the_device() -> None:
    face = CSS[CSS.index("@font-face") : CSS.index("}", CSS.index("@font-face"))]
    assert f'url("{static_address(FONT)}")' in face, (
        "another file has another address: write its mark into app.css"
    )
    assert face.index("local(") < face.index("url("), "what the device has is taken first"
    assert "font-display: swap" in face, "words are read while it is on its way"
    assert "SIL OPEN FONT LICENSE" in (STATIC / FONT.replace(".woff2", ".txt")).read_text("utf-8")


def test_the_khmer_font_is_loaded_for_khmer_letters_alone_and_never_kept_with_a_phones_pages() -> None:
    face = CSS[CSS.index("@font-face") : CSS.index("}", CSS.index("@font-face"))]
    ranges = re.findall(r"U\+([0-9A-F]+)-([0-9A-F]+)", face)
    assert [(int(first, 16), int(last, 16)) for first, last in ranges] == [(0x1780, 0x17FF), (0x19E0, 0x19FF)]
    assert FONT not in SHELL_FILES
    named = [each for each in Path(web.__file__).parent.rglob("*.html") if "woff2" in each.read_text("utf-8")]
    assert named == [], "no page loads it beforehand"
    assert (STATIC / FONT).stat().st_size <= 32_000


def test_what_comes_as_one_is_its_files_in_order_under_a_mark_of_all_of_them() -> None:
    for name, parts in BUNDLES.items():
        whole = bundle(name).decode()
        texts = [
            lean_script(str(STATIC / each)) if name.endswith(".js") else (STATIC / each).read_text("utf-8")
            for each in parts
        ]
        assert whole == "\n".join(texts), name
        assert static_address(name).startswith(f"/static/{name}?v="), name
        assert not (STATIC / name).exists(), "a file of the same name would never be sent"


def test_the_first_visit_of_the_phones_page_fits_a_slow_network() -> None:
    """The goal of an issue: 60 KB over the wire, the page's own text (6 KB) and heads of answers (4 KB) left out."""
    sent = [bundle(name) for name in BUNDLES] + [
        (STATIC / each).read_bytes() for each in SHELL_FILES if each not in BUNDLES
    ]
    assert sum(len(gzip.compress(each, 9)) for each in sent) <= 50_000
