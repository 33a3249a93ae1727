"""The one permission table and the one scope: every handler, page, export and report asks these two and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import msgspec

from rightlevel.programme.errors import Forbidden, OutOfScope

Role = Literal["admin", "coordinator", "mentor", "teacher", "viewer"]
Subject = Literal["language", "math"]
ROLES: tuple[Role, ...] = get_args(Role)
SUBJECTS: tuple[Subject, ...] = get_args(Subject)
RANK: dict[Role, int] = {"admin": 4, "coordinator": 3, "mentor": 2, "teacher": 1, "viewer": 0}

_LEADERS = frozenset[Role]({"admin", "coordinator"})
_FIELD = frozenset[Role]({"admin", "coordinator", "mentor", "teacher"})
_MENTORS = frozenset[Role]({"admin", "coordinator", "mentor"})
_ALL = frozenset[Role](ROLES)
_ADMIN = frozenset[Role]({"admin"})
_OWNERS = frozenset[Role]({"admin", "coordinator", "teacher"})

TABLE: dict[tuple[str, str], frozenset[Role]] = {
    ("read", "place"): _ALL,
    ("create", "place"): _LEADERS,
    ("change", "place"): _LEADERS,
    ("delete", "place"): _LEADERS,
    ("restore", "place"): _LEADERS,
    ("read", "school"): _ALL,
    ("create", "school"): _LEADERS,
    ("change", "school"): _LEADERS,
    ("delete", "school"): _LEADERS,
    ("restore", "school"): _LEADERS,
    ("read", "school_year"): _ALL,
    ("create", "school_year"): _LEADERS,
    ("change", "school_year"): _LEADERS,
    ("delete", "school_year"): _LEADERS,
    ("restore", "school_year"): _LEADERS,
    ("read", "class"): _ALL,
    ("create", "class"): _LEADERS,
    ("change", "class"): _LEADERS,
    ("delete", "class"): _LEADERS,
    ("restore", "class"): _LEADERS,
    ("read", "assignment"): _LEADERS,
    ("create", "assignment"): _LEADERS,
    ("end", "assignment"): _LEADERS,
    ("read", "student"): _FIELD,
    ("create", "student"): _FIELD,
    ("change", "student"): _FIELD,
    ("delete", "student"): _OWNERS,
    ("restore", "student"): _OWNERS,
    ("transfer", "student"): _FIELD,
    ("amend", "student"): _LEADERS,
    ("erase", "student"): _ADMIN,
    ("merge", "student"): _MENTORS,
    ("settle", "student"): _LEADERS,
    ("roll_over", "school"): _LEADERS,
    ("reset", "school"): _LEADERS,
    ("read", "duplicates"): _FIELD,
    ("part", "duplicates"): _FIELD,
    ("merge", "duplicates"): _LEADERS,
    ("read", "round"): _ALL,
    ("create", "round"): _LEADERS,
    ("change", "round"): _LEADERS,
    ("delete", "round"): _LEADERS,
    ("restore", "round"): _LEADERS,
    ("lock", "round"): _LEADERS,
    ("freeze", "round"): _LEADERS,
    ("read", "approval"): _FIELD,
    ("decide", "approval"): _FIELD,
    ("override", "approval"): _LEADERS,
    ("read", "result"): _FIELD,
    ("enter", "result"): _FIELD,
    ("delete", "result"): _OWNERS,
    ("override", "result"): _LEADERS,
    ("lock", "result"): _LEADERS,
    ("read", "scale"): _ALL,
    ("change", "scale"): _LEADERS,
    ("publish", "scale"): _LEADERS,
    ("read", "tool"): _FIELD,
    ("create", "tool"): _LEADERS,
    ("read", "exercise"): _FIELD,
    ("take", "exercise"): _FIELD,
    ("create", "exercise"): _LEADERS,
    ("read", "certification"): _LEADERS,
    ("change", "certification"): _LEADERS,
    ("read", "verification"): _MENTORS,
    ("verify", "result"): _MENTORS,
    ("draw", "verification"): _LEADERS,
    ("settle", "verification"): _LEADERS,
    ("read", "returned"): _FIELD,
    ("read", "agreement"): _MENTORS,
    ("read", "data_quality"): _MENTORS,
    ("read", "review_pack"): _LEADERS,
    ("read", "visit"): _FIELD,
    ("create", "visit"): _MENTORS,
    ("change", "visit"): _MENTORS,
    ("delete", "visit"): _MENTORS,
    ("lock", "visit"): _LEADERS,
    ("export", "visit"): _MENTORS,
    ("read", "form"): _MENTORS,
    ("change", "form"): _LEADERS,
    ("publish", "form"): _LEADERS,
    ("plan", "visit"): _MENTORS,
    ("read", "planned_visit"): _MENTORS,
    ("change", "week_rules"): _LEADERS,
    ("read", "follow_up"): _FIELD,
    ("raise", "follow_up"): _MENTORS,
    ("settle", "follow_up"): _FIELD,
    ("read", "search"): _ALL,
    ("read", "figure"): _ALL,
    ("publish", "figure"): _ADMIN,
    ("read", "forecast"): _LEADERS,
    ("read", "trial"): _LEADERS,
    ("draw", "trial"): _LEADERS,
    ("read", "small_cell"): _FIELD,
    ("run", "import"): _LEADERS,
    ("undo", "import"): _LEADERS,
    ("read", "webhook"): _LEADERS,
    ("change", "webhook"): _LEADERS,
    ("read", "person"): _LEADERS,
    ("create", "person"): _LEADERS,
    ("change", "person"): _LEADERS,
    ("delete", "person"): _LEADERS,
    ("restore", "person"): _LEADERS,
    ("read", "audit"): _LEADERS,
    ("manage", "token_of_others"): _ADMIN,
    ("read", "group"): _FIELD,
    ("change", "group"): _OWNERS,
    ("check", "level"): _FIELD,
    ("read", "teaching"): _FIELD,
    ("record", "teaching"): _OWNERS,
    ("override", "teaching"): _LEADERS,
    ("read", "resource"): _FIELD,
    ("change", "resource"): _LEADERS,
    ("read", "intervention"): _FIELD,
    ("change", "intervention"): _LEADERS,
    ("enrol", "intervention"): _OWNERS,
    ("reset", "person"): _LEADERS,
    ("read", "join_request"): _LEADERS,
    ("decide", "join_request"): _LEADERS,
    ("read", "device"): _FIELD,
    ("link", "device"): _FIELD,
    ("revoke", "device"): _FIELD,
    ("export", "audit"): _LEADERS,
    ("export", "file"): _ALL,
    ("export", "student"): _FIELD,
    ("export", "result"): _FIELD,
    ("export", "verification"): _MENTORS,
    ("export", "data_quality"): _MENTORS,
    ("export", "teaching"): _FIELD,
    ("export", "assignment"): _LEADERS,
    ("export", "class"): _LEADERS,
    ("export", "place"): _LEADERS,
    ("export", "person"): _LEADERS,
    ("export", "count"): _FIELD,
    ("export", "deidentified"): frozenset({"admin", "coordinator", "viewer"}),
    ("finish", "sign_in"): _ALL,
    ("manage", "self"): _ALL,
    ("change", "setting"): _ADMIN,
    ("read", "time_zone"): _ALL,
    ("change", "time_zone"): _LEADERS,
    ("read", "language"): _ALL,
    ("change", "language"): _LEADERS,
    ("read", "metric"): _ADMIN,
}
"""(action, resource) → the roles that may. What is not here, nobody may."""


class Held(msgspec.Struct, frozen=True):
    """One active assignment: a school and subject, or one class of it."""

    school_id: int
    subject: Subject
    class_id: int | None = None


class Scope(msgspec.Struct, frozen=True):
    """What a person's work reaches: every school, or the schools and subjects assigned to them today."""

    is_everything: bool = False
    held: tuple[Held, ...] = ()

    def whole_schools(self, subject: Subject | None = None) -> list[int]:
        """Schools held without limit to a class, for `school_id = any(...)`."""
        return sorted({h.school_id for h in self._of(subject) if h.class_id is None})

    def classes(self, subject: Subject | None = None) -> list[int]:
        """Classes held, for `class_id = any(...)`."""
        return sorted({h.class_id for h in self._of(subject) if h.class_id is not None})

    def schools(self, subject: Subject | None = None) -> list[int]:
        """Every school in which something is held."""
        return sorted({h.school_id for h in self._of(subject)})

    def subjects(self, school_id: int) -> list[Subject]:
        """The subjects held at a school."""
        if self.is_everything:
            return ["language", "math"]
        return sorted({h.subject for h in self.held if h.school_id == school_id})

    def covers(self, school_id: int, *, subject: Subject | None = None, class_id: int | None = None) -> bool:
        """Whether a child in this school (and class) is within reach, for this subject or for any."""
        if self.is_everything:
            return True
        return any(
            h.school_id == school_id and (h.class_id is None or h.class_id == class_id)
            for h in self._of(subject)
        )

    def reaches_school(self, school_id: int) -> bool:
        """Whether anything at all is held at this school."""
        return self.is_everything or any(h.school_id == school_id for h in self.held)

    def _of(self, subject: Subject | None) -> Iterator[Held]:
        return (h for h in self.held if subject is None or h.subject == subject)


