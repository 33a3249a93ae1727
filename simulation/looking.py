"""Everything that is compared when a day is over: figures, sheets, rosters, histories, rights, audit, lists, frozen rounds, reconcile."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import itertools
import re
import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from simulation.client import Answer, Lost
from simulation.deeds import KINDS
from simulation.files import files, movement_shown
from simulation.model.agreement import of_pairs
from simulation.model.programme import Counts
from simulation.model.things import FIELD, LEVELS, SUBJECTS, Round

if TYPE_CHECKING:
    from simulation.player import Player

ROW = ("grade", "sex", "outcome", "level", "is_verified", "is_locked")
PAGE = 7
"""So many rows a page where paging itself is looked at."""
MOST_PUBLIC = 60
"""So many published places are read each day."""
SEALING_S = 30.0
SEALING_PAUSE_S = 0.1


class Looker:
    """Asks the program as an admin, and compares."""

    def __init__(self, player: Player, narrow: str = "") -> None:
        self.narrow = narrow
        self.player = player
        self.w = player.world
        self.p = player.world.p
        self.run = player.run
        self.doses: dict[str, dict[int, dict[str, Any]]] = {}

    async def ask(self, path: str, who: str = "admin") -> Any:
        """The answer to a question. *Errors*: Unanswered when it is refused."""
        return (await self.told(who, path)).json()

    async def told(self, who: str, path: str, body: Any = None, *, may_be_refused: bool = False) -> Answer:
        """What is answered; on a busy machine it may be asked for again. *Errors*: Unanswered when it is refused."""
        from simulation.player import PAUSE_S, SETTLED_S, TRIES, UNSETTLED, Unanswered

        answer, method = None, "GET" if body is None else "POST"
        until = time.monotonic() + SETTLED_S
        for _ in range(TRIES):
            if time.monotonic() > until:
                break
            which = self.player.counts["asked"] % 2
            self.player.counts["asked"] += 1
            with contextlib.suppress(Lost):
                answer = await self.run.api(who, method, path, body, which=which)
                if answer.status not in (*UNSETTLED, 429):
                    break
            self.player.counts["asked again"] += 1
            await asyncio.sleep(PAUSE_S)
        if answer is None:
            raise Unanswered("questions", f"{method} {path} as {who}: no answer at all")
        self.player.saw(who, answer)
        if not answer.is_done and not may_be_refused:
            what = f"{method} {re.sub(r'[0-9a-f-]{36}|[0-9]+', '*', path.split('?')[0])}"
            raise Unanswered(
                f"{what} {answer.code}", f"{method} {path} as {who}: {answer.status} {answer.text[:300]}"
            )
        return answer

    async def page(self, path: str) -> str:
        """A page as a leader sees it who is signed in. *Errors*: Unanswered when it is shown to none."""
        from simulation.player import PAUSE_S, TRIES, Unanswered

        told = ""
        for number in range(TRIES):
            for who in ("admin", "coordinator1", "coordinator2"):
                with contextlib.suppress(Lost):
                    answer = await self.run.page(who, "GET", path, which=number)
                    told = f"{answer.status} {answer.text[:300]}"
                    if answer.status == 200:
                        return answer.text
            await asyncio.sleep(PAUSE_S)
        raise Unanswered("pages", f"{path}: {told or 'no answer at all'}")

    async def all(self, path: str, who: str = "admin", rows: int = 1000) -> list[dict[str, Any]]:
        """Every row of a list, paged through to its end."""
        found: list[dict[str, Any]] = []
        mark = ""
        joint = "&" if "?" in path else "?"
        while True:
            page = await self.ask(f"{path}{joint}limit={rows}{mark}", who)
            found += page["items"]
            if not page.get("next"):
                return found
            mark = f"&after={page['next']}"

    def same(self, sort: str, expected: object, got: object, where: str = "") -> bool:
        """Compares two values."""
        self.player.counts["comparisons"] += 1
        if expected != got:
            self.player.differ(sort, expected, got, where=where)
            return False
        return True

    # Figures ---------------------------------------------------------------------------------------------------------

    async def figures(self) -> None:
        """Every figure of every school and place, by grade and sex, in every round and subject."""
        for held in self.p.rounds.values():
            if held.is_deleted:
                continue
            for subject in SUBJECTS:
                await self._figures_of(held, subject)

    async def _figures_of(self, held: Round, subject: str) -> None:
        cells = self.p.cells(held, subject)
        base = f"/api/v1/figures/breakdown?round_id={self.w.ids[held.id]}&subject={subject}&by=grades"
        for school in self.p.schools.values():
            if school.is_deleted:
                continue
            expected = {} if school.is_practice else dict(cells.get(school.id, {}))
            sort = f"figures of a {'practice ' if school.is_practice else ''}school in a round that is {held.state}"
            await self._compare(
                sort,
                f"{base}&school_id={self.w.ids[school.id]}",
                expected,
                f"{school.id}, {held.id} ({held.kind}), {subject}",
            )
            if self.player.differences:
                return
        then = self._by_place(cells, held.roll_at)
        today = self._by_place(cells, None)
        for place in self.p.places.values():
            if place.is_deleted:
                continue
            where = f"{place.id} ({place.kind}), {held.id} ({held.kind}), {subject}"
            sort = f"figures of a place in a round that is {held.state}"
            address = f"{base}&place_id={self.w.ids[place.id]}"
            await self._compare(sort, address, then.get(place.id, {}), where)
            if then.get(place.id) != today.get(place.id):
                await self._compare(
                    f"{sort}, by the districts of today",
                    f"{address}&boundaries=today",
                    today.get(place.id, {}),
                    f"{where} today",
                )

    def _by_place(
        self, cells: dict[str, dict[tuple[int, int], Counts]], at: int | None
    ) -> dict[str, dict[tuple[int, int], Counts]]:
        """The counts of schools added up the tree, by where they stood at an instant, or stand."""
        found: dict[str, dict[tuple[int, int], Counts]] = {}
        for school_id, counted in cells.items():
            for above in self.p.lineage(self.p.school_place(self.p.schools[school_id], at)):
                for key, counts in counted.items():
                    found.setdefault(above, {}).setdefault(key, Counts()).add(counts)
        return found

    async def _compare(
        self, sort: str, address: str, expected: dict[tuple[int, int], Counts], where: str
    ) -> None:
        if self.narrow and where != self.narrow:
            return
        got: dict[str, dict[str, int]] = {}
        wanted: dict[str, dict[str, int]] = {}
        told = await asyncio.gather(*(self.ask(f"{address}&sex={sex}") for sex in (1, 2)))
        for sex, answer in zip((1, 2), told, strict=True):
            for part in answer["slices"]:
                flat = flat_figures(part["figures"])
                if any(flat.values()):
                    got[f"grade {part['key']} sex {sex}"] = flat
        for (grade, sex), counts in expected.items():
            flat = counts.flat()
            if any(flat.values()):
                wanted[f"grade {grade} sex {sex}"] = flat
        if wanted == got:
            self.player.counts["comparisons"] += 1
            return
        cells = {
            key: (wanted.get(key), got.get(key))
            for key in sorted(wanted.keys() | got.keys())
            if wanted.get(key) != got.get(key)
        }
        names = {
            name
            for one, other in cells.values()
            for name in (one or {}).keys() | (other or {}).keys()
            if (one or {}).get(name, 0) != (other or {}).get(name, 0)
        }
        what = (
            "enrolled"
            if names == {"enrolled"}
            else "tested"
            if "enrolled" not in names
            else "enrolled and tested"
        )
        self.same(
            f"{what}: {sort}",
            {key: one for key, (one, _) in cells.items()},
            {key: other for key, (_, other) in cells.items()},
            where,
        )

    async def movement(self) -> None:
        """How the same children came between rounds that follow each other, and from the first to the last, at every place and what hangs on it."""
        rounds = sorted(
            (each for each in self.p.rounds.values() if not each.is_deleted), key=lambda each: each.starts_on
        )
        pairs = list(itertools.pairwise(rounds))
        if len(rounds) > 2:
            pairs.append((rounds[0], rounds[-1]))
        for (held, later), subject in itertools.product(pairs, SUBJECTS):
            moved = self.p.movement(held, later, subject)
            of_places: dict[str, Counter[str]] = {}
            for school_id, counted in moved.items():
                stood = self.p.school_place(self.p.schools[school_id], held.roll_at)
                for above in self.p.lineage(stood):
                    of_places.setdefault(above, Counter()).update(counted)
            where = f"{held.id} ({held.kind}) to {later.id} ({later.kind}), {subject}"
            asked = f"round_id={self.w.ids[held.id]}&later_round_id={self.w.ids[later.id]}&subject={subject}"
            for place in self.p.places.values():
                if place.is_deleted:
                    continue
                path = f"{asked}&place_id={self.w.ids[place.id]}"
                told = await self.ask(f"/api/v1/movement?{path}")
                expected = dict(of_places.get(place.id, {}))
                self.same("movement of a place", expected, flat_movement(told), f"{place.id}, {where}")
                if place.parent is None:
                    await movement_shown(self, expected, place.id, (held, later), subject)
                for unit in await self.all(f"/api/v1/movement/below?{path}", rows=PAGE * 10):
                    sort = "school" if unit["is_school"] else "place"
                    word = self.w.word(sort, unit["id"])
                    wanted = (moved if unit["is_school"] else of_places).get(str(word), {})
                    got = flat_movement(unit["movement"])
                    self.same(f"movement of a {sort} below", dict(wanted), got, f"{word}, {where}")

    # Sheets, rosters, histories --------------------------------------------------------------------------------------

    async def sheets(self) -> None:
        """Every class sheet of every school, round and subject: exactly the seats, with what was found."""
        for held in self.p.rounds.values():
            for school in self.p.schools.values():
                if held.is_deleted or school.is_deleted:
                    continue
                for subject in SUBJECTS:
                    if not self.narrow.startswith(
                        f"{school.id}, {held.id} ({held.kind}), {subject}" if self.narrow else ""
                    ):
                        continue
                    path = f"/api/v1/class-sheet?school_id={self.w.ids[school.id]}&round_id={self.w.ids[held.id]}&subject={subject}"
                    rows = {
                        self.w.word("child", row["student_id"]): _sheet_row(row)
                        for row in await self.all(path)
                    }
                    expected: dict[str | None, tuple[Any, ...]] = {}
                    for child, seat in self.p.sheet(school.id, held, subject).items():
                        result = self.p.live_result(child, held.id, subject)
                        expected[child] = (
                            seat.grade,
                            seat.sex,
                            result.outcome if result else None,
                            result.level if result else None,
                            bool(result and result.is_verified),
                            bool(result and result.is_locked),
                        )
                    where = f"{school.id}, {held.id} ({held.kind}), {subject}"
                    sort = f"class sheet of a round that is {held.state}"
                    more, less = rows.keys() - expected.keys(), expected.keys() - rows.keys()
                    if more or less:
                        self.same(
                            f"children on the {sort}",
                            sorted(map(str, expected)),
                            sorted(map(str, rows)),
                            f"{where}; more {more}, less {less}",
                        )
                    else:
                        wrong = {
                            each: (expected[each], rows[each])
                            for each in rows
                            if expected[each] != rows[each]
                        }
                        what = sorted(
                            {
                                ROW[number]
                                for one, other in wrong.values()
                                for number in range(len(ROW))
                                if one[number] != other[number]
                            }
                        )
                        self.same(f"{', '.join(what) or 'rows'} on the {sort}", {}, wrong, where)

    async def rosters(self) -> None:
        """The children of every school, active and gone, as an admin sees them; and the removed ones."""
        rows: dict[str | None, tuple[Any, ...]] = {}
        for row in await self.all("/api/v1/students", rows=PAGE * 10):
            word = self.w.word("child", row["id"])
            if word in rows:
                self.same("a child twice in the list of children", "once", "twice", str(word))
            rows[word] = (self.w.word("school", row["school_id"]), row["grade"], row["sex"], row["status"])
        expected = {
            each.id: (each.record.school, each.record.grade, each.record.sex, each.status)
            for each in self.p.children.values()
            if each.is_live and not self.p.schools[each.record.school].is_deleted
        }
        wrong = {
            key: (expected.get(str(key)), rows.get(key))
            for key in expected.keys() | rows.keys()
            if expected.get(str(key)) != rows.get(key)
        }
        wrong = {
            key: pair for key, pair in wrong.items() if key not in self.player.audit_marks.get("reset", ())
        }
        self.same("the list of all children", {}, wrong)
        await self._roster_file(expected)

    async def _roster_file(self, expected: dict[str, tuple[Any, ...]]) -> None:
        """The same children, each once, in the file of the roster, but for those at practice schools."""
        text = (await self.told("admin", "/api/v1/exports", {"what": "roster"})).text
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        sexes = {"male": 1, "female": 2, "not known": 0, "not applicable": 9}
        found = {
            self.w.word("child", row["id"]): (int(row["grade"]), sexes[row["sex"]], row["standing"])
            for row in rows
        }
        wanted = {
            key: (grade, sex, status)
            for key, (school, grade, sex, status) in expected.items()
            if not self.p.schools[school].is_practice
        }
        self.same("how many rows the file of the roster has", len(wanted), len(rows))
        self.same("the children in the file of the roster", wanted, found)

    async def histories(self) -> None:
        """Some children's lines: each result of each round, where it was made, with its level."""
        children = sorted(each.id for each in self.p.children.values() if each.is_live and not each.is_erased)
        for child in self.w.rng.sample(children, min(6, len(children))) if children else []:
            rows = await self.all(f"/api/v1/students/{self.w.ids[child]}/results")
            got = {
                (self.w.word("round", row["round_id"]), row["subject"]): (
                    row["outcome"],
                    row["level"],
                    self.w.word("school", row["school_id"]),
                )
                for row in rows
            }
            expected = {
                (each.round, each.subject): (each.outcome, each.level, each.school)
                for each in self.p.results_of(child)
            }
            self.same("a child's line", expected, got, child)

    # Rights ----------------------------------------------------------------------------------------------------------

    async def rights(self) -> None:
        """What everybody may see: their children and no others; nothing of it for viewers."""
        for person in self.p.people.values():
            if person.role not in FIELD or not person.is_active or person.id not in self.run.people:
                continue
            rows = await self.all(
                "/api/v1/students", person.id, rows=PAGE if person.role == "teacher" else 100
            )
            got = Counter(self.w.word("child", row["id"]) for row in rows)
            expected = {
                each.id
                for each in self.p.children.values()
                if each.is_live
                and not self.p.schools[each.record.school].is_deleted
                and self.p.reaches_child(person.id, self.w.today, each)
            }
            if person.role in ("mentor", "teacher"):
                self.same(
                    "children that somebody in the field sees",
                    sorted(expected),
                    sorted(map(str, got)),
                    person.id,
                )
            self.same(
                "a child twice in somebody's list",
                [],
                [each for each, count in got.items() if count > 1],
                person.id,
            )
        viewer = await self.told("viewer1", "/api/v1/students", may_be_refused=True)
        self.same("a viewer asks for children", 403, viewer.status)

    async def searching(self) -> None:
        """Some children by a part of their name: found by whoever reaches them, and by nobody else; viewers are told of no child."""
        children = sorted(
            each.id
            for each in self.p.children.values()
            if each.is_live and not each.is_erased and not self.p.schools[each.record.school].is_deleted
        )
        people = sorted(
            each.id for each in self.p.people.values() if each.is_active and each.id in self.run.people
        )
        for child_id in self.w.rng.sample(children, min(4, len(children))) if children else []:
            child = self.p.children[child_id]
            for person in people:
                found = await self.ask(f"/api/v1/search?search={quote(child.name[2:9])}", person)
                if self.p.people[person].role == "viewer":
                    self.same("children that a viewer is told of", None, found["students"], person)
                    continue
                rows = {self.w.word("child", row["id"]) for row in found["students"]["items"]}
                reached = {
                    each.id
                    for each in self.p.children.values()
                    if self.p.reaches_child(person, self.w.today, each)
                }
                is_found = child_id in rows or found["students"]["is_more"]
                sort = "a child is found by a part of its name"
                self.same(sort, child_id in reached, is_found, f"{child_id}, {person}")
                self.same("children found out of reach", set(), rows - reached, person)

    # Lists, frozen rounds, audit, reconcile --------------------------------------------------------------------------

    async def lists(self) -> None:
        """How long every list is, paged through to its end."""
        wanted = {
            "/api/v1/schools": (
                "school",
                {each.id for each in self.p.schools.values() if not each.is_deleted},
            ),
            "/api/v1/rounds": ("round", {each.id for each in self.p.rounds.values() if not each.is_deleted}),
            "/api/v1/school-years": (
                "year",
                {each.id for each in self.p.years.values() if not each.is_deleted},
            ),
            "/api/v1/assignments?active=true": (
                "assignment",
                {each.id for each in self.p.assignments.values() if each.holds_on(self.w.today)},
            ),
        }
        for path, (sort, expected) in wanted.items():
            # Whoever joined by a request is nobody of the model's: their assignments are not looked at.
            rows = [
                self.w.word(sort, row["id"])
                for row in await self.all(path, rows=PAGE)
                if "person_id" not in row or ("person", row["person_id"]) in self.w.words
            ]
            self.same(f"the list {path.split('?')[0]}", sorted(expected), sorted(map(str, rows)))

    async def approvals(self) -> None:
        """How far each school's results are approved, in each round that asks for it, and which schools are locked."""
        for held in self.p.rounds.values():
            if held.is_deleted:
                continue
            number = self.w.ids[held.id]
            rows = await self.all(f"/api/v1/rounds/{number}/approvals")
            expected = {
                school.id: (found.waits_for or "approved")
                if (found := held.approvals.get(school.id))
                else held.steps[0]
                for school in self.p.schools.values()
                if held.steps and school.is_open and not school.is_deleted
            }
            got = {self.w.word("school", each["school_id"]): each["state"] for each in rows}
            self.same("approvals of a round", expected, got, held.id)
            special = await self.all(f"/api/v1/rounds/{number}/schools")
            locked = {self.w.word("school", each["school_id"]) for each in special if each["locked_at"]}
            self.same("locked schools of a round", held.locked, locked, held.id)

    async def frozen(self) -> None:
        """Frozen rounds: their hash never changes, and comes out of the rows again bit for bit."""
        for held in self.p.rounds.values():
            if held.state != "frozen":
                continue
            snapshot = await self._sealed(held)
            if snapshot["sealed_at"] is None:
                self.player.differ("a frozen round that is not sealed", "sealed", "not yet", where=held.id)
                continue
            known = self.player.hashes.setdefault(held.id, snapshot["sha256"])
            self.same("the hash of a frozen round", known, snapshot["sha256"], held.id)
            check = await self.ask(f"/api/v1/rounds/{self.w.ids[held.id]}/snapshot/check")
            self.same(
                "a frozen round made again from its rows",
                (True, True),
                (check["is_intact"], check["is_rebuilt"]),
                held.id,
            )
            await self._frozen_by_value(held)

    async def public(self) -> None:
        """What strangers read of a published round never moves, and tells of no one to nine children: alone, or less what hangs on it."""
        seen = 0
        for subject in SUBJECTS:
            waiting: list[tuple[int | None, int]] = [(None, 0)]
            while waiting and seen < MOST_PUBLIC:
                round_id, place_id = waiting.pop()
                of_round = "" if round_id is None else f"&round_id={round_id}"
                path = f"/api/v1/public/figures?subject={subject}&place_id={place_id}{of_round}"
                answer = await self._as_stranger(path)
                if answer is None or answer.status == 404:
                    continue
                seen += 1
                found = answer.json()
                if round_id is None:
                    waiting += [(each["id"], 0) for each in found["rounds"][1:]]
                number = found["round"]["id"]
                waiting += [(number, each["place"]["id"]) for each in found["parts"]]
                self._public_place(subject, number, found)

    def _public_place(self, subject: str, round_id: int, found: Any) -> None:
        where = f"{subject}, round {round_id}, place {found['place']['id']}"
        for each in found["cells"]:
            numbers = _told_numbers(each["figures"])
            key = (round_id, subject, found["place"]["id"], each["grade"], each["sex"])
            self.same("a published number", self.player.published.setdefault(key, numbers), numbers, where)
            self.same("a published number of few", {}, _few(numbers), where)
        whole = _told_numbers(found["cells"][0]["figures"])
        parts = [_told_numbers(each["figures"]) for each in found["parts"]]
        if parts:
            left = {
                name: number - sum(each[name] for each in parts if each[name] is not None)
                for name, number in whole.items()
                if number is not None
            }
            self.same("what is left of a published number", {}, _few(left), where)

    async def _as_stranger(self, path: str) -> Answer | None:
        for attempt in range(5):
            asked = self.player.counts["asked"]
            self.player.counts["asked"] += 1
            with contextlib.suppress(Lost):
                # Strangers come from many addresses, as they do.
                source = f"127.0.3.{1 + asked % 200}"
                answer = await self.run.client.ask(asked % 2, "GET", path, {}, source=source)
                if answer.status in (200, 404):
                    return answer
            await asyncio.sleep(0.2 * attempt)
        return None

    async def _frozen_by_value(self, held: Round) -> None:
        """What was frozen of every school is what the model had of it at that moment."""
        for school, lines in self.p.frozen.get(held.id, {}).items():
            path = f"/api/v1/rounds/{self.w.ids[held.id]}/snapshot/schools/{self.w.ids[school]}"
            rows = [line.split("|") for line in (await self.told("admin", path)).text.splitlines()]
            number = str(self.w.ids[school])
            self.same(
                "the results that were frozen of a school",
                lines,
                sorted(
                    "|".join([self.w.word("child", row[0]) or "", row[1], *row[4:9]])
                    for row in rows
                    if row[3] == number
                ),
                f"{school}, {held.id}",
            )

    async def agreement(self) -> None:
        """How many re-tests are compared in every round and subject, and how many of them agree."""
        for held in self.p.rounds.values():
            if held.is_deleted:
                continue
            for subject in SUBJECTS:
                pairs = self.p.pairs(held.id, subject)
                path = f"/api/v1/agreement?round_id={self.w.ids[held.id]}&subject={subject}"
                groups = (await self.ask(path))["groups"]
                told = groups[0]["agreement"] if groups else {"n": 0, "exact": None}
                where = f"{held.id}, {subject}"
                if not self.same("how many re-tests are compared", len(pairs), told["n"], where):
                    continue
                for name, value in of_pairs(pairs, len(LEVELS[subject])).items():
                    got = told.get(name)
                    shown = None if got is None else round(got["value"], 6)
                    self.same(f"{name} of re-tests", None if value is None else round(value, 6), shown, where)

    async def visits(self) -> None:
        """Every visit that was sent is in the list once, and in the file that is taken away, but for those at practice schools."""
        sent = {
            each["id"]: each["school"]
            for each in self.w.things.get("visit", {}).values()
            if each.get("state") == "submitted"
        }
        rows = [row["id"] for row in await self.all("/api/v1/visits?state=submitted", rows=PAGE)]
        self.same("the list of visits", sorted(sent), sorted(rows))
        real = sorted(each for each, school in sent.items() if not self.p.schools[school].is_practice)
        text = (await self.told("admin", "/api/v1/visits-export", {})).text
        found = sorted(each for each in sent if each in text)
        self.same("the visits in the file", real, found)
        self.same(
            "rows in the file of visits", len(real), max(0, len(list(csv.reader(io.StringIO(text)))) - 1)
        )

    async def teaching(self) -> None:
        """Of every school with groups: no child is in two of a subject, each says how many it has; sessions are there once."""
        held = {
            (each["school"], each["subject"])
            for each in self.w.things.get("grouping", {}).values()
            if each.get("is_accepted") and not self.p.schools[each["school"]].is_deleted
        }
        for school, subject in sorted(held):
            query = f"school_id={self.w.ids[school]}&subject={subject}"
            where = f"{school}, {subject}"
            seen: Counter[str] = Counter()
            for group in (await self.ask(f"/api/v1/groups?{query}"))["groups"]:
                page = await self.ask(f"/api/v1/groups/{group['id']}")
                # A proposal stands beside the groups in use until somebody takes it.
                if group["state"] == "accepted":
                    seen.update(each["student_id"] for each in page["members"])
                counted = len(page["members"]) + page["unseen"]
                self.same("how many children a group has", group["children"], counted, where)
            twice = sorted(each for each, count in seen.items() if count > 1)
            self.same("a child in two groups of a subject", [], twice, where)
            rows = await self.all(f"/api/v1/teaching-sessions?{query}", rows=PAGE)
            told = sorted(
                (row["id"], row["held_on"], row["minutes"], row["present"] + row["late"], _marked(row))
                for row in rows
            )
            known = sorted(
                (number, there["held_on"], there["minutes"], there["there"], there["marked"])
                for number, there in self.w.things.get("session", {}).items()
                if (there["school"], there["subject"]) == (school, subject)
            )
            numbers = {each[0] for each in known}
            self.same("recorded sessions", known, [each for each in told if each[0] in numbers], where)
            await self._doses(school, subject, rows)

    async def _doses(self, school: str, subject: str, rows: list[dict[str, Any]]) -> None:
        """What a school was taught in each year: the sum of its sessions of that year's days; of a practice school nothing."""
        for year in self.p.years.values():
            if year.is_deleted or year.starts_on.year >= 2030:
                continue
            days = (year.starts_on.isoformat(), year.ends_on.isoformat())
            held = [row for row in rows if days[0] <= row["held_on"] <= days[1]]
            there = [row["present"] + row["late"] for row in held]
            expected = {
                "sessions": len(held),
                "minutes": sum(row["minutes"] for row in held),
                "child_minutes": sum(row["minutes"] * each for row, each in zip(held, there, strict=True)),
                "attended": sum(there),
                "marked": sum(_marked(row) for row in held),
                "sessions_in_other_years": len(rows) - len(held),
            }
            path = f"/api/v1/dose/schools?subject={subject}&school_year_id={self.w.ids[year.id]}"
            if path not in self.doses:
                self.doses[path] = {row["school_id"]: row for row in await self.all(path, rows=50)}
            row = self.doses[path].get(self.w.ids[school])
            where = f"{school}, {year.id}, {subject}"
            if self.p.schools[school].is_practice:
                self.same("dose of a practice school", None, row, where)
            else:
                self.same("dose of a school", expected, row and {name: row[name] for name in expected}, where)

    async def files(self) -> None:
        """The files that are taken out, against what the model makes by itself."""
        await files(self)

    async def exports(self) -> None:
        """The activity as a file has every row that the list has."""
        answer = await self.told("admin", "/api/v1/audit/export", {})
        table = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
        names = ("action", "resource", "resource_id", "outcome")
        in_file = Counter(tuple(row[name] for name in names) for row in table)
        listed = Counter(tuple(row[name] or "" for name in names) for row in await self.all("/api/v1/audit"))
        # The export writes its own row before the file is made: it is in both.
        self.same("rows of the activity that its file lacks", [], sorted((listed - in_file).elements())[:20])
        self.same("rows of the activity's file too many", [], sorted((in_file - listed).elements())[:20])

    async def _sealed(self, held: Round) -> dict[str, Any]:
        """The snapshot of a frozen round; sealing is done in the background and may take a moment."""
        until = time.monotonic() + SEALING_S
        while True:
            snapshot = await self.ask(f"/api/v1/rounds/{self.w.ids[held.id]}/snapshot")
            if snapshot["sealed_at"] is not None or time.monotonic() > until:
                break
            await asyncio.sleep(SEALING_PAUSE_S)
        return snapshot

    async def audit(self) -> None:
        """Every acknowledged deed has its row in the audit log, with who did it."""
        wanted: Counter[tuple[str, str, str]] = Counter()
        for deed in self.player.acknowledged:
            named = KINDS[deed.kind].audit
            if named is not None:
                wanted[(deed.who, *named)] += 1
        rows = self.player.audit_marks.setdefault("rows", Counter())
        newest = self.player.audit_marks.get("newest", 0)
        mark, last = "", newest
        while True:
            page = await self.ask(f"/api/v1/audit?limit=1000{mark}")
            fresh = [row for row in page["items"] if row["id"] > newest]
            for row in fresh:
                last = max(last, row["id"])
                if row["outcome"] == "done":
                    rows[row["username"], row["action"], row["resource"]] += 1
            if len(fresh) < len(page["items"]) or not page.get("next"):
                break
            mark = f"&after={page['next']}"
        self.player.audit_marks["newest"] = last
        await self._denied()
        names = {who: "admin2" if who == "admin" else who for who, _, _ in wanted}
        for (who, action, resource), count in wanted.items():
            got = rows[names[who], action, resource]
            self.player.counts["comparisons"] += 1
            if got < count:
                self.player.differ(f"audit rows of {action} {resource}", f"at least {count}", got, where=who)

    async def _denied(self) -> None:
        """Every deed that was denied is counted in the audit log, under who tried it."""
        told: Counter[str] = Counter()
        for row in await self.all("/api/v1/audit?outcome=denied"):
            told[row["username"]] += row["times"]
        for who, count in self.player.denied.items():
            self.player.counts["comparisons"] += 1
            name = "admin2" if who == "admin" else who
            if told[name] < count:
                self.player.differ(
                    "denied attempts in the audit log", f"at least {count}", told[name], where=who
                )

    async def reconcile(self) -> None:
        """The program's own recount."""
        code, text = self.run.try_command("reconcile")
        self.same("reconcile", 0, code, text[:600])


