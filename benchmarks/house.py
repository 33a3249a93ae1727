"""How large the web room is, and how much of it only hands on: `python -m benchmarks.house`.

*Shape*: what is counted → how many, read from the source (nothing is run). `docs/developers/house.md` keeps what came of it.
"""

from __future__ import annotations

import ast
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "rightlevel/src/rightlevel"
WEB = SOURCE / "web"
FLATWATER = ROOT / "flatwater/src/flatwater"
LONGEST_TEMPLATE_LINE = 150
MOST_PLACES = 5
SHARED_LINES = 6
VERBS = frozenset({"get", "post", "put", "patch", "delete", "on", "endpoint"})


def measure() -> dict[str, int]:
    """Every row of the table."""
    python = [each for folder in (SOURCE, FLATWATER) for each in sorted(folder.rglob("*.py"))]
    web = [each for each in python if WEB in each.parents]
    trees = {each: ast.parse(each.read_text("utf-8")) for each in python}
    lines = [line for each in sorted(WEB.rglob("*.html")) for line in each.read_text("utf-8").split("\n")]
    declared = [lines_of(each) for path in web for each in declarations(trees[path])]
    pages = "\n".join(each.read_text("utf-8") for each in web)
    return {
        "formatter switched off": sum(map(switched_off, python)),
        "template lines": len(lines),
        f"template lines over {LONGEST_TEMPLATE_LINE}": sum(
            len(each) > LONGEST_TEMPLATE_LINE for each in lines
        ),
        "longest template line": max(map(len, lines)),
        "handlers declared by a decorator": len(declared),
        "lines of those decorators": sum(declared),
        "savepoints in web": pages.count(".savepoint()"),
        "forms shown again by hand": pages.count("show_again(request"),
        "readers of typed texts (Typed())": pages.count("Typed()"),
        "endings said by hand (done)": pages.count("return done("),
        f"calls with more than {MOST_PLACES} arguments by place": sum(map(crowded, trees.values())),
        f"neighbouring places that share {SHARED_LINES} lines or more": shared_pairs(python),
        "`--?` switches in SQL": sum(
            each.read_text("utf-8").count("--?")
            for folder in (SOURCE, FLATWATER)
            for each in folder.rglob("*.sql")
        ),
        "web: Python lines": sum(map(length, web)),
        "rightlevel and flatwater: Python lines": sum(map(length, python)),
    }


def length(path: Path) -> int:
    return path.read_text("utf-8").count("\n")


def lines_of(node: ast.expr) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def switched_off(path: Path) -> int:
    """How often a file tells the formatter to look away."""
    with tokenize.open(path) as file:
        comments = [
            each.string for each in tokenize.generate_tokens(file.readline) if each.type == tokenize.COMMENT
        ]
    return sum("fmt: skip" in each or "fmt: off" in each for each in comments)


def declarations(tree: ast.Module) -> Iterator[ast.Call]:
    """The decorators that declare a route."""
    for node in ast.walk(tree):
        for each in node.decorator_list if isinstance(node, ast.AsyncFunctionDef) else ():
            if (
                isinstance(each, ast.Call)
                and isinstance(each.func, ast.Attribute)
                and each.func.attr in VERBS
            ):
                yield each


def crowded(tree: ast.Module) -> int:
    """How many calls of a module have more arguments by place than anybody counts."""
    return sum(isinstance(each, ast.Call) and len(each.args) > MOST_PLACES for each in ast.walk(tree))


def shared_pairs(paths: list[Path]) -> int:
    """How often six lines or more are there again, each time beside the place before; imports and lines of one word left out; a longer run is one."""
    places: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for number, path in enumerate(paths):
        kept = [
            (at, line.strip())
            for at, line in enumerate(path.read_text("utf-8").split("\n"))
            if not re.fullmatch(r"\W*(?:\w+,?)?\W*", line) and not re.match(r"\s*(?:from|import)\s", line)
        ]
        for at in range(len(kept) - SHARED_LINES + 1):
            run = tuple(line for _, line in kept[at : at + SHARED_LINES])
            places.setdefault(run, []).append((number, at))
    pairs: set[tuple[tuple[int, int], tuple[int, int]]] = set()
    for found in places.values():
        pairs |= {(one, other) for one, other in pairwise(found)}
    # A pair whose lines before are shared too is the same run, one line on.
    return sum(((one[0], one[1] - 1), (other[0], other[1] - 1)) not in pairs for one, other in pairs)


def main() -> None:
    for name, number in measure().items():
        print(f"{number:>8,}  {name}")
    kinds = Counter(each.suffix for each in WEB.rglob("*") if each.suffix in (".py", ".html", ".js"))
    print(f"{sum(kinds.values()):>8,}  files in web: {dict(kinds)}")


if __name__ == "__main__":
    main()
