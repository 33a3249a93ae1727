"""Scales as they are written, shown and judged: what an editor or a file says, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.levels import (
    MAX_STEPS,
    SCALES,
    TASKS_ASKED,
    Fork,
    Level,
    Measured,
    Onward,
    Scale,
    Thresholds,
    threshold_fault,
)
from rightlevel.programme.permissions import SUBJECTS, Subject

MOST_RUNGS: Final = 9
"""As many as counts are kept for."""
MOST_PUBLISHED: Final = 60
"""Versions of all scales of a programme: each is known to every process for ever, at some 4 kB."""
MOST_DRAFTS: Final = 20
LONGEST_NAME, LONGEST_LABEL = 60, 40
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,29}")
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_UNSEEN: Final = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069<>{}]")
TAKEN: Final = frozenset({"absent", "refused", "left", "assessed", "not_tested", "missing"})
"""What a result may be beside a level, so that no level is called so."""


class Rung(msgspec.Struct, frozen=True):
    """One level: its code in files and answers, its colour (#rrggbb), and what it is called by language."""

    code: str
    colour: str
    labels: dict[str, str]


class Climb(msgspec.Struct, frozen=True):
    """How the guided test climbs, what passes its tasks (None: what the whole programme has), which rungs figures speak of, which learn together."""

    first: str
    after: dict[str, Fork]
    goal: str
    near: str
    low: str
    thresholds: Thresholds | None = None
    bands: list[list[str]] = []


class ScaleText(msgspec.Struct, frozen=True):
    """A scale as it is written: by the editor, by a program, in a file."""

    subject: Subject
    name: str
    rungs: list[Rung]
    climb: Climb


class NewScale(msgspec.Struct, frozen=True):
    """A draft to begin: as a copy of a version (`copy_of`, its key) under its own name or another, or as a text says; with neither a copy of
    the program's own scale of reading.
    """

    copy_of: str | None = None
    name: str | None = None
    text: ScaleText | None = None


class ScaleChange(msgspec.Struct, frozen=True):
    """What a draft is from now on. `edited` is how often it had been changed when it was read."""

    text: ScaleText
    edited: int


class ChosenScale(msgspec.Struct, frozen=True):
    """That a version is published or retired; `edited` as above."""

    edited: int


class ScaleRow(msgspec.Struct, frozen=True):
    """One version of a scale in the list: `draft`, `published` or `retired`, its rungs from the lowest, and how many rounds it measures."""

    key: str
    subject: Subject
    name: str
    version: int
    state: str
    codes: list[str]
    edited: int
    changed_at: datetime
    published_at: datetime | None
    rounds: int
    is_own: bool


class ScaleShown(msgspec.Struct, frozen=True):
    """One version of a scale with all that it says."""

    row: ScaleRow
    text: ScaleText


class ScaleSearch(msgspec.Struct, frozen=True):
    """Scales of which subject and state; of all where none is told."""

    subject: Subject | None = None
    state: str | None = None


class KeptScales:
    """What one running platform knows of scales: which rounds are measured by which, as of a mark."""

    def __init__(self) -> None:
        self.mark = ""
        self.measured = Measured()


def scale_of_text(text: ScaleText, key: str, version: int) -> Scale:
    """The scale that a text says. It must be sound."""
    climb = text.climb
    levels = tuple(
        Level(rank, rung.code, rung.labels["en"], rung.colour, rung.labels)
        for rank, rung in enumerate(text.rungs, start=1)
    )
    return Scale(
        key,
        text.subject,
        text.name,
        version,
        levels,
        first=climb.first,
        after=climb.after,
        goal=climb.goal,
        near=climb.near,
        low=climb.low,
        thresholds=climb.thresholds,
        bands=tuple(tuple(band) for band in climb.bands),
    )


def text_of_scale(scale: Scale, named: dict[str, dict[str, str]] | None = None) -> ScaleText:
    """What a scale says; `named` are labels by code, for the program's own, whose labels are in the catalogues."""
    rungs = [
        Rung(level.code, level.colour, level.labels or (named or {}).get(level.code) or {"en": level.name})
        for level in scale.levels
    ]
    climb = Climb(
        scale.first,
        scale.after,
        scale.goal,
        scale.near,
        scale.low,
        thresholds=scale.thresholds,
        bands=[list(band) for band in scale.bands],
    )
    return ScaleText(scale.subject, scale.name, rungs, climb)


def scale_faults(text: ScaleText, languages: Sequence[str] = ("en",)) -> list[Fault]:
    """Everything wrong with a scale, by field; each rung needs a label in each of these languages."""
    faults: list[Fault] = []
    if not text.name.strip() or len(text.name) > LONGEST_NAME or _UNSEEN.search(text.name):
        faults.append(Fault("name", f"Between 1 and {LONGEST_NAME} characters", text.name[:60]))
    if text.subject not in SUBJECTS:
        return [*faults, Fault("subject", f"One of: {', '.join(SUBJECTS)}", str(text.subject)[:60])]
    if not 2 <= len(text.rungs) <= MOST_RUNGS:
        faults.append(Fault("rungs", f"Between 2 and {MOST_RUNGS} levels", str(len(text.rungs))))
    codes = [rung.code for rung in text.rungs]
    for number, rung in enumerate(text.rungs):
        faults += _rung_faults(f"rungs.{number}", rung, languages, is_taken=codes.count(rung.code) > 1)
    return faults or [*_climb_faults(text), *_role_faults(text), *_band_faults(text)]


def _rung_faults(field: str, rung: Rung, languages: Sequence[str], *, is_taken: bool) -> Iterator[Fault]:
    if not _CODE.fullmatch(rung.code) or rung.code in TAKEN:
        rule = "Small Latin letters, digits and underscores, beginning with a letter"
        yield Fault(f"{field}.code", rule, rung.code[:40])
    elif is_taken:
        yield Fault(f"{field}.code", "Another level has this code", rung.code[:40])
    if not _COLOUR.fullmatch(rung.colour):
        yield Fault(f"{field}.colour", "A colour, for example #b2182b", rung.colour[:20])
    for language in dict.fromkeys(["en", *languages]):
        if not rung.labels.get(language, "").strip():
            yield Fault(f"{field}.labels.{language}", "Please fill this in")
    if len(rung.labels) > 20:
        yield Fault(f"{field}.labels", "At most 20 languages", str(len(rung.labels)))
    for language, label in rung.labels.items():
        if len(label) > LONGEST_LABEL or _UNSEEN.search(label):
            rule = f"At most {LONGEST_LABEL} characters, without markup"
            yield Fault(f"{field}.labels.{language[:10]}", rule, label[:60])


def _climb_faults(text: ScaleText) -> list[Fault]:
    """What is wrong with how the test climbs: it begins and goes on with tasks of its subject, ends at a level, and each level is reached."""
    climb, codes = text.climb, {rung.code for rung in text.rungs}
    asked = TASKS_ASKED[text.subject]
    if climb.first not in asked:
        return [Fault("climb.first", f"One of: {', '.join(asked)}", climb.first[:40])]
    faults: list[Fault] = []
    reached: set[str] = set()
    seen: set[str] = set()
    waiting = [climb.first]
    while waiting:
        task = waiting.pop()
        if task in seen:
            continue
        seen.add(task)
        fork = climb.after.get(task)
        if fork is None:
            faults.append(Fault(f"climb.after.{task}", "Say where this task leads"))
            continue
        if fork.tests not in codes:
            faults.append(Fault(f"climb.after.{task}.tests", "A level of this scale", fork.tests[:40]))
        for name, onward in (("passed", fork.passed), ("failed", fork.failed)):
            fault = _onward_fault(onward, asked, codes)
            if fault:
                faults.append(
                    Fault(f"climb.after.{task}.{name}", fault, str(onward.task or onward.level)[:40])
                )
            elif onward.task is not None:
                waiting.append(onward.task)
            elif onward.level is not None:
                reached.add(onward.level)
    faults += [
        Fault(f"climb.after.{task[:40]}", "No way leads to this task")
        for task in climb.after
        if task not in seen
    ]
    if faults:
        return faults
    if _longest(climb, climb.first, ()) > MAX_STEPS:
        return [Fault("climb.first", f"A test goes through {MAX_STEPS} tasks at most, and to none twice")]
    # So many tasks tell one level more apart than there are of them: of a longer ladder some levels are entered directly, and the preview says which.
    if len(text.rungs) <= len(asked) + 1:
        faults += [
            Fault(f"rungs.{number}.code", "No way of the guided test leads to this level", rung.code)
            for number, rung in enumerate(text.rungs)
            if rung.code not in reached
        ]
    return faults + list(_threshold_faults(climb, seen))


def entered_directly(climb: Climb, codes: Sequence[str]) -> list[str]:
    """The levels that no way of the guided test leads to."""
    reached = {each.level for fork in climb.after.values() for each in (fork.passed, fork.failed)}
    return [code for code in codes if code not in reached]


def _onward_fault(onward: Onward, asked: Sequence[str], codes: set[str]) -> str:
    if (onward.task is None) == (onward.level is None):
        return "Either the next task or the level that was reached"
    if onward.task is not None:
        return "" if onward.task in asked else f"One of: {', '.join(asked)}"
    return "" if onward.level in codes else "A level of this scale"


def _longest(climb: Climb, task: str, way: tuple[str, ...]) -> int:
    """How many tasks the longest way from here has; more than any may have where it comes back to one."""
    if task in way:
        return MAX_STEPS + 1
    fork = climb.after[task]
    onward = [each.task for each in (fork.passed, fork.failed) if each.task is not None]
    return 1 + max((_longest(climb, each, (*way, task)) for each in onward), default=0)


def _threshold_faults(climb: Climb, asked: set[str]) -> Iterator[Fault]:
    for task, threshold in (climb.thresholds or {}).items():
        if task not in asked:
            yield Fault(f"climb.thresholds.{task[:40]}", "No way leads to this task")
        elif fault := threshold_fault(task, threshold):
            yield Fault(f"climb.thresholds.{task}", fault.rule, fault.value)
    if climb.thresholds is not None:
        for task in sorted(asked - climb.thresholds.keys()):
            yield Fault(f"climb.thresholds.{task}", "This task needs a threshold")


def _role_faults(text: ScaleText) -> list[Fault]:
    """What figures speak of must be rungs, the low one below the near one, and that not above the goal; none says of everybody."""
    ranks = {rung.code: rank for rank, rung in enumerate(text.rungs, start=1)}
    climb = text.climb
    faults = [
        Fault(f"climb.{name}", "A level of this scale", code[:40])
        for name, code in (("goal", climb.goal), ("near", climb.near), ("low", climb.low))
        if code not in ranks
    ]
    if faults:
        return faults
    if not ranks[climb.low] < ranks[climb.near] <= ranks[climb.goal]:
        return [Fault("climb.goal", "The low level lies below the near one, and that not above the goal")]
    return []


def _band_faults(text: ScaleText) -> list[Fault]:
    bands, codes = text.climb.bands, [rung.code for rung in text.rungs]
    if not bands and codes == list(SCALES[text.subject].codes):
        return []  # the programme's split holds
    if [code for band in bands for code in band] != codes or not all(bands):
        return [Fault("climb.bands", "Every level once, from the lowest to the highest")]
    return []