class TokenReach(msgspec.Struct, frozen=True):
    """What an API token may do of what its holder may: only reading, or only some resources (None: all)."""

    may_write: bool = True
    resources: tuple[str, ...] | None = None

    def covers(self, action: str, resource: str) -> bool:
        """Whether the token reaches this pair. One's own things may be read; the edge refuses writes of a reading token."""
        if self.resources is not None and resource not in self.resources:
            return False
        return self.may_write or action in READING or resource == "self"


READING = frozenset({"read", "export"})
SETTLING = ("finish", "sign_in")
"""The only pair for somebody whose sign-in is not finished: two-step verification, enrolling, and leaving again."""


class Actor(msgspec.Struct, frozen=True):
    """Who is acting, read from the session (or token) and the assignments in the request's own transaction."""

    person_id: int
    role: Role
    username: str
    display_name: str
    language: str
    scope: Scope
    address: str = "local"
    session_id: str | None = None
    csrf_token: str = ""
    pending: str = ""
    """What their sign-in still lacks: `second_factor`, `enrol`, or nothing."""
    is_by_pin: bool = False
    token: TokenReach | None = None
    has_own_digits: bool = False
    """Whether they read digits in their language's own script."""
    language_mark: str = ""
    """That of the last change to the programme's languages, as this request found it."""


