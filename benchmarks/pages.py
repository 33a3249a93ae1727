"""Pages: every page and list at 10,000, 100,000 and 1,000,000 children, each filter and an empty answer included: how long, and how that grows.

Nothing a person opens may grow with the country. Each GET route of a running service is asked as an admin, a coordinator, a mentor of
twenty schools, a teacher and a viewer; each filter of it by whoever sees all, with a value that is there and one that nothing has, and two filters
together. An address's time is the median of its asks; the growth is the slope of the logarithm of its
least time over the logarithm of the number of children. All sizes are asked by turns, and what misses is asked again, more often, before it is
said: others' load on the machine is no growth.
A page's `limit` is left at what it is when not told. Files that hold everything (exports, a round's snapshot) are sent in pieces and grow as they must:
they are asked and not judged.

`python -m benchmarks.pages WORDS...` asks only the addresses in whose name one of the words stands, prints each, and writes nothing down.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import httpx
import msgspec
import psycopg

from benchmarks.verification_queue import put_retests
from benchmarks.work import ROOT, Figure, free_port, generated
from flatwater.queries import read_queries
from rightlevel.database.server import PrivateServer

SIZES = (10_000, 100_000, 1_000_000)
CHILDREN_PER_SCHOOL = 100
MOST_EXPONENT = 0.15
LONGEST_MS = 50.0
SHORT_MS = 5.0
"""Of what takes less at any size nobody can say how it grows: the way to the service and back is most of it."""
ASKS = 2
ASKS_AGAIN = 8
ROLES = ("coordinator", "admin", "mentor", "teacher", "viewer")
ROUTES: int | None = None
TINY = {"SIZES": (300, 600), "CHILDREN_PER_SCHOOL": 50, "ASKS": 1, "ASKS_AGAIN": 1, "ROUTES": 12}
"""How many routes at most; all of them when it is None."""
NOT_JUDGED = (
    "/operations/live",
    "/metrics",
    "/api/v1/openapi.json",
    "/api/v1/rounds/{id}/snapshot",
    "/api/v1/rounds/{id}/snapshot/check",
)
"""A stream, what is the same everywhere, and what gives or recounts a whole round."""
NOBODY = "01890000-0000-7000-8000-000000000000"
GROWN = read_queries(
    (Path(__file__).parent / "country.sql").read_text("utf-8"), origin="benchmarks/country.sql"
)
GIVEN: dict[str, tuple[str, ...]] = {
    "search": ("so", "sok", "School 0000", "zzzz nothing"),
    "text": ("denied", "10.0.0.7", "zzzz nothing"),
    "username": ("coordinator", "zzzz.nothing"),
    "resource": ("student", "zzzz"),
    "resource_id": (NOBODY,),
    "action": ("create", "zzzz"),
    "outcome": ("done", "denied", "failed", "assessed", "absent", "refused"),
    "status": ("active", "left", "open", "closed"),
    "state": (
        "open",
        "closed",
        "planned",
        "draft",
        "submitted",
        "waiting",
        "disputed",
        "returned",
        "under_way",
        "settled",
        "over",
        "in_force",
        "to_come",
        "current",
        "approved",
        "declined",
    ),
    "which": ("open", "overdue", "closed", "own", "done", "cancelled", "drafts", "incomplete"),
    "kind": ("students", "schools", "people", "classes", "visits", "results", "district", "province"),
    "role": ("teacher", "mentor", "coordinator"),
    "boundaries": ("then", "today"),
    "by": ("place", "school", "grade", "mentor", "tester", "level"),
    "subject": ("math", "language"),
    "level": ("beginner", "word"),
    "grade": ("3", "12"),
    "sex": ("1", "9"),
    "rank": ("1", "9"),
    "days": ("1", "30"),
}
"""What is asked of a filter by its name: what is there, and last what nothing has."""
FILLED_IN = ("/new", "/edit", "/requests/{id}", "/question", "/imports", "/sign-in", "/step")
"""Forms whose query says what stands in them."""
NOT_FILTERS = frozenset(
    {"limit", "after", "next", "code", "pin", "mark", "until", "version", "again", "line", "source"}
)


class Ask(msgspec.Struct, frozen=True):
    """One address as somebody opens it. Its name is the same at every size."""

    name: str
    role: str
    path: str
    query: tuple[tuple[str, str], ...]
    is_judged: bool = True


class Taken(msgspec.Struct):
    """How an address answered at one size. *Units*: milliseconds."""

    status: int
    times: list[float]


def measure(say: Callable[[str], None]) -> list[Figure]:
    """*Cost*: some five minutes, and the making of the largest; three services at once."""
    return figures(ask_all(say), say)


def ask_all(say: Callable[[str], None], words: Sequence[str] = ()) -> dict[int, dict[str, Taken]]:
    """How each address answered at each size: asked by turns, so that whatever else the machine does makes all of them slower alike.

    With words only the addresses in whose name one of them stands.
    """
    with contextlib.ExitStack() as stack:
        asked: dict[int, dict[str, Ask]] = {}
        clients: dict[int, dict[str, httpx.Client]] = {}
        for children in SIZES:
            asked[children], clients[children] = stack.enter_context(_served(children, say))
        names = [each for each in asked[SIZES[-1]] if all(each in asks for asks in asked.values())]
        if words:
            names = [each for each in names if any(word in each for word in words)]
        taken: dict[int, dict[str, Taken]] = {children: {} for children in SIZES}
        for name in names:
            _ask_by_turns(name, asked, clients, taken, ASKS)
            if _misses(name, taken):
                _ask_by_turns(name, asked, clients, taken, ASKS_AGAIN)
        say(f"{len(names):,} addresses at {len(SIZES)} sizes")
        judged = [name for name in names if asked[SIZES[-1]][name].is_judged]
    return {children: {name: each[name] for name in judged} for children, each in taken.items()}


def main(words: Sequence[str]) -> int:
    """Prints the addresses in whose name one of the words stands, the slowest first; 1 when one of them misses, 2 when there is none."""
    by_size = ask_all(print_line, words)
    names = list(by_size[SIZES[-1]])
    for name in sorted(names, key=lambda each: -median(by_size[SIZES[-1]][each].times)):
        print_line(_told(name, by_size))
    if not names:
        return 2
    return int(any(figure.is_kept is False for figure in figures(by_size, print_line)))


def print_line(text: str) -> None:
    print(text, flush=True)


def _told(name: str, taken: dict[int, dict[str, Taken]]) -> str:
    times = ", ".join(f"{median(each[name].times):.1f}" for each in taken.values())
    return f"{times} ms, size to the power of {_growth(name, taken):.2f}: {name}"


def _misses(name: str, taken: dict[int, dict[str, Taken]]) -> bool:
    """Whether an address is to be asked again before anything is said of it."""
    slow = any(median(each[name].times) > LONGEST_MS / 2 for each in taken.values())
    return slow or _growth(name, taken) > MOST_EXPONENT


def _growth(name: str, taken: dict[int, dict[str, Taken]]) -> float:
    return exponent([(size, min(each[name].times)) for size, each in taken.items()])


def _ask_by_turns(
    name: str,
    asked: dict[int, dict[str, Ask]],
    clients: dict[int, dict[str, httpx.Client]],
    taken: dict[int, dict[str, Taken]],
    times: int,
) -> None:
    """One ask of each size to warm up, and so many that count."""
    for number in range(times + 1):
        for size in SIZES:
            ask = asked[size][name]
            began = time.perf_counter()
            status = clients[size][ask.role].get(ask.path, params=ask.query).status_code
            took_ms = (time.perf_counter() - began) * 1000
            seen = taken[size].setdefault(name, Taken(status, []))
            seen.status = status
            if number:
                seen.times.append(took_ms)


def figures(by_size: dict[int, dict[str, Taken]], say: Callable[[str], None]) -> list[Figure]:
    """What is promised of them all, and beside it whichever missed."""
    names = list(by_size[SIZES[-1]])
    growth = {name: _growth(name, by_size) for name in names}
    slowest = {name: median(by_size[SIZES[-1]][name].times) for name in names}
    steep = sorted(
        (name for name in names if growth[name] > MOST_EXPONENT), key=growth.__getitem__, reverse=True
    )
    slow = sorted(
        (name for name in names if slowest[name] > LONGEST_MS), key=slowest.__getitem__, reverse=True
    )
    for name in sorted({*steep, *slow}, key=slowest.__getitem__, reverse=True):
        say(_told(name, by_size))
    statuses = Counter(taken.status for taken in by_size[SIZES[-1]].values())
    failed = {
        name: each.status
        for taken in by_size.values()
        for name, each in taken.items()
        if each.status >= 500 or each.status == 429
    }
    for name, status in failed.items():
        say(f"answered {status}: {name}")
    asked = f"{len(names):,} addresses as {len(ROLES)} roles, {', '.join(f'{n:,} x {s}' for s, n in sorted(statuses.items()))}"
    worst, longest = max(names, key=growth.__getitem__), max(names, key=slowest.__getitem__)
    return [
        Figure("pages that were not given", len(failed), "addresses", "0", not failed),
        Figure(
            "pages that grow with the country",
            len(steep),
            "addresses",
            f"0 above {MOST_EXPONENT}",
            not steep,
            f"{asked}; steepest {growth[worst]:.2f}: {worst}",
        ),
        Figure(
            f"pages over {LONGEST_MS:.0f} ms at {SIZES[-1]:,} children",
            len(slow),
            "addresses",
            "0",
            not slow,
            f"longest {slowest[longest]:.1f} ms: {longest}",
        ),
    ]


def exponent(points: list[tuple[int, float]]) -> float:
    """The power of the size with which a time grows: the slope of their logarithms by least squares. What takes less than `SHORT_MS` counts as that."""
    logs = [(math.log(size), math.log(max(taken, SHORT_MS))) for size, taken in points]
    middle_x, middle_y = (sum(each) / len(logs) for each in zip(*logs, strict=True))
    spread = sum((x - middle_x) ** 2 for x, _ in logs)
    return sum((x - middle_x) * (y - middle_y) for x, y in logs) / spread if spread else 0.0


def _opening() -> ModuleType:
    sys.path.insert(0, str(ROOT / "rightlevel/tests"))
    import opening_everything

    return opening_everything


@contextlib.contextmanager
def _served(
    children: int, say: Callable[[str], None]
) -> Iterator[tuple[dict[str, Ask], dict[str, httpx.Client]]]:
    """A service with a country of so many children, what is asked of it by name, and a browser of each role."""
    opening = _opening()
    with country(children, say) as (folder, ids):
        asks = list(_asks(ids))[: None if ROUTES is None else ROUTES * len(ROLES)]
        with opening.running(folder, free_port(), is_prepared=True) as service, _clients(service) as clients:
            yield {each.name: each for each in asks}, clients


@contextlib.contextmanager
def country(children: int, say: Callable[[str], None]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The data folder of a country of so many children with all that grows beside them, and the ids to open; made once."""
    schools = max(1, children // CHILDREN_PER_SCHOOL)
    with generated(schools, children, results=True, name=f"pages-{children}") as folder:
        _opening().prepare(folder)
        yield folder, grow(folder, say)


def grow(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Puts in, once, what grows with a country beside children and results; the ids to open."""
    opening = _opening()
    server = PrivateServer(folder, 150_000_000)
    conninfo = server.start()
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            if not (folder / "grown").exists():
                with connection.transaction():
                    _grow(connection, say)
                connection.execute("vacuum analyze")
                (folder / "grown").touch()
            return opening.ids_of(connection, "G000000")
    finally:
        server.stop()


def _grow(connection: psycopg.Connection[Any], say: Callable[[str], None]) -> None:
    connection.execute("set synchronous_commit = off")
    found = connection.execute("select id from person where username = 'coordinator'").fetchone()
    children = connection.execute("select count(*) from student").fetchone()
    rounds = connection.execute(
        "select round_id from result group by round_id order by count(*) desc, round_id limit 1"
    ).fetchone()
    if found is None or children is None or rounds is None:
        raise RuntimeError("the cast or the results are missing")
    for name in sorted(GROWN):
        began = time.monotonic()
        connection.execute(GROWN[name].text, {"person": found[0]})
        say(f"{name}: {time.monotonic() - began:.1f} s")
    share = {"pending": 0.04, "disagreed": 0.008, "returned": 0.002, "agreed": 0.05}
    put_retests(connection, rounds[0], {state: int(part * children[0]) for state, part in share.items()})


@contextlib.contextmanager
def _clients(service: Any) -> Iterator[dict[str, httpx.Client]]:
    """A browser of each role."""
    from people import token_of

    with contextlib.ExitStack() as stack:
        yield {
            role: stack.enter_context(
                httpx.Client(
                    base_url=service.url,
                    cookies={"rl_session": token_of(role)},
                    headers={"x-csrf-token": "csrf"},
                    timeout=60.0,
                )
            )
            for role in ROLES
        }


def _asks(ids: dict[str, Any]) -> Iterator[Ask]:
    from asking import path_of, query_of

    from rightlevel.web.app import all_routes

    for endpoint in all_routes():
        if endpoint.method != "GET" or endpoint.path == "/operations/live":
            continue
        path, needed = path_of(endpoint, _named(endpoint.path, ids)), query_of(endpoint, ids)
        judged = endpoint.path not in NOT_JUDGED
        plain = {name: value for name, value in needed.items() if _is_needed(endpoint, name)}
        for role in ROLES:
            yield Ask(f"{endpoint.path} as {role}", role, path, tuple(plain.items()), judged)
        for query in _filtered(endpoint, ids):
            role = "admin" if endpoint.path in ("/audit", "/api/v1/audit", "/operations") else "coordinator"
            said = "&".join(
                f"{name}={'…' if name.endswith('id') and value != NOBODY else value}"
                for name, value in query.items()
            )
            yield Ask(f"{endpoint.path}?{said} as {role}", role, path, tuple((plain | query).items()), judged)
            if len(query) == 1:
                yield Ask(
                    f"{endpoint.path}?{said} as mentor",
                    "mentor",
                    path,
                    tuple((plain | query).items()),
                    judged,
                )


def _named(path: str, ids: dict[str, Any]) -> dict[str, Any]:
    """`path_of` leaves out which result is meant; and a page of one that isn't there is no page."""
    is_result = path.startswith(("/api/v1/results/{id}", "/verification/results/{id}"))
    return ids | {"id": ids.get("results")} if is_result else ids


def _is_needed(endpoint: Any, name: str) -> bool:
    fields = msgspec.structs.fields(endpoint.inputs["query"])
    return any(each.encode_name == name and each.required for each in fields)


def _filtered(endpoint: Any, ids: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Each filter by itself with each value, and each two together."""
    kind = endpoint.inputs.get("query")
    if kind is None or endpoint.path.endswith(FILLED_IN):
        return
    values = {
        field.encode_name: _values(field, ids)
        for field in msgspec.structs.fields(kind)
        if field.encode_name not in NOT_FILTERS
    }
    for name, each in values.items():
        yield from ({name: value} for value in each)
    for one, other in combinations(values, 2):
        yield {one: values[one][0], other: values[other][0]}


def _values(field: Any, ids: dict[str, Any]) -> list[str]:
    name, kind = field.encode_name, str(field.type)
    if name in GIVEN:
        return list(GIVEN[name])
    if "bool" in kind:
        return ["true", "false"]
    if "date" in kind or name.endswith("_on"):
        today = date.today()
        return [str(today - timedelta(20)), str(today), str(today - timedelta(4_000))]
    if "int" in kind:
        known = ids.get(name)
        return ["999999999"] if known is None else [str(known), "999999999"]
    known = ids.get(name)
    return [NOBODY] if known is None else [str(known), NOBODY]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
