"""What is taken out is what the model counts by itself: the roster, results, statistics and assignments as files, and movement as page and file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from simulation.client import Answer
from simulation.model.things import LEVELS, SUBJECTS, Assignment, Result, Round

if TYPE_CHECKING:
    from simulation.looking import Looker

SEXES = {"male": 1, "female": 2, "not known": 0, "not applicable": 9}
FORMATS = ("csv", "jsonl")
"""Those that are read without another library; that the others say the same is the program's own test."""
ENDED_TRIES = 50
SETS_READ = 2
"""Of how many people in the field the sets of a live address are compared, at each look."""
PAUSE_S = 0.1
REMOVED = "a school that was removed"
ROWS_OF_MATRIX = re.compile(r"<tr[^>]*><th.*?</tr>", re.DOTALL)
CELLS = re.compile(r"<td[^>]*>(.*?)</td>", re.DOTALL)
MARKS = re.compile(r"<[^>]*>")
WENT = ("absent", "refused", "left", "without a result")


async def files(looker: Looker) -> None:
    """Every file that the model can make by itself, compared row by row; what each manifest says; and the files of those in the field."""
    schools = {row["code"]: looker.w.word("school", row["id"]) for row in await looker.all("/api/v1/schools")}
    rounds = {
        looker.w.word("round", row["id"]): (row["year_name"], row["kind"])
        for row in await looker.all("/api/v1/rounds")
    }
    for number, held in enumerate(looker.p.rounds.values()):
        if not held.is_deleted:
            await _results(looker, held, schools, FORMATS[number % len(FORMATS)])
    await _statistics(looker, schools, {told: word for word, told in rounds.items()})
    await _assignments(looker)
    await _rosters_of_the_field(looker)


async def _file(
    looker: Looker, ask: dict[str, Any], who: str = "admin", *, has_figures: bool = True
) -> list[dict[str, str]]:
    """The rows of a file; its manifest says how many they are, and its digest."""
    answer = await looker.told(who, "/api/v1/exports", ask)
    text = answer.text.removeprefix("\ufeff")
    if ask.get("format") == "jsonl":
        told = [json.loads(line) for line in text.splitlines() if line]
        rows = [{name: "" if cell is None else str(cell) for name, cell in each.items()} for each in told]
    else:
        rows = list(csv.DictReader(io.StringIO(text)))
    manifest = await _manifest(looker, answer, who)
    got = (manifest["state"], manifest["rows_sent"], manifest["sha256"])
    looker.same(
        "the manifest of a file", ("done", len(rows), sha256(answer.body).hexdigest()), got, f"{who}, {ask}"
    )
    if ask["what"] == "results" and has_figures:
        _figures_in(looker, manifest, ask)
    return rows


async def _manifest(looker: Looker, answer: Answer, who: str) -> dict[str, Any]:
    """What is known of a file that was taken; it is written down a moment after the last byte has left."""
    address = answer.headers["link"].partition("<")[2].partition(">")[0]
    manifest: dict[str, Any] = {}
    for _ in range(ENDED_TRIES):
        manifest = await looker.ask(address, who)
        if manifest["state"] != "running":
            break
        await asyncio.sleep(PAUSE_S)
    return manifest


def _figures_in(looker: Looker, manifest: dict[str, Any], ask: dict[str, Any]) -> None:
    """The figures beside a file of results, as they were in its snapshot."""
    held = looker.p.rounds[looker.w.word("round", ask["round_id"]) or ""]
    figures = manifest["counts"][str(ask["round_id"])]["figures"]
    for subject in SUBJECTS:
        counts = [each for cells in looker.p.cells(held, subject).values() for each in cells.values()]
        enrolled, assessed = (
            sum(getattr(each, name) for each in counts) for name in ("enrolled", "assessed")
        )
        others = sum(each.absent + each.refused + each.left for each in counts)
        expected = {"assessed": assessed, "enrolled": enrolled, "to_do": enrolled - assessed - others}
        looker.same("figures beside a file of results", expected, figures[subject], f"{held.id}, {subject}")


async def _results(looker: Looker, held: Round, schools: Mapping[str, str | None], kind: str) -> None:
    """Every child that sits in a round at a real school, once, with both subjects, also the untested."""
    rows = await _file(looker, {"what": "results", "format": kind, "round_id": looker.w.ids[held.id]})
    found: dict[str | None, tuple[Any, ...]] = {}
    for row in rows:
        told = [_cell_of(row, subject) for subject in SUBJECTS]
        school = schools.get(row["school_code"], REMOVED)
        found[looker.w.word("child", row["id"])] = (school, int(row["grade"]), SEXES[row["sex"]], *told)
    expected: dict[str | None, tuple[Any, ...]] = {}
    for child in looker.p.children.values():
        seat = next(filter(None, (looker.p.seat(child, held, subject) for subject in SUBJECTS)), None)
        if seat is None or looker.p.schools[seat.school].is_practice:
            continue
        school = REMOVED if looker.p.schools[seat.school].is_deleted else seat.school
        results = [_cell(looker.p.live_result(child.id, held.id, subject)) for subject in SUBJECTS]
        expected[child.id] = (school, seat.grade, seat.sex, *results)
    where = f"{held.id} ({held.kind}), {kind}"
    looker.same("how many rows a file of results has", len(expected), len(rows), where)
    wrong = {
        each: (expected.get(each), found.get(each))
        for each in expected.keys() | found.keys()
        if expected.get(each) != found.get(each)
    }
    looker.same("the rows of a file of results", {}, wrong, where)


