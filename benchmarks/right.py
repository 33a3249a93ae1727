"""Right: children drawn from every published ladder give back every published headline, through the real import, results and figures.

Reads ../shared/data/aser-2024-ladders.csv and aser-2024-headlines.csv; says that it was skipped where they are not.
For each state, grade and subject 1,000 children are apportioned over the levels by largest remainder.
"""

from __future__ import annotations

import csv
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.load import Load, Request, run_load
from benchmarks.work import ROOT, Figure, Service, fresh, run_json, service, tokens_for
from rightlevel.operations.sample_data.drawing import apportion
from rightlevel.programme.levels import SCALES

DATA = ROOT.parent / "shared" / "data"
CHILDREN = 1_000
WITHIN_POINTS = 0.2
BATCH = 200
CLIENTS = 8
TINY = {"CHILDREN": 10, "CLIENTS": 1}
INDICATORS = {
    "read_story": ("language", "reads_story"),
    "division": ("math", "does_division"),
    "at_least_subtraction": ("math", "subtraction_up"),
}
SUBJECTS = {"reading": "language", "arithmetic": "math"}


def measure(say: Callable[[str], None]) -> list[Figure]:
    if not (DATA / "aser-2024-ladders.csv").exists():
        say(f"skipped: {DATA} is not there")
        return [Figure("headlines given back (skipped: no ../shared/data)", 0, "headlines")]
    shares = _ladders()
    headlines = list(csv.DictReader((DATA / "aser-2024-headlines.csv").open(encoding="utf-8")))
    folder = fresh("right")
    tokens = tokens_for(folder, "admin", CLIENTS)
    with service(folder) as running:
        round_id = _prepare(running, tokens[0])
        say(f"importing {len(shares) // 2:,} classes of {CHILDREN:,} children")
        _import(folder, shares, say)
        _enter(running, tokens, round_id, shares, say)
        return _compare(running, tokens[0], round_id, headlines, say)


def _ladders() -> dict[tuple[str, int, str], list[float]]:
    shares: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    for row in csv.DictReader((DATA / "aser-2024-ladders.csv").open(encoding="utf-8")):
        subject = SUBJECTS[row["subject"]]
        code = SCALES[subject].levels[len(shares[row["state"], int(row["grade"]), subject])].code  # type: ignore[index]
        assert code == row["level"], "the file's levels are not in the order of the scale"
        shares[row["state"], int(row["grade"]), subject].append(float(row["percent"]))
    return shares


def _prepare(running: Service, token: str) -> int:
    today = datetime.now(UTC).date()
    running.post("/api/v1/settings/grades", {"grades": list(range(1, 9))}, token, method="PUT")
    year = {
        "name": "Oracle",
        "starts_on": str(today - timedelta(100)),
        "ends_on": str(today + timedelta(200)),
        "is_current": True,
    }
    year_id = running.post("/api/v1/school-years", year, token)["id"]
    days = {
        "kind": "baseline",
        "starts_on": str(today - timedelta(5)),
        "ends_on": str(today + timedelta(5)),
        "school_year_id": year_id,
    }
    made = running.post("/api/v1/rounds", days, token)
    running.post(f"/api/v1/rounds/{made['id']}/state", {"version": made["version"], "state": "open"}, token)
    return made["id"]


def _import(
    folder: Path, shares: dict[tuple[str, int, str], list[float]], say: Callable[[str], None]
) -> None:
    """One school a state, through the command that people use."""
    states = sorted({state for state, _, _ in shares})
    with (folder / "schools.csv").open("w", encoding="utf-8") as file:
        file.write("code,name,province\n")
        file.writelines(f"{_code(state)},School of {state},{state}\n" for state in states)
    mapping = folder / "schools.toml"
    mapping.write_text(
        'code = "code"\nname_local = "name"\n[place]\ncountry = {constant = "Oracle"}\nprovince = {column = "province"}\n',
        encoding="utf-8",
    )
    say(
        str(
            run_json(
                "import",
                "schools",
                str(folder / "schools.csv"),
                "--data",
                str(folder),
                "--mapping",
                str(mapping),
            )
        )
    )
    grades = sorted({(state, grade) for state, grade, _ in shares})
    with (folder / "students.csv").open("w", encoding="utf-8") as file:
        file.write("school,code,name,sex,grade\n")
        for state, grade in grades:
            file.writelines(
                f"{_code(state)},{grade}-{n},Child {n},{1 + n % 2},{grade}\n" for n in range(CHILDREN)
            )
    say(str(run_json("import", "students", str(folder / "students.csv"), "--data", str(folder))))


