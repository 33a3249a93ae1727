"""What a deed is, how one is chosen, judged by the model, sent, and done in the model. The kinds stand in `simulation.rooms`."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from simulation.client import Answer
from simulation.model.programme import Programme
from simulation.model.things import Things


@dataclass
class Deed:
    """One deed of one person. `key` is its own number for ever: everything that it makes is named after it."""

    key: int
    kind: str
    who: str
    given: dict[str, Any]
    way: str = "api"
    which: int = 0
    lost: bool = False

    def to_plain(self) -> dict[str, Any]:
        """As written out, to be read back."""
        return asdict(self)

    def uuid(self, part: object = "") -> str:
        """An id that this deed makes on its device: the same in every run."""
        return uuid_of(self.key, self.kind, part)

    @property
    def words(self) -> str:
        """In one line, for people."""
        more = ", ".join(f"{name}={_short(value)}" for name, value in self.given.items())
        marks = (" by the page" if self.way == "page" else "") + (", answer lost" if self.lost else "")
        return f"#{self.key} {self.who}: {self.kind}({more}){marks}"


def _short(value: object) -> str:
    """A child is named by the end of its id; lists are cut."""
    if isinstance(value, str) and len(value) == 36 and value.count("-") == 4:
        return f"child..{value[-6:]}"
    if isinstance(value, list) and len(value) > 1:
        return f"[{_short(value[0])}, and {len(value) - 1} more]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_short(each)}" for name, each in value.items()) + "}"
    return str(value)


def uuid_of(*parts: object) -> str:
    """A UUIDv7-shaped id made of words, the same every time."""
    raw = bytearray(sha256(repr(parts).encode()).digest()[:16])
    raw[0:2] = b"\x01\x98"
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(raw)))


@dataclass
class Kind:
    """One kind of deed. `judge` says '' for what must be accepted, a code for what must be refused, a code and ? for either."""

    name: str
    routes: tuple[str, ...]
    make: Callable[[World], tuple[str, dict[str, Any]] | None]
    judge: Callable[[World, Deed], str]
    send: Callable[[Any, World, Deed], Any]
    apply: Callable[[World, Deed, Any], None]
    touches: Callable[[World, Deed], Iterable[object]]
    weight: float = 1.0
    audit: tuple[str, str] | None = None
    is_setup: bool = False
    has_page: bool = False
    is_plain: bool = False
    """Whether the model keeps only who may do it: it is on no figure and on no right."""


KINDS: dict[str, Kind] = {}
EVERYTHING = "everything"
"""What a deed touches that must run alone."""


def nothing(_world: World, _deed: Deed, _answer: Any) -> None:
    """The model keeps nothing of this deed."""


def freely(_world: World, _deed: Deed) -> str:
    """Whoever sends it may."""
    return ""


def kind(
    name: str,
    *routes: str,
    weight: float = 1.0,
    audit: tuple[str, str] | None = None,
    is_setup: bool = False,
) -> Callable[[type], type]:
    """Declares a kind of deed from a class with make, send and, where they differ from the plain ones, judge, apply, touches."""

    def declare(given: type) -> type:
        of: dict[str, Any] = {}
        for each in ("make", "judge", "send", "apply", "touches"):
            found = getattr(given, each, None)
            if found is not None:
                of[each] = found
        KINDS[name] = Kind(
            name,
            routes,
            of["make"],
            of.get("judge", freely),
            of["send"],
            of.get("apply", nothing),
            of.get("touches", lambda _w, d: [f"{d.kind} {d.key}"]),
            weight,
            audit,
            is_setup,
            bool(getattr(given, "has_page", False)),
        )
        return given

    return declare


@dataclass
class World:
    """A programme as the model has it, what things are called in the program, and the dice."""

    seed: int
    rng: random.Random
    p: Programme = field(default_factory=Programme)
    today: date = date(2027, 1, 4)
    ids: Things[Any] = field(default_factory=Things)
    words: dict[tuple[str, Any], str] = field(default_factory=dict)
    versions: dict[str, int | None] = field(default_factory=dict)
    things: dict[str, Things[dict[str, Any]]] = field(default_factory=lambda: defaultdict(Things))
    document: Mapping[str, Any] = field(default_factory=dict)
    next_key: int = 1
    keys_made: dict[str, Any] = field(default_factory=dict)

    def call(self, thing: str, sort: str, number: Any) -> None:
        """Remembers what the program calls a thing."""
        self.ids[thing] = number
        self.words[sort, number] = thing

    def word(self, sort: str, number: Any) -> str | None:
        """What the simulation calls a thing of the program's."""
        return None if number is None else self.words.get((sort, number), f"unknown {sort} {number}")

    def has(self, *things: str | None) -> bool:
        """Whether the program has a name for each of these."""
        return all(each is None or each in self.ids for each in things)

    def new_key(self) -> int:
        """The number of the next deed."""
        self.next_key += 1
        return self.next_key - 1

    # Choosing --------------------------------------------------------------------------------------------------------

    def pick(self, choices: Iterable[Any]) -> Any:
        """One of these, None of none."""
        found = list(choices)
        return self.rng.choice(found) if found else None

    def chance(self, share: float) -> bool:
        """True in this share of cases."""
        return self.rng.random() < share

    def person(self, *roles: str) -> str | None:
        """Somebody of these roles whose account works."""
        return self.pick(
            each.id
            for each in self.p.people.values()
            if each.role in roles and each.is_active and not each.is_deleted
        )

    def leader(self) -> str:
        """A coordinator, now and then an admin."""
        return self.person("coordinator", "coordinator", "admin") or "admin"

    def anybody_for(self, school: str, subject: str | None = None, klass: str | None = None) -> str:
        """Mostly somebody who works there, now and then a coordinator or somebody else altogether."""
        if self.chance(0.12):
            return self.leader()
        if self.chance(0.06):
            return self.person("teacher", "mentor", "viewer") or "admin"
        if self.chance(0.1):
            # Somebody who has another class of this school and not this one.
            beside = {
                each.person
                for each in self.p.assignments.values()
                if each.school == school and each.holds_on(self.today) and each.klass not in (None, klass)
            }
            found = self.pick(
                sorted(each for each in beside if not self.p.covers(each, self.today, school, klass, subject))
            )
            if found is not None:
                return found
        there = [
            each.person
            for each in self.p.assignments.values()
            if each.school == school
            and each.holds_on(self.today)
            and subject in (None, each.subject)
            and each.klass in (None, klass)
        ]
        return self.pick(sorted(there)) or self.leader()

    def school(self, *, real: bool | None = None) -> str | None:
        """A school that is there."""
        return self.pick(
            each.id
            for each in self.p.schools.values()
            if not each.is_deleted and (real is None or each.is_practice != real)
        )

    def child(self, *, school: str | None = None, active: bool | None = None, anywhere: bool = False) -> Any:
        """A child that is there."""
        return self.pick(
            each
            for each in self.p.children.values()
            if each.is_live
            and (school is None or each.record.school == school)
            and (active is None or (each.status == "active") == active)
            and (anywhere or not self.p.schools[each.record.school].is_deleted)
        )

    def day(self, back: int = 0) -> str:
        """Today or some days before, as written."""
        return (self.today - timedelta(days=back)).isoformat()


def name_of(key: int, part: object = "") -> str:
    """A child's name that no other has, and that is found in any text."""
    digits = sha256(repr((key, part)).encode()).digest()
    letters = "abcdefghjkmnpqrstuvwxyz"
    return "Zq" + "".join(letters[each % len(letters)] for each in digits[:9])


Sent = Answer
