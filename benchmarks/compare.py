"""Two commits beside each other, with a verdict for each case, and how the cost of each grows with the size.

`make bench ARGS="compare main HEAD"`: each commit is checked out beside this one (git worktree), gets a data folder of its own made by its
own program, and runs as a service of its own; the cases are asked of both by turns, so what else the machine does falls on both. Per case
and size: the median over the turns, and the interval of the ratio by resampling the pairs of turns. Sizes are results (two a child).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.work import ROOT, WORK, Service, free_port, say, wait_for

SAME = 0.05
"""Two that differ by less are the same to whoever waits; a difference must lie wholly beyond it to be one."""
RESAMPLES = 2_000
TURNS = 9
ASKED_A_TURN = 20
SIZES = (10_000, 100_000)


class Verdict(msgspec.Struct, frozen=True):
    """What comparing says: `ratio` is the second's time over the first's, with its 95 % interval."""

    word: str
    ratio: float
    low: float
    high: float


class Growth(msgspec.Struct, frozen=True):
    """How cost grows: as size to the power of `power`, with its 95 % interval."""

    power: float
    low: float
    high: float

    @property
    def words(self) -> str:
        if self.high < 0.15:
            kind = "does not grow"
        elif self.low < 0:
            kind = "can't be told"
        elif self.low > 0.85 and self.high < 1.25:
            kind = "grows in step with the size"
        elif self.low >= 1.25:
            kind = "grows faster than the size"
        else:
            kind = "grows less than the size" if self.high < 1.0 else "can't be told"
        return f"{kind} (size to the {self.power:.2f}, {self.low:.2f} to {self.high:.2f})"


def compare_turns(first: Sequence[float], second: Sequence[float], *, seed: int = 1) -> Verdict:
    """The verdict on the times of two, taken by turns. *Shape*: pairs by place. *Errors*: ValueError under five pairs."""
    if len(first) != len(second) or len(first) < 5:
        raise ValueError("a verdict takes at least five turns of each")
    ratios = [math.log(b / a) for a, b in zip(first, second, strict=True)]
    draw = random.Random(seed)
    middles = sorted(median(draw.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    low, high = (math.exp(middles[int(share * (RESAMPLES - 1))]) for share in (0.025, 0.975))
    word = "can't be told"
    if low > 1 + SAME:
        word = "slower"
    elif high < 1 / (1 + SAME):
        word = "faster"
    elif low >= 1 / (1 + SAME) and high <= 1 + SAME:
        word = "the same"
    return Verdict(word, math.exp(median(ratios)), low, high)


def growth_of(turns: dict[int, Sequence[float]], *, seed: int = 1) -> Growth:
    """The power by which times grow with the size: a line through the logarithms, resampled. *Errors*: ValueError under two sizes."""
    if len(turns) < 2:
        raise ValueError("growth takes at least two sizes")
    draw = random.Random(seed)

    def power(values: dict[int, float]) -> float:
        xs, ys = [math.log(size) for size in values], [math.log(value) for value in values.values()]
        x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
        return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / sum(
            (x - x_mean) ** 2 for x in xs
        )

    found = sorted(
        power({size: median(draw.choices(list(times), k=len(times))) for size, times in turns.items()})
        for _ in range(RESAMPLES)
    )
    return Growth(
        power({size: median(times) for size, times in turns.items()}),
        found[int(0.025 * RESAMPLES)],
        found[int(0.975 * RESAMPLES) - 1],
    )


class Tree:
    """One commit's program in a folder of its own."""

    def __init__(self, commit: str) -> None:
        done = subprocess.run(
            ["git", "rev-parse", "--short=12", commit], cwd=ROOT, capture_output=True, text=True, check=True
        )
        self.commit = done.stdout.strip()
        self.folder = WORK / "trees" / self.commit

    def check_out(self) -> None:
        if not (self.folder / "rightlevel").exists():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["git", "worktree", "prune"], cwd=ROOT, check=True)
            subprocess.run(
                ["git", "worktree", "add", "--detach", "--force", str(self.folder), self.commit],
                cwd=ROOT,
                check=True,
                capture_output=True,
            )

    def remove(self) -> None:
        subprocess.run(
            ["git", "worktree", "remove", "--force", str(self.folder)],
            cwd=ROOT,
            check=False,
            capture_output=True,
        )

    @property
    def program(self) -> list[str]:
        return [sys.executable, "-m", "rightlevel"]

    @property
    def environment(self) -> dict[str, str]:
        """Its own code before what is installed; everything else is the same for both."""
        paths = os.pathsep.join(str(self.folder / each / "src") for each in ("flatwater", "rightlevel"))
        return {**os.environ, "PYTHONPATH": paths, "MALLOC_ARENA_MAX": "2"}

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [*self.program, *words],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(
                f"{self.commit}: rightlevel {' '.join(words)}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
            )
        return done.stdout

    def made(self, results: int) -> Path:
        """A data folder with so many results, made by this commit's program; kept for the next time."""
        folder = WORK / f"compare-{self.commit}-{results}"
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            children = max(30, results // 2)
            say(f"{self.commit}: making {results:,} results")
            self.run(
                "generate",
                "--schools",
                str(max(1, children // 100)),
                "--children",
                str(children),
                "--seed",
                "1",
                "--results",
                "--data",
                str(folder),
            )
            (folder / "made").write_text("")
        return folder

    @contextmanager
    def serving(self, folder: Path) -> Iterator[Asked]:
        name = f"bench.{uuid.uuid4().hex[:12]}"
        self.run("person", "add", "--role", "coordinator", "--username", name, "--data", str(folder))
        token = json.loads(
            self.run("token", "create", "--person", name, "--data", str(folder), "--json")
            .strip()
            .splitlines()[-1]
        )["token"]
        port = free_port()
        process = subprocess.Popen(
            [*self.program, "serve", "--data", str(folder), "--port", str(port)],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(port)
            yield Asked(Service(folder, port, process), token)
        finally:
            process.terminate()
            process.wait(60)


class Asked:
    """A running service and what the cases ask of it."""

    def __init__(self, service: Service, token: str) -> None:
        self.service, self.token = service, token
        schools = service.get("/api/v1/schools?limit=50", token)["items"]
        self.school = schools[len(schools) // 2]["id"]
        self.child = service.get(f"/api/v1/students?school_id={self.school}&limit=1", token)["items"][0]
        self.round = service.get("/api/v1/rounds?limit=1", token)["items"][0]["id"]

    def seconds(self, path: str) -> float:
        """How long one answer takes, whole. *Errors*: RuntimeError for any but 200."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.service.port}{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{path}: {answer.status}")
        return time.perf_counter() - began


CASES: dict[str, Callable[[Asked], str]] = {
    "a list of 50 children": lambda asked: f"/api/v1/students?school_id={asked.school}&limit=50",
    "one child": lambda asked: f"/api/v1/students/{asked.child['id']}",
    "the figures of the country": lambda asked: f"/api/v1/figures?round_id={asked.round}&subject=language",
    "the figures of a school": lambda asked: (
        f"/api/v1/figures?round_id={asked.round}&subject=language&school_id={asked.school}"
    ),
    "a list of 50 schools": lambda _: "/api/v1/schools?limit=50",
}


def measure_pair(first: Asked, second: Asked, *, turns: int) -> dict[str, tuple[list[float], list[float]]]:
    """For each case the median time of each turn, of both by turns; who begins changes with each turn."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for name, path_of in CASES.items():
        times: tuple[list[float], list[float]] = ([], [])
        pair = (first, second)
        for each in pair:
            for _ in range(5):
                each.seconds(path_of(each))
        for turn in range(turns):
            # One by one: what else the machine does in a moment falls on both.
            order = (0, 1) if turn % 2 == 0 else (1, 0)
            taken: tuple[list[float], list[float]] = ([], [])
            for _ in range(ASKED_A_TURN):
                for place in order:
                    taken[place].append(pair[place].seconds(path_of(pair[place])))
            for place in order:
                times[place].append(median(taken[place]))
        found[name] = times
    return found


def main(arguments: Sequence[str]) -> int:
    words = argparse.ArgumentParser(prog="make bench ARGS='compare …'", description=__doc__.splitlines()[0])
    words.add_argument("first", help="a commit: what it is compared with")
    words.add_argument("second", nargs="?", default="HEAD")
    words.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=list(SIZES),
        metavar="RESULTS",
        help="10000 up to 10000000; the largest takes an hour to make",
    )
    words.add_argument("--turns", type=int, default=TURNS)
    words.add_argument(
        "--keep", action="store_true", help="leave the checked-out commits and their data for the next time"
    )
    asked = words.parse_args(arguments)
    WORK.mkdir(exist_ok=True)
    trees = Tree(asked.first), Tree(asked.second)
    by_case: dict[str, tuple[dict[int, Sequence[float]], dict[int, Sequence[float]]]] = {
        name: ({}, {}) for name in CASES
    }
    slower = 0
    try:
        for tree in trees:
            tree.check_out()
        print(f"{trees[0].commit} beside {trees[1].commit}, {asked.turns} turns of {ASKED_A_TURN}")
        for size in asked.sizes:
            with (
                trees[0].serving(trees[0].made(size)) as first,
                trees[1].serving(_own(trees, size)) as second,
            ):
                for name, (one, other) in measure_pair(first, second, turns=asked.turns).items():
                    by_case[name][0][size], by_case[name][1][size] = one, other
                    verdict = compare_turns(one, other)
                    slower += verdict.word == "slower"
                    print(
                        f"{size:>12,}  {name:32} {median(one) * 1000:8.2f} ms  {median(other) * 1000:8.2f} ms   "
                        f"{verdict.ratio:.2f} ({verdict.low:.2f} to {verdict.high:.2f})  {verdict.word}"
                    )
        if len(asked.sizes) > 1:
            for name, sides in by_case.items():
                for tree, turns in zip(trees, sides, strict=True):
                    print(f"growth of {name} at {tree.commit}: {growth_of(turns).words}")
    finally:
        if not asked.keep:
            for tree in trees:
                tree.remove()
                for folder in WORK.glob(f"compare-{tree.commit}-*"):
                    shutil.rmtree(folder, ignore_errors=True)
    return 1 if slower else 0


def _own(trees: tuple[Tree, Tree], size: int) -> Path:
    """The second's data folder: its own, also where a commit is compared with itself."""
    if trees[0].commit != trees[1].commit:
        return trees[1].made(size)
    copy = WORK / f"compare-{trees[1].commit}-{size}-again"
    if not copy.exists():
        shutil.copytree(
            trees[0].made(size),
            copy,
            ignore=shutil.ignore_patterns("run", "lock", "running.json", "processes"),
        )
    return copy


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