def _code(state: str) -> str:
    return state.upper().replace(" ", "-")


def _enter(
    running: Service,
    tokens: list[str],
    round_id: int,
    shares: dict[tuple[str, int, str], list[float]],
    say: Callable[[str], None],
) -> None:
    """Every result through the batch API, from several devices."""
    today = str(datetime.now(UTC).date())
    requests: list[list[Request]] = [[] for _ in tokens]
    schools = {
        each["code"]: each["id"] for each in running.get("/api/v1/schools?limit=1000", tokens[0])["items"]
    }
    for number, ((state, grade, subject), percent) in enumerate(sorted(shares.items())):
        children = running.get(
            f"/api/v1/students?school_id={schools[_code(state)]}&grade={grade}&limit=1000",
            tokens[number % len(tokens)],
        )["items"]
        assert len(children) == CHILDREN
        levels = [
            level
            for count, level in zip(apportion(percent, CHILDREN), SCALES[subject].levels, strict=False)
            for _ in range(count)
        ]  # type: ignore[index]
        writes: list[dict[str, Any]] = [
            {
                "id": str(uuid.uuid4()),
                "student_id": child["id"],
                "round_id": round_id,
                "subject": subject,
                "level": level.code,
                "tested_on": today,
                "method": "device",
            }
            for child, level in zip(children, levels, strict=True)
        ]
        which = number % len(tokens)
        headers = {"Authorization": f"Bearer {tokens[which]}", "Content-Type": "application/json"}
        for at in range(0, len(writes), BATCH):
            body = msgspec.json.encode({"writes": writes[at : at + BATCH]}).decode()
            requests[which].append(Request("POST", "/api/v1/results/batch", headers, body))
    outcome = run_load(Load("127.0.0.1", running.port, requests, 600.0, warm_s=0.0, repeat=False))
    say(f"{outcome.requests * BATCH:,} results in {outcome.seconds:.1f} s: {outcome.statuses}")
    if set(outcome.statuses) != {"200"}:
        raise RuntimeError(f"not every batch was saved: {outcome.statuses}")


def _compare(
    running: Service, token: str, round_id: int, headlines: list[dict[str, str]], say: Callable[[str], None]
) -> list[Figure]:
    country = running.get("/api/v1/places", token)["items"][0]["id"]
    places = {
        each["name_local"]: each["id"]
        for each in running.get(f"/api/v1/places?parent_id={country}&limit=100", token)["items"]
    }
    worst, missed = 0.0, 0
    for row in headlines:
        subject, code = INDICATORS[row["indicator"]]
        found = running.get(
            f"/api/v1/figures?round_id={round_id}&subject={subject}&place_id={places[row['state']]}&grade={row['grade']}",
            token,
        )
        share = next(each["share"] for each in found["indicators"] if each["code"] == code)
        off = abs(100 * share - float(row["percent"]))
        worst = max(worst, off)
        if round(off, 6) > WITHIN_POINTS:
            missed += 1
            say(
                f"{row['state']}, {row['indicator']}, grade {row['grade']}: published {row['percent']}, ours {100 * share:.2f}"
            )
    return [
        Figure("headlines given back", len(headlines) - missed, f"of {len(headlines)}", "all", missed == 0),
        Figure(
            "largest difference from a headline",
            worst,
            "points",
            f"<= {WITHIN_POINTS}",
            round(worst, 6) <= WITHIN_POINTS,
        ),
    ]