def _cell_of(row: dict[str, str], subject: str) -> tuple[str, ...]:
    return tuple(row[f"{subject}_{name}"] for name in ("outcome", "level", "rank", "tested_on", "verified"))


def _cell(result: Result | None) -> tuple[str, ...]:
    if result is None:
        return ("not_tested", "", "", "", "")
    rank = "" if result.rank is None else str(result.rank)
    verified = "yes" if result.is_verified else "no"
    return (result.outcome, result.level or "", rank, result.tested_on.isoformat(), verified)


async def _statistics(
    looker: Looker, schools: Mapping[str, str | None], rounds: Mapping[tuple[str, str], str | None]
) -> None:
    """Counts of every school by round, subject, grade and sex."""
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    for row in await _file(looker, {"what": "statistics", "format": "csv"}):
        school = schools.get(row["school_code"])
        if school is None:
            continue  # it was removed: what was counted there stays in the file
        told = {name: int(row[name]) for name in ("enrolled", "assessed", "absent", "refused")}
        told["left"] = int(row["went"])
        told |= {
            f"rank {rank}": int(row[f"rank_{rank}"]) for rank in range(1, 8) if row[f"rank_{rank}"] != "0"
        }
        key = (school, rounds[row["school_year"], row["round"]], row["subject"])
        found[*key, int(row["grade"]), SEXES[row["sex"]]] = told
    expected: dict[tuple[Any, ...], dict[str, int]] = {}
    for held in looker.p.rounds.values():
        for subject in SUBJECTS if not held.is_deleted else ():
            for school, cells in looker.p.cells(held, subject).items():
                for (grade, sex), counts in cells.items():
                    if any(counts.flat().values()) and not looker.p.schools[school].is_deleted:
                        expected[school, held.id, subject, grade, sex] = counts.flat()
    wrong = {
        key: (expected.get(key), found.get(key))
        for key in expected.keys() | found.keys()
        if expected.get(key) != found.get(key)
    }
    looker.same("the rows of the file of statistics", {}, wrong)


async def _assignments(looker: Looker) -> None:
    """Who was ever assigned where, and whether that is in force."""
    rows = await _file(looker, {"what": "assignments", "format": "jsonl"})
    # Whoever joined by a request is nobody of the model's: their assignments are not looked at.
    known = {(("assignment", int(row["id"]))): row["state"] for row in rows}
    found = {looker.w.words[key]: state for key, state in known.items() if key in looker.w.words}
    expected = {
        each.id: _state(looker, each)
        for each in looker.p.assignments.values()
        if not looker.p.schools[each.school].is_practice and not looker.p.schools[each.school].is_deleted
    }
    looker.same("the rows of the file of assignments", expected, found)


def _state(looker: Looker, each: Assignment) -> str:
    if each.is_ended or (each.to_on is not None and each.to_on < looker.w.today):
        return "over"
    return "to_come" if each.from_on > looker.w.today else "in_force"


async def _rosters_of_the_field(looker: Looker) -> None:
    """The roster that somebody in the field takes holds the children within their reach, each once, and no other."""
    sets_read = 0
    for person in looker.p.people.values():
        if (
            person.role not in ("teacher", "mentor")
            or not person.is_active
            or person.id not in looker.run.people
        ):
            continue
        rows = await _file(looker, {"what": "roster", "format": "csv"}, person.id)
        found = Counter(str(looker.w.word("child", row["id"])) for row in rows)
        expected = Counter(
            each.id
            for each in looker.p.children.values()
            if each.is_live
            and not looker.p.schools[each.record.school].is_deleted
            and not looker.p.schools[each.record.school].is_practice
            and looker.p.reaches_child(person.id, looker.w.today, each)
        )
        less, more = sorted((expected - found).elements()), sorted((found - expected).elements())
        none: list[str] = []
        looker.same("the roster that somebody in the field takes", (none, none), (less, more), person.id)
        if sets_read < SETS_READ:
            sets_read += 1
            await _sets(looker, person.id, rows)