def allowed(role: Role, action: str, resource: str) -> bool:
    """What the table says. *Errors*: KeyError for a pair that the table does not know: a typo must not deny quietly."""
    return role in TABLE[action, resource]


def sees_small_cells(actor: Actor) -> bool:
    """Whether somebody may learn of fewer than ten children: by their role, whatever their token reaches."""
    return allowed(actor.role, "read", "small_cell")


def require(actor: Actor, action: str, resource: str) -> None:
    """Passes when the actor's role may do this, their sign-in is finished and their token reaches it. *Errors*: Forbidden."""
    if not may(actor, action, resource):
        raise Forbidden


def may(actor: Actor, action: str, resource: str) -> bool:
    """What the table says of this actor as they came in: by a finished sign-in, or with a token that reaches it."""
    if actor.pending and (action, resource) != SETTLING:
        return False
    if actor.token is not None and not actor.token.covers(action, resource):
        return False
    return allowed(actor.role, action, resource)


def require_scope(
    actor: Actor, school_id: int, *, subject: Subject | None = None, class_id: int | None = None
) -> None:
    """Passes when the school (subject, class) is within the actor's reach. *Errors*: OutOfScope."""
    if not actor.scope.covers(school_id, subject=subject, class_id=class_id):
        raise OutOfScope


class May(msgspec.Struct, frozen=True):
    """Who may call a route: those whom the table allows this."""

    action: str
    resource: str

    def __post_init__(self) -> None:
        if (self.action, self.resource) not in TABLE:
            raise ValueError(f"the permission table has no ({self.action}, {self.resource})")

    @property
    def description(self) -> str:
        roles = ", ".join(role for role in ROLES if allowed(role, self.action, self.resource))
        return f"{self.action} {self.resource}: {roles}"

    @property
    def needs_actor(self) -> bool:
        return True

    def allows(self, actor: Actor | None) -> bool:
        return actor is not None and may(actor, self.action, self.resource)
