"""One run of one seed (or of a script): deeds in waves, days that pass, faults in between, and what differs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from simulation import rooms
from simulation.client import Answer, Lost
from simulation.cost import Cost
from simulation.deeds import EVERYTHING, KINDS, Deed, World, uuid_of
from simulation.forms import Form, form_to, forms_of
from simulation.model.things import LEADERS, Child, Groundless, NothingThere, Person
from simulation.stage import CAST, CRON_SECRET, FIRST_DAY, MORNING_UTC, NIGHT_UTC, Run, Stage
from simulation.window import Window

TRIES = 60
TURNED_AWAY_TRIES = 12
"""So often something is asked for again that came too often: a file may be sent every five seconds only, and nobody waits for that."""
HELD_TRIES = 400
"""So often something is asked for again that the program says is held for the moment."""
SETTLED_S = 90.0
"""So long an answer is waited for in all, however often it is asked for: then the program does not answer."""
ENDED_S = 120.0
"""So long an import may take."""
PAUSE_S = 0.15
UNSETTLED = (502, 503, 504)
LOG_CHARACTERS = 6_000
"""So much of a process's log is told: enough for where each of its threads was."""
MOST_ALONE = 6
"""So many kinds that must run alone wait for a stretch to be over, each to be made up anew then."""
STRETCH_WAVES = 2
"""A stretch is so many times what is under way at once."""
FAULTS_A_STRETCH = 0.05
DENIED = ("forbidden", "out_of_scope")
EAGER = 0.4
"""How likely a kind of deed is at least, until the first of it was accepted."""
SEALING = (b"round_sealing", b"This round is being frozen at this moment")
"""A round that was frozen a moment ago: who asks again is told what holds."""
NAMES = re.compile(rb"Zq[a-z]{9}")
ROOMS = rooms.__all__


@dataclass
class Difference:
    """What differs: expected by the model, got from the program."""

    sort: str
    day: str
    expected: object
    got: object
    where: str = ""
    deed: Deed | None = None

    @property
    def words(self) -> str:
        """For people."""
        by = f"\n  deed      {self.deed.words}" if self.deed else ""
        expected, got = str(self.expected)[:700], str(self.got)[:14_000]
        return f"{self.sort} on {self.day}{by}\n  where     {self.where[:300]}\n  expected  {expected}\n  got       {got}"


@dataclass
class Step:
    """One step of a script: a wave of deeds, a new day, or a look at everything. A fault strikes in the midst of a wave."""

    sort: str
    deeds: list[Deed] = field(default_factory=list)
    day: str = ""
    hour: int = MORNING_UTC
    fault: str = ""
    only: str = ""
    narrow: str = ""

    def to_plain(self) -> dict[str, Any]:
        """As written out, to be read back."""
        return {
            "sort": self.sort,
            "day": self.day,
            "hour": self.hour,
            "fault": self.fault,
            "only": self.only,
            "narrow": self.narrow,
            "deeds": [each.to_plain() for each in self.deeds],
        }


def step_of(plain: dict[str, Any]) -> Step:
    """A step as it was written out."""
    return Step(**{**plain, "deeds": [Deed(**each) for each in plain["deeds"]]})


FAULTS = re.compile(r'role="alert"[^>]*>(.*?)</(?:div|p|section)>|class="fault"[^>]*>(.*?)</p>', re.DOTALL)


def words_of(page: str) -> str:
    """What a page says is wrong, without its marks."""
    found = [one or other for one, other in FAULTS.findall(page)] or re.findall(
        r"<main.*?>(.*?)</main>", page, re.DOTALL
    )
    return " ".join(re.sub(r"<[^>]*>", " ", " | ".join(found)).split())[:300]


@dataclass
class Told:
    """What came of a deed."""

    status: int
    code: str
    data: Any = None
    text: str = ""

    @property
    def is_done(self) -> bool:
        return 200 <= self.status < 400


@dataclass
class Options:
    """How a run is made."""

    days: int = 12
    schools: int = 5
    deeds_a_day: int = 150
    children: int = 9
    wave: int = 24
    pages: float = 0.17
    lost: float = 0.04
    faults: bool = True
    without: frozenset[str] = frozenset()
    looks: bool = True
    swarm: bool = False
    only: frozenset[str] = frozenset()
    """Kinds of deeds that are done beside those that make the scene; all where it is empty."""
    ignore: frozenset[str] = frozenset()
    known: Mapping[str, list[frozenset[str]]] = field(default_factory=dict)
    """Sorts of difference that were seen before, with the kinds of deeds that led there: passed over where they are at work."""


class Unanswered(Exception):
    """The program does not answer, or refuses what an admin may always ask."""

    def __init__(self, what: str, words: str) -> None:
        super().__init__(words)
        self.what = what