async def _sets(looker: Looker, who: str, roster: list[dict[str, str]]) -> None:
    """The sets of a live address hold what the files of their names hold, under a token that only reads."""
    key = looker.run.people[who]
    listed = await _set_answer(looker, key.reading, "") if key.reading else None
    if listed is None:
        # There was none, or it was revoked meanwhile by somebody who may.
        username = (await looker.ask("/api/v1/me", who))["username"]
        made = await asyncio.to_thread(
            looker.run.command, "token", "create", "--person", username, "--reads-only", "--json"
        )
        key.reading = json.loads(made.strip().splitlines()[-1])["token"]
        listed = await _set_answer(looker, key.reading, "")
    names = [each["name"] for each in (listed or {"value": []})["value"]]
    looker.same("the first set of a live address", "roster", names[0] if names else None, who)
    found: dict[str, list[dict[str, str]]] = {}
    for name in ("roster", "results"):
        told = await _set_answer(looker, key.reading, f"{name}?$count=true") or {
            "value": [],
            "@odata.count": None,
        }
        found[name] = [
            {column: "" if cell is None else str(cell) for column, cell in row.items()}
            for row in told["value"]
        ]
        looker.same(
            "how many rows a set says it has", told["@odata.count"], len(found[name]), f"{who}, {name}"
        )
    looker.same(
        "the roster as a set",
        sorted((row["school_code"], row["id"], row["grade"], row["standing"]) for row in roster),
        sorted((row["school_code"], row["id"], row["grade"], row["standing"]) for row in found["roster"]),
        who,
    )
    results = await _file(looker, {"what": "results", "format": "jsonl"}, who, has_figures=False)
    looker.same("results as a set", results, found["results"], who)


async def _set_answer(looker: Looker, secret: str, address: str) -> dict[str, Any] | None:
    """What a live address answers; None where it is none. *Errors*: RuntimeError for anything else than an answer."""
    answer = await looker.run.client.ask(0, "GET", f"/odata/{secret}/{address}", {})
    for _ in range(ENDED_TRIES):
        if answer.status not in (429, 503):
            break
        await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
        answer = await looker.run.client.ask(0, "GET", f"/odata/{secret}/{address}", {})
    if answer.status == 404:
        return None
    if not answer.is_done:
        raise RuntimeError(f"/odata/…/{address} as a stranger: {answer.status} {answer.text[:500]}")
    return answer.json()


# Movement ------------------------------------------------------------------------------------------------------------------


async def movement_shown(
    looker: Looker, expected: Mapping[str, int], place: str, rounds: tuple[Round, Round], subject: str
) -> None:
    """How the same children came between two rounds, as the page shows it and as its file says it."""
    earlier, later = (looker.w.ids[each.id] for each in rounds)
    asked = f"place={looker.w.ids[place]}&earlier={earlier}&later={later}&subject={subject}"
    where = f"{place}, {rounds[0].id} to {rounds[1].id}, {subject}"
    page = await looker.page(f"/movement?{asked}")
    looker.same("movement on its page", dict(expected), matrix_of(page, len(LEVELS[subject])), where)
    text = (await looker.told("admin", f"/api/v1/movement/file?{asked}")).text.removeprefix("\ufeff")
    own = next(csv.DictReader(io.StringIO(text)))
    wanted = summed(expected)
    looker.same("movement in its file", wanted, {name: int(own[name]) for name in wanted}, where)


def matrix_of(page: str, levels: int) -> dict[str, int]:
    """The table from level to level, as it is shown."""
    table = page.partition('<table class="counts matrix">')[2].partition("</table>")[0]
    found: dict[str, int] = {}
    rows = [CELLS.findall(row) for row in ROWS_OF_MATRIX.findall(table.partition("<tbody>")[2])]
    for rank, cells in enumerate(rows, start=1):
        counts = [_number(MARKS.sub("", cell)) for cell in cells]
        fates = [*(str(to) for to in range(1, levels + 1)), *WENT]
        found |= {f"{rank} to {fate}": count for fate, count in zip(fates, counts, strict=False) if count}
    return found


def _number(text: str) -> int:
    digits = re.sub(r"[^0-9]", "", text)
    return int(digits) if digits else 0


def summed(moved: Mapping[str, int]) -> dict[str, int]:
    """What a line of the file says of a matrix."""
    told: Counter[str] = Counter()
    for key, count in moved.items():
        first, _, fate = key.partition(" to ")
        told["assessed"] += count
        if not fate.isdigit():
            told[fate.replace("without a result", "without_result")] += count
            continue
        told["matched"] += count
        told["improved" if int(fate) > int(first) else "declined" if int(fate) < int(first) else "same"] += (
            count
        )
    names = (
        "assessed",
        "matched",
        "improved",
        "same",
        "declined",
        "absent",
        "refused",
        "left",
        "without_result",
    )
    return {name: told[name] for name in names}
