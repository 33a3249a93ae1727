"""Runs the measurements: all of them, or those named (`--tiny`: only to see that they run). Writes results.json and RESULTS.md beside itself, and the README's table."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import msgspec

from benchmarks.readme_table import with_table
from benchmarks.work import ROOT, WORK, Figure, say

BENCHES = (
    "start",
    "right",
    "import_rows",
    "export_rows",
    "read",
    "write",
    "capacity",
    "later_results",
    "dashboards",
    "memory",
    "resting",
    "caches",
    "rates",
    "signing_in",
    "cost",
    "parts",
    "bounds",
    "connections",
    "hanging",
    "leaks",
    "doctors",
    "healthy",
    "groups",
    "next_week",
    "duplicates",
    "verification_queue",
    "roads",
    "together",
    "pages",
    "phone",
    "phones",
    "peers",
)
HERE = Path(__file__).parent


def main() -> int:
    if sys.argv[1:2] == ["compare"]:
        from benchmarks.compare import main as compare

        return compare(sys.argv[2:])
    is_tiny = sys.argv[1:2] == ["--tiny"]
    wanted = sys.argv[2 if is_tiny else 1 :] or list(BENCHES)
    unknown = set(wanted) - set(BENCHES)
    if unknown:
        print(f"There is no measurement called {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}.")
        return 2
    WORK.mkdir(parents=True, exist_ok=True)
    if is_tiny:
        return measure_tiny(wanted)
    kept_before = json.loads((HERE / "results.json").read_text()) if (HERE / "results.json").exists() else {}
    for name in wanted:
        print(f"== {name}", file=sys.stderr, flush=True)
        began = time.monotonic()
        figures = import_module(f"benchmarks.{name}").measure(say)
        kept_before[name] = {
            "at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
            "seconds": round(time.monotonic() - began),
            "figures": [msgspec.to_builtins(figure) for figure in figures],
        }
        for figure in figures:
            print(line(figure))
        # Written after each, so that one that breaks takes none of the others along.
        (HERE / "results.json").write_text(json.dumps(kept_before, indent=1) + "\n")
        (HERE / "RESULTS.md").write_text(as_page(kept_before))
        readme = ROOT / "README.md"
        readme.write_text(with_table(readme.read_text()))
    missed = [
        figure["name"]
        for each in kept_before.values()
        for figure in each["figures"]
        if figure["is_kept"] is False
    ]
    if missed:
        print("NOT KEPT: " + "; ".join(missed))
    return 1 if missed else 0


def measure_tiny(wanted: list[str]) -> int:
    """Starts measurements at a size at which they say nothing, to see that they run; nothing is written down and no promise is judged."""
    for name in wanted:
        began = time.monotonic()
        module = import_module(f"benchmarks.{name}")
        for constant, value in module.TINY.items():
            getattr(module, constant)  # one that is called otherwise now is an error, and not a new one
            setattr(module, constant, value)
        figures = module.measure(say)
        if not figures:
            raise RuntimeError(f"{name} measured nothing")
        print(f"{name}: {len(figures)} figures in {time.monotonic() - began:.1f} s")
    return 0


def line(figure: Figure) -> str:
    kept = {True: "kept", False: "NOT KEPT", None: ""}[figure.is_kept]
    return (
        f"{figure.name:48} {figure.value:>14,.3f} {figure.unit:12} {figure.promise:24} {kept}  {figure.floor}"
    )


def as_page(results: dict[str, dict[str, object]]) -> str:
    text = ["# Measured", "", "Written by `make bench`; how each is measured stands in README.md.", ""]
    for name, each in results.items():
        text += [f"## {name}", "", f"{each['at']}, {each['machine']}, took {each['seconds']} s.", ""]
        text += ["| what | measured | promised | kept | beside |", "|---|---|---|---|---|"]
        for raw in each["figures"]:  # type: ignore[attr-defined]
            figure = msgspec.convert(raw, Figure)
            kept = {True: "yes", False: "**no**", None: ""}[figure.is_kept]
            text.append(
                f"| {figure.name} | {figure.value:,.3f} {figure.unit} | {figure.promise} | {kept} | {figure.floor} |"
            )
        text.append("")
    return "\n".join(text)


if __name__ == "__main__":
    sys.exit(main())