def flat_figures(figures: dict[str, Any]) -> dict[str, int]:
    """Figures as the model names them."""
    flat = {name: figures[name] for name in ("enrolled", "assessed", "absent", "refused", "left")}
    return flat | {f"rank {each['rank']}": each["count"] for each in figures["levels"] if each["count"]}


def flat_movement(movement: dict[str, Any]) -> dict[str, int]:
    """Movement as the model names it."""
    found: dict[str, int] = {}
    for row in movement["rows"]:
        named = {str(rank): count for rank, count in enumerate(row["to"], start=1)}
        named |= {name: row[name] for name in ("absent", "refused", "left")}
        named["without a result"] = row["without_result"]
        found |= {f"{row['rank']} to {name}": count for name, count in named.items() if count}
    return found


def _told_numbers(figures: Any) -> dict[str, int | None]:
    """The numbers of published figures by name; those that follow by one subtraction are among them."""
    enrolled, assessed = figures["enrolled"], figures["assessed"]
    numbers = {"enrolled": enrolled, "assessed": assessed}
    numbers["not assessed"] = None if enrolled is None or assessed is None else enrolled - assessed
    for each in figures["indicators"]:
        part = each["numerator"]
        numbers[each["code"]] = part
        numbers[f"not {each['code']}"] = None if part is None or assessed is None else assessed - part
    return numbers | {each["code"]: each["count"] for each in figures["levels"]}


def _few(numbers: dict[str, int | None]) -> dict[str, int]:
    return {name: number for name, number in numbers.items() if number is not None and 0 < number < 10}


def _marked(row: dict[str, Any]) -> int:
    """Of how many children somebody said whether they came."""
    return row["present"] + row["late"] + row["absent"]


def _sheet_row(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["grade"], row["sex"], row["outcome"], row["level"], row["is_verified"], row["is_locked"]


LOOKS = (
    "rosters",
    "figures",
    "movement",
    "sheets",
    "histories",
    "rights",
    "searching",
    "lists",
    "approvals",
    "frozen",
    "public",
    "agreement",
    "visits",
    "teaching",
    "files",
    "audit",
)


async def look(player: Player, *, is_last: bool, only: str = "", narrow: str = "") -> None:
    """Compares everything, in the order in which a difference is easiest to understand; with `only` just one thing."""
    looker = Looker(player, narrow if only else "")
    names = (only,) if only else (*LOOKS, *(("exports", "reconcile") if is_last else ()))
    for name in names:
        await getattr(looker, name)()
        if player.differences:
            player.found_by = name
            return