class Go:
    """How one deed speaks with the program."""

    def __init__(self, player: Player, deed: Deed) -> None:
        self.player = player
        self.run = player.run
        self.world = player.world
        self.deed = deed
        self._since = player.window.settled
        self._writes = 0
        self._posts = 0

    def knows(self, method: str, path: str, name: str) -> bool:
        """Whether the program's own document names this field of a body."""
        return self.player.knows(method, path, name)

    def person_id(self, who: str) -> int:
        """The program's number of a person."""
        return self.run.people[who].person_id

    async def read(self, method: str, path: str, body: Any = None) -> Told:
        """Asks without writing."""
        return _told(
            await self._settled(
                lambda: self.run.api(self.deed.who, method, path, body, which=self.deed.which)
            )
        )

    async def write(self, method: str, path: str, body: Any) -> Told:
        """Writes, and repeats with the same id until an answer is there."""
        self._writes += 1
        key = uuid_of("write", self.deed.key, self._writes)
        if self.deed.lost:
            self.player.counts["answers lost"] += 1
            with contextlib.suppress(Lost):
                await self.run.api(
                    self.deed.who, method, path, body, which=self.deed.which, key=key, forget=True
                )
        # What is repeated goes to the other process.
        which = self.deed.which + (1 if self.deed.lost else 0)
        return _told(
            await self._settled(lambda: self.run.api(self.deed.who, method, path, body, which=which, key=key))
        )

    async def _settled(self, ask: Any, who: str = "") -> Answer:
        """The answer, however often it has to be asked for; what it names is seen by whoever asked."""
        last: object = None
        is_held = False
        until = time.monotonic() + SETTLED_S
        for number in range(HELD_TRIES):
            if time.monotonic() > until or (number == TRIES and not is_held):
                break
            try:
                answer = await ask()
            except Lost as error:
                last = error
                self.player.counts["repeated"] += 1
            else:
                self.player.saw(who or self.deed.who, answer, self._since)
                is_held = answer.status == 429 or (
                    answer.status == 409 and any(each in answer.body for each in SEALING)
                )
                if answer.status == 429 and number >= TURNED_AWAY_TRIES:
                    return answer
                if answer.status not in UNSETTLED and not (is_held and number < HELD_TRIES - 1):
                    return answer
                last = f"{answer.status} {answer.text[:200]}"
                self.player.counts["repeated"] += 1
            await asyncio.sleep(PAUSE_S)
        states = self.run.states()
        self.run.tell_where()
        logs = self.player.logs()
        raise Unanswered(self.deed.kind, f"{self.deed.words}: {last}\nprocesses: {states}\n{logs}")

    async def by_session(self, method: str, path: str, body: Any) -> Told:
        """Writes as somebody who is signed in, and not with a token: what no token may."""
        key = self.run.people[self.deed.who]
        headers = {
            "cookie": key.cookie,
            "x-csrf-token": key.csrf,
            "content-type": "application/json",
            "idempotency-key": uuid_of("by session", self.deed.key, method, path),
        }
        content = b"" if body is None else json.dumps(body).encode()
        return _told(
            await self._settled(lambda: self.run.client.ask(self.deed.which, method, path, headers, content))
        )

    async def upload(
        self, path: str, fields: dict[str, str], filename: str, content: bytes, media_type: str
    ) -> Told:
        """Sends a file with some fields, as multipart/form-data."""
        body, content_type = multipart(f"sim{self.deed.key}", fields, filename, content, media_type)
        headers = {
            "authorization": f"Bearer {self.run.people[self.deed.who].token}",
            "content-type": content_type,
            "idempotency-key": uuid_of("upload", self.deed.key, filename),
        }
        return _told(
            await self._settled(lambda: self.run.client.ask(self.deed.which, "POST", path, headers, body))
        )

    async def bring_in(self, fields: dict[str, str], filename: str, text: str) -> Told:
        """Uploads a CSV file to import and waits for what came of it, which is the answer's data; refused where the file is."""
        told = await self.upload("/api/v1/imports", fields, filename, text.encode(), "text/csv")
        if told.is_done:
            run = await self.until_ended(f"/api/v1/imports/{told.data['id']}")
            told.data = run
            if run["state"] != "done":
                told.status, told.code, told.data = 409, f"import {run['state']}", None
        return told

    async def until_ended(self, path: str) -> dict[str, Any]:
        """How an import ended, which is done in the background. *Errors*: Unanswered when it does not end."""
        until = time.monotonic() + ENDED_S
        while True:
            told = await self.read("GET", path)
            if told.is_done and told.data["ended_at"] is not None:
                return told.data
            if time.monotonic() > until:
                break
            await asyncio.sleep(PAUSE_S)
        raise Unanswered(self.deed.kind, f"{path} does not end: {told.data}\n{self.player.logs()}")

    async def version(self, word: str, path: str) -> int:
        """The version of a thing, asked for when it is not known."""
        known = self.world.versions.get(word)
        if known is None:
            told = await self.read("GET", path)
            known = told.data.get("version", 1) if told.is_done else 1
            self.world.versions[word] = known
        return known

    async def child_version(self, child: Any) -> int:
        """The version of a child's record."""
        if child.version is None:
            told = await self.read("GET", f"/api/v1/students/{self.world.ids[child.id]}")
            if not told.is_done:
                return 1
            child.version = told.data["version"]
        return child.version

    async def read_as(self, who: str, path: str) -> Told:
        """Asks as somebody else, who sees what the deed's own person may not."""
        return _told(await self._settled(lambda: self.run.api(who, "GET", path, which=self.deed.which), who))

    async def result_version(self, number: str) -> int:
        """The version of a result, asked for as somebody who sees it."""
        told = await self.read_as("coordinator1", f"/api/v1/results/{number}")
        return told.data["version"] if told.is_done else 1

    async def verification_version(self, number: str) -> int:
        """The version of a re-test, asked for as somebody who sees it."""
        told = await self.read_as("coordinator1", f"/api/v1/verifications/{number}")
        return told.data["version"] if told.is_done else 1

    async def learn_classes(self, school: str) -> None:
        """Which classes a school has by now: a roll-over makes some."""
        number, found = self.world.ids[school], {}
        told = await self.read("GET", f"/api/v1/classes?school_id={number}&limit=1000")
        for year in {each["school_year_id"] for each in told.data["items"]} | {
            self.world.ids[each] for each in self.world.p.years
        }:
            rows = await self.read(
                "GET", f"/api/v1/classes?school_id={number}&school_year_id={year}&limit=1000"
            )
            for row in rows.data["items"]:
                word = self.world.p.class_id(
                    school, self.world.word("year", year) or "", row["grade"], row["section"]
                )
                found[word] = row["id"]
        self.world.keys_made["classes"] = found

    async def form(self, page: str, action: str, *, optional: tuple[str, ...] = (), **typed: Any) -> Told:
        """Reads a page, fills its form in and posts all of it as it was rendered."""
        who, which = self.deed.who, self.deed.which
        shown = await self._settled(lambda: self.run.page(who, "GET", page, which=which))
        if shown.status != 200:
            return Told(max(shown.status, 401), f"page {shown.status}")
        form = form_to(shown.text, action)
        if form is None:
            return Told(409, "not_offered")
        return await self.fill(page, form, optional, typed)

    async def fill(self, page: str, form: Form, optional: tuple[str, ...], typed: dict[str, Any]) -> Told:
        """Fills a form in and posts it."""
        names = form.names
        missing = [name for name in typed if name not in names and name not in optional]
        if missing and any(form.names):
            self.player.counts[f"field {missing[0]} not on {_pattern(page)}"] += 1
        values = {name: value for name, value in typed.items() if name in names}
        sent = form.filled(**values)
        answer = await self._post(form.action, sent)
        unasked = [name for name in typed if name not in names]
        again = form_to(answer.text, form.action) if answer.status in (409, 422) and unasked else None
        if again is not None and any(name in again.names for name in unasked):
            # The page asks for a reason only once it has said that one is needed: it is filled in and sent again.
            form = again
            values = {name: value for name, value in typed.items() if name in form.names}
            answer = await self._post(form.action, form.filled(**values))
        known = dict(form.fields)
        data = {
            "location": answer.headers.get("location", ""),
            "write_id": known.get("write_id"),
            "id": known.get("id"),
        }
        self.player.counts["by pages"] += 1
        return Told(answer.status, str(answer.status), data, answer.text)

    async def form_like(
        self, page: str, pattern: str, *, last: bool = False, choose: tuple[str, ...] = ()
    ) -> Told:
        """Presses the first (or last) button of a page that posts to an address of this pattern; of `choose` the last choice is taken."""
        shown = await self.page(page)
        if shown.status != 200:
            return Told(max(shown.status, 401), f"page {shown.status}")
        found = [
            each
            for each in forms_of(shown.text)
            if each.method == "post" and re.fullmatch(pattern, each.action.split("?")[0])
        ]
        if not found:
            return Told(409, "not_offered")
        form = found[-1 if last else 0]
        typed = {name: form.choices[name][-1] for name in choose if form.choices.get(name)}
        return await self.fill(page, form, (), typed)

    async def form_choosing(self, page: str, action: str, *choose: str, **typed: Any) -> Told:
        """Fills a form in, taking the last of what may be chosen for each name in `choose`."""
        shown = await self.page(page)
        if shown.status != 200:
            return Told(max(shown.status, 401), f"page {shown.status}")
        form = form_to(shown.text, action)
        if form is None or not all(form.choices.get(name) for name in choose):
            return Told(409, "not_offered")
        chosen = {name: form.choices[name][-1] for name in choose}
        return await self.fill(page, form, (), {**typed, **chosen})

    async def form_with_file(
        self, page: str, action: str, file: tuple[str, bytes, str], **typed: Any
    ) -> Told:
        """Fills in a form that takes a file along."""
        shown = await self.page(page)
        if shown.status != 200:
            return Told(max(shown.status, 401), f"page {shown.status}")
        form = form_to(shown.text, action)
        if form is None:
            return Told(409, "not_offered")
        fields = dict(form.filled(**typed))
        body, media_type = multipart(f"sim{self.deed.key}", fields, *file)
        headers = {"cookie": self.run.people[self.deed.who].cookie, "content-type": media_type}
        answer = await self._settled(
            lambda: self.run.client.ask(self.deed.which, "POST", form.action, headers, body)
        )
        return Told(answer.status, str(answer.status), {"location": answer.headers.get("location", "")})

    async def page(self, path: str) -> Answer:
        """A page as it is shown."""
        return await self._settled(lambda: self.run.page(self.deed.who, "GET", path, which=self.deed.which))

    async def stranger(self, page: str, action: str, cookie: str = "", **typed: Any) -> tuple[Told, str]:
        """A form of a page filled in by nobody who is signed in, and the cookie that is given for it."""
        headers = {"cookie": cookie} if cookie else {}
        source = f"127.0.{20 + self.deed.key // 200 % 200}.{1 + self.deed.key % 200}"
        shown = await self._settled(
            lambda: self.run.client.ask(self.deed.which, "GET", page, headers, source=source)
        )
        form = form_to(shown.text, action)
        fields = form.filled(**typed) if form is not None else list(typed.items())
        sent = {**headers, "content-type": "application/x-www-form-urlencoded"}
        answer = await self._settled(
            lambda: self.run.client.ask(
                self.deed.which, "POST", action, sent, urlencode(fields).encode(), source=source
            )
        )
        given = answer.headers.get("set-cookie", "").split(";")[0]
        return Told(answer.status, str(answer.status)), given

    async def sign_in(self, who: str) -> Told | None:
        """Signs somebody in afresh; None when it is done."""
        key = self.run.people[who]
        number = 400 + self.deed.key % 20_000
        # A token that an admin has ended is made anew.
        is_known = (await self.read_as(who, "/api/v1/me")).is_done
        try:
            self.run.people[who] = await self.player.stage.sign_in(
                self.run, who, key.person_id, number, key.token if is_known else ""
            )
        except (RuntimeError, Lost):
            return Told(403, "not_signed_in")
        return None

    def now_s(self) -> float:
        """The simulated instant, in seconds."""
        return time.time() + self.run.shift_s

    async def with_secret(self, method: str, path: str) -> Told:
        """A call as a scheduler makes it."""
        headers = {"authorization": f"Bearer {CRON_SECRET}"}
        return _told(await self._settled(lambda: self.run.client.ask(self.deed.which, method, path, headers)))

    async def _post(self, action: str, sent: list[tuple[str, str]]) -> Answer:
        who, which = self.deed.who, self.deed.which
        self._posts += 1
        key = uuid_of("form", self.deed.key, *([self._posts] if self._posts > 1 else []))
        if self.deed.lost:
            self.player.counts["answers lost"] += 1
            with contextlib.suppress(Lost):
                await self.run.page(who, "POST", action, sent, which=which, forget=True, key=key)
        return await self._settled(lambda: self.run.page(who, "POST", action, sent, which=which, key=key))

    async def grid(self, address: str, query: str, taps: dict[str, str], *, is_row: bool) -> Told:
        """Taps levels in the whole-class grid and saves all of it, or one row as the script does."""
        who, which = self.deed.who, self.deed.which
        shown = await self._settled(lambda: self.run.page(who, "GET", address + query, which=which))
        if shown.status != 200:
            return Told(shown.status, f"page {shown.status}")
        form = form_to(shown.text, address)
        if form is None:
            return Told(409, "not_offered")
        have = dict(form.fields)
        sent: dict[str, tuple[str, str, str]] = {}
        typed: dict[str, Any] = {}
        for child, choice in taps.items():
            if f"write.{child}" in have and f"choice.{child}" in form.names:
                typed[f"choice.{child}"] = choice
                sent[child] = (
                    have[f"write.{child}"],
                    have.get(f"version.{child}", ""),
                    have.get(f"on.{child}", ""),
                )
        if not sent:
            return Told(409, "nothing_to_tap")
        fields = form.filled(**typed)
        action = form.action or address + query
        if is_row:
            child = next(iter(sent))
            sent = {child: sent[child]}
            beside = ("csrf_token", "tested_on", "tool")
            fields = [(name, value) for name, value in fields if name.endswith(child) or name in beside]
            fields += [("student", child)]
            action = address + "/row" + query
        answer = await self._post(action, fields)
        self.player.counts["by pages"] += 1
        # Of a whole grid some rows may be refused and the others saved: the page says 409 and tells of each.
        status = 200 if answer.status == 409 and not is_row else answer.status
        return Told(status, str(answer.status), {"sent": sent, "status": answer.status})


def multipart(
    border: str, fields: dict[str, str], filename: str, content: bytes, media_type: str
) -> tuple[bytes, str]:
    """A body with some fields and a file, and its content type."""
    parts = [
        f'--{border}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{border}\r\ncontent-disposition: form-data; name="file"; filename="{filename}"\r\ncontent-type: {media_type}\r\n\r\n'
    body = b"".join([*parts, head.encode(), content, f"\r\n--{border}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={border}"


def _pattern(path: str) -> str:
    return re.sub(r"[0-9a-f-]{36}|\d+", "*", path.split("?")[0])


def _told(answer: Answer) -> Told:
    # A file of JSON lines is many of them, and is looked at by whoever took it.
    is_json = answer.headers.get("content-type", "").partition(";")[0] in (
        "application/json",
        "application/problem+json",
    )
    is_text = answer.headers.get("content-type", "").startswith("text/csv")
    text = answer.text if is_text else ""
    return Told(answer.status, answer.code, answer.json() if is_json else None, text)


class Player:
    """Plays one programme, from a seed or from a script, against a run."""

    def __init__(self, stage: Stage, run: Run, seed: int, options: Options) -> None:
        self.stage = stage
        self.run = run
        self.options = options
        self.world = World(seed, random.Random(seed), document=stage.document)
        for name, role in CAST:
            self.world.p.people[name] = Person(name, role, is_active=not name.startswith("spare"))
            self.world.call(f"person {name}", "person", run.people[name].person_id)
        self.script: list[Step] = []
        self.is_script = False
        self.differences: list[Difference] = []
        self.counts: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.done_by_page: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.met: Counter[str] = Counter()
        """How often a deed was refused of which the model had a reason to say so, by the reason."""
        self.window = Window(self, options.wave)
        self._named: tuple[tuple[int, int], dict[bytes, Child]] = ((-1, -1), {})
        self.acknowledged: list[Deed] = []
        self.denied: Counter[str] = Counter()
        self.alone: list[str] = []
        self.audit_marks: dict[str, Any] = {}
        self.hashes: dict[str, str] = {}
        self.published: dict[tuple[Any, ...], Any] = {}
        self.found_by = ""
        self.until = math.inf
        self.deeds = 0
        self.busy_s = 0.0
        self.cost = Cost()

    def knows(self, method: str, path: str, name: str) -> bool:
        """Whether the program's document names this field."""
        told = self.stage.document["paths"].get(path, {}).get(method.lower(), {})
        schema = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        known = self.stage.document["components"]["schemas"].get(
            schema.get("$ref", "").split("/")[-1], schema
        )
        return name in known.get("properties", {})

    def saw(self, who: str, answer: Answer, since: int | None = None) -> None:
        """Looks at the children's names in an answer; `since` tells how many deeds were settled when it was asked for."""
        if self.world.p.people[who].role in LEADERS:
            return
        names = set(NAMES.findall(answer.body))
        if names:
            self.counts["names looked for"] += 1
            self.window.shown(who, names, answer.asked, self.window.settled if since is None else since)

    def without_right(self, who: str, names: set[bytes], *, but: set[object]) -> set[bytes]:
        """Of some children's names those to which somebody has no right as things stand; nothing of the children or people in `but`."""
        p, today = self.world.p, self.world.today
        if who in but:
            return set()
        if self._named[0] != (p.instant, self.window.settled):
            found = {
                name: child
                for child in p.children.values()
                for name in NAMES.findall(" ".join([child.name, *child.former_names]).encode())
            }
            self._named = ((p.instant, self.window.settled), found)
        known = self._named[1]
        return {
            name
            for name in names
            if name in known and known[name].id not in but and not p.may_ever_name(who, today, known[name])
        }

    def logs(self) -> str:
        """The end of what the processes logged."""
        return "\n".join(
            f"{each.name}: {each.read_text('utf-8', 'replace')[-LOG_CHARACTERS:]}"
            for each in self.run.folder.glob("serve-*")
        )

    def differ(
        self, sort: str, expected: object, got: object, *, where: str = "", deed: Deed | None = None
    ) -> None:
        """Writes a difference down, once a sort."""
        if sort in self.options.ignore:
            self.counts["ignored: " + sort] += 1
            return
        if any(each.sort == sort for each in self.differences):
            return
        performed = {each for each, count in self.done.items() if count}
        if any(culprits <= performed for culprits in self.options.known.get(sort, ())):
            self.counts["ignored: " + sort] += 1
            return
        self.differences.append(Difference(sort, self.world.today.isoformat(), expected, got, where, deed))

    # Playing ---------------------------------------------------------------------------------------------------------

    async def play(self, script: list[Step]) -> None:
        """Plays a script; deeds that have lost what they need are left out. Ends at the first difference."""
        self.is_script = True
        for step in script:
            await self.take(step)
            if self.differences:
                return

    async def take(self, step: Step) -> None:
        """One step."""
        self.script.append(step)
        await self._guarded(self._take(step))

    async def _guarded(self, doing: Coroutine[Any, Any, None]) -> None:
        """Does it; that the program does not answer is a difference."""
        try:
            await doing
        except Unanswered as error:
            self.differ(f"no answer: {error.what}", "an answer", str(error))

    async def _take(self, step: Step) -> None:
        if step.sort == "day":
            self.world.today = date.fromisoformat(step.day)
            self.run.set_clock(
                self.world.today - timedelta(days=1 if step.hour == NIGHT_UTC else 0), step.hour
            )
        elif step.sort == "look":
            from simulation.looking import look

            await look(self, is_last=step.fault == "last", only=step.only, narrow=step.narrow)
            self.window.judge_names()
        else:
            await self.wave(step)

    async def wave(self, step: Step) -> None:
        """Performs the deeds of a step, as many at once as may be, and does in the model what was acknowledged, in order."""
        deeds = iter(step.deeds)

        def following() -> Deed | None:
            return next(deeds, None)

        await self._stretch(following, step)

    async def _stretch(self, following: Callable[[], Deed | None], step: Step) -> None:
        """Begins deed after deed, until there is none, and sees all of them settled; a fault strikes when all that fit are under way."""
        self.cost.look(self.run.parts, counts=False)
        began = time.perf_counter()
        fault = step.fault
        try:
            while not self.differences:
                deed = following()
                if deed is None:
                    break
                touched: set[object] | None = None
                with self._passing_over(deed):
                    touched = set(KINDS[deed.kind].touches(self.world, deed))
                if touched is None:
                    continue
                await self.window.make_room_for(deed, touched)
                with self._passing_over(deed):
                    self.window.begin(deed, touched, self._perform)
                if fault and len(self.window) == self.options.wave:
                    await self.strike(fault)
                    fault = ""
            if fault:
                await self.strike(fault)
            await self.window.settle_all()
        finally:
            await self.window.give_up()
        self.busy_s += time.perf_counter() - began
        self.cost.look(self.run.parts, counts=True)

    def settled(self, deed: Deed, verdict: str, told: Told) -> None:
        """A deed has its answer."""
        self.deeds += 1
        self.counts["writes"] += len(deed.given.get("writes") or deed.given.get("taps") or [0])
        self.settle(deed, verdict, told)

    async def _perform(self, deed: Deed) -> Told | None:
        with self._passing_over(deed):
            return await KINDS[deed.kind].send(Go(self, deed), self.world, deed)
        return None

    @contextlib.contextmanager
    def _passing_over(self, deed: Deed) -> Iterator[None]:
        """Lets a deed go of which there is nothing to do; in a script also one that has lost its ground. Every other error ends the run."""
        try:
            yield
        except NothingThere:
            self.counts[f"passed over: {deed.kind}"] += 1
        except Groundless:
            if not self.is_script:
                raise

    def settle(self, deed: Deed, verdict: str, told: Told) -> None:
        """Compares what the model says of a deed with what became of it, and follows the program where it was acknowledged."""
        kind = KINDS[deed.kind]
        self.counts["comparisons"] += 1
        if told.status >= 500:
            got = f"{told.code}\n{self.logs()}"
            self.differ(f"error {told.status} on {deed.kind}", verdict or "done", got, deed=deed)
            return
        is_done = told.is_done
        if is_done and kind.name == "test" and deed.way == "api" and isinstance(told.data, dict):
            is_done = told.data.get("code", "saved") in ("saved", "changed")
        if is_done:
            self.done[deed.kind] += 1
            self.done_by_page[deed.kind] += deed.way == "page"
            if verdict and not verdict.endswith("?"):
                self.differ(
                    f"accepted although {verdict}: {deed.kind}", f"refused: {verdict}", "done", deed=deed
                )
            kind.apply(self.world, deed, told.data)
            if not self.world.keys_made.pop("was done already", False):
                self.acknowledged.append(deed)
            for name, why, saved, code in self.world.keys_made.pop("verdicts", []):
                self.counts["comparisons"] += 1
                if why and not saved:
                    self.met[why.removesuffix("?")] += 1
                if saved and why and not why.endswith("?"):
                    self.differ(f"accepted although {why}: {name}", f"refused: {why}", code, deed=deed)
                elif not saved and not why:
                    self.differ(f"refused though allowed ({code}): {name}", "saved", code, deed=deed)
            return
        if told.status == 429:
            self.counts["turned away"] += 1
            return
        if verdict:
            self.met[verdict.removesuffix("?")] += 1
        code = told.data.get("code", told.code) if isinstance(told.data, dict) else told.code
        faults = told.data.get("faults", "") if isinstance(told.data, dict) else ""
        self.refused[deed.kind, f"{code}{'' if verdict else ' !'}"] += 1
        if code in DENIED and deed.way == "api":
            self.denied[deed.who] += 1
        if not verdict and code != "not_offered":
            self.differ(
                f"refused though allowed ({code}): {deed.kind}{' by page' if deed.way == 'page' else ''}",
                "done",
                f"{code} {words_of(told.text)} {faults}".strip(),
                deed=deed,
            )

    async def strike(self, fault: str) -> None:
        """A fault in the midst of a wave; everything runs again when it is over."""
        self.counts[f"fault: {fault}"] += 1
        await asyncio.sleep(self.world.rng.random() * 0.02)
        if fault == "program":
            port = self.run.client.ports[-1]
            self.run.kill(port)
            self.run.launch(port)
            await self.run.ready(port)
        elif fault == "backend":
            self.stage.cluster.end_a_backend(self.run.database)
        elif fault == "postmaster":
            self.stage.cluster.kill()
            self.stage.cluster.start()

    # Making up -------------------------------------------------------------------------------------------------------

    def deed(self, name: str, who: str, **given: Any) -> Deed:
        """A deed that is not left to chance."""
        return Deed(self.world.new_key(), name, who, given)

    async def make_world(self) -> None:
        """Places, years, rounds, schools, classes, assignments and children, made by deeds as everything."""
        w = self.world

        async def do(*deeds: Deed) -> list[Deed]:
            await self.take(Step("wave", list(deeds)))
            return list(deeds)

        (country,) = await do(self.deed("make_place", "coordinator1", parent=None, kind="country"))
        provinces = await do(
            *(
                self.deed("make_place", "coordinator1", parent=f"place {country.key}", kind="province")
                for _ in range(2)
            )
        )
        districts = await do(
            *(
                self.deed(
                    "make_place", "coordinator1", parent=f"place {provinces[n % 2].key}", kind="district"
                )
                for n in range(3)
            )
        )
        (one,) = await do(
            self.deed(
                "make_year", "coordinator1", starts_on="2027-01-01", ends_on="2027-02-20", is_current=True
            )
        )
        (two,) = await do(
            self.deed(
                "make_year", "coordinator1", starts_on="2027-02-21", ends_on="2027-12-20", is_current=False
            )
        )
        days = (
            ("baseline", "2027-01-04", "2027-01-12", one),
            ("midline", "2027-01-16", "2027-01-22", one),
            ("endline", "2027-01-26", "2027-02-03", one),
            ("baseline", "2027-02-22", "2027-03-02", two),
        )
        for kind, starts_on, ends_on, year in days:
            await do(
                self.deed(
                    "make_round",
                    "coordinator1",
                    year=f"year {year.key}",
                    kind=kind,
                    starts_on=starts_on,
                    ends_on=ends_on,
                )
            )
        schools = await do(
            *(
                self.deed(
                    "make_school",
                    "coordinator1",
                    place=f"place {districts[n % 3].key}",
                    is_practice=n == self.options.schools - 1,
                )
                for n in range(self.options.schools)
            )
        )
        year = f"year {one.key}"
        classes = [
            self.deed(
                "make_class", "coordinator1", school=f"school {each.key}", year=year, grade=grade, section="A"
            )
            for each in schools
            for grade in (3, 4, 5)
            if not (grade == 5 and each.key % 2)
        ]
        await do(*classes)
        jobs: list[Deed] = []
        mentors, teachers = [n for n, r in CAST if r == "mentor"], [n for n, r in CAST if r == "teacher"]
        for number, each in enumerate(schools):
            for person in (mentors[number % 3], teachers[number % len(teachers)]):
                jobs += [
                    self.deed(
                        "assign",
                        "coordinator1",
                        person=person,
                        school=f"school {each.key}",
                        subject=subject,
                        **{"class": None, "to_on": None},
                    )
                    for subject in ("language", "math")
                ]
        await do(*jobs)
        children: list[Deed] = []
        for each in schools:
            for number in range(self.options.children):
                grade = 3 + number % 3
                klass: str | None = w.p.class_id(f"school {each.key}", year, grade, "A")
                klass = klass if klass in w.p.classes else None
                given = {
                    "school": f"school {each.key}",
                    "year": year,
                    "class": klass,
                    "grade": grade,
                    "sex": 1 + number // 3 % 2,
                }
                children.append(self.deed("enrol", "coordinator2", **given))
        for start in range(0, len(children), self.options.wave):
            await do(*children[start : start + self.options.wave])
        opened = self.deed(
            "step_round", "coordinator1", round=next(iter(w.p.rounds)), state="open", reason=""
        )
        await do(opened)

    def choose(self, names: list[str], weights: list[float]) -> Deed | None:
        """A deed by the dice."""
        w = self.world
        name = w.rng.choices(names, weights)[0]
        made = KINDS[name].make(w)
        if made is None:
            return None
        who, given = made
        deed = Deed(w.new_key(), name, who, given, which=w.rng.randrange(2), lost=w.chance(self.options.lost))
        if KINDS[name].has_page and self.run.people[who].cookie and w.chance(self.options.pages):
            deed.way = "page"
        return deed

    async def stretch(self, names: list[str], weights: list[float]) -> int:
        """Deeds by the dice, each begun as soon as there is room, until one waits that must be done alone; then those. How many."""
        w, options = self.world, self.options
        step = Step("wave")
        if options.faults and w.chance(FAULTS_A_STRETCH):
            step.fault = w.rng.choices(("program", "backend", "postmaster"), (3, 4, 1))[0]

        def following() -> Deed | None:
            if len(step.deeds) >= options.wave * STRETCH_WAVES or self._is_late():
                return None
            found = self._another(names, self._eager(names, weights))
            if found is not None:
                step.deeds.append(found)
            return found

        self.script.append(step)
        await self._guarded(self._stretch(following, step))
        alone, self.alone = self.alone, []
        for name in alone:
            deed = None if self.differences else self.choose([name], [1.0])
            if deed is not None:
                await self.take(Step("wave", [deed]))
        return max(1, len(step.deeds) + len(alone))

    def _another(self, names: list[str], weights: list[float]) -> Deed | None:
        """A deed that touches nothing of what is under way; None after many tries."""
        for _ in range(self.options.wave * 3):
            deed = self.choose(names, weights)
            if deed is None:
                continue
            touched = set(KINDS[deed.kind].touches(self.world, deed))
            if EVERYTHING in touched:
                if len(self.alone) < MOST_ALONE:
                    self.alone.append(deed.kind)
                continue
            if self.window.may_join(deed, touched):
                return deed
        return None

    async def invent(self) -> None:
        """Plays a programme by the dice until its days are over, or until something differs."""
        w, options = self.world, self.options
        await self.take(Step("day", day=FIRST_DAY.isoformat()))
        await self.make_world()
        names = sorted(name for name, kind in KINDS.items() if kind.weight and name not in options.without)
        if options.only:
            names = [each for each in names if each in options.only]
        if options.swarm:
            keep = {"test", "step_round"} | {each for each in names if w.chance(0.35)}
            names = [each for each in names if each in keep]
        weights = [KINDS[each].weight for each in names]
        for number in range(options.days):
            if self.differences:
                return
            done = 0
            await self.steps_of_rounds()
            while done < options.deeds_a_day and not self.differences and not self._is_late():
                done += await self.stretch(names, weights)
            if self.differences:
                return
            is_last = number == options.days - 1 or self._is_late()
            await self.take(Step("look", fault="last" if is_last else ""))
            if is_last:
                return
            else:
                is_night = w.chance(0.1)
                day = w.today + timedelta(days=w.rng.choice((1, 2, 3, 5)))
                await self.take(Step("day", day=day.isoformat(), hour=NIGHT_UTC if is_night else MORNING_UTC))

    def _eager(self, names: list[str], weights: list[float]) -> list[float]:
        """How likely each kind is: one that was not accepted yet is tried until it is."""
        return [
            weight if self.done[name] or _is_rare(name) else max(weight, EAGER)
            for name, weight in zip(names, weights, strict=True)
        ]

    def _is_late(self) -> bool:
        return time.monotonic() > self.until

    async def steps_of_rounds(self) -> None:
        """What a coordinator does with rounds in the morning: opens what begins, closes what is over, freezes what is done."""
        w = self.world
        for held in list(w.p.rounds.values()):
            state = ""
            if held.state == "planned" and held.starts_on <= w.today <= held.ends_on and w.chance(0.8):
                state = "open"
            elif held.state == "open" and held.ends_on < w.today and w.chance(0.6):
                state = "closed"
            elif held.state == "closed" and w.chance(0.3):
                state = "frozen"
            if state:
                await self.take(
                    Step(
                        "wave",
                        [
                            self.deed(
                                "step_round",
                                "coordinator1",
                                round=held.id,
                                state=state,
                                reason="as planned",
                                confirmed=True,
                            )
                        ],
                    )
                )


def _is_rare(name: str) -> bool:
    """Whether the program takes it every few seconds only."""
    return any("import" in route for route in KINDS[name].routes)


def quoted(text: str) -> str:
    """A word for an address."""
    return quote(text, safe="")
