"""What a run tells at its end, and the tests it writes."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from pathlib import Path

from simulation.deeds import KINDS
from simulation.player import Difference, Player, Step

TEST = '''"""Found by the simulated programme, seed {seed}: {sort}.

Expected {expected}
Got      {got}
"""

from simulation.replaying import replay

SCRIPT = r"""
{script}
"""


def test_{name}() -> None:
    assert replay(SCRIPT) is None
'''


def write_test(folder: Path, seed: int, script: list[Step], difference: Difference) -> Path:
    """Writes a script out as a test to paste; where."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"\W+", "_", f"{difference.sort}".lower()).strip("_")[:70]
    path = folder / f"test_seed_{seed}_{name}.py"
    lines = ",\n".join(json.dumps(step.to_plain(), ensure_ascii=False) for step in script)
    cut = {"expected": str(difference.expected)[:600], "got": str(difference.got)[:600].replace('"""', "")}
    path.write_text(
        TEST.format(seed=seed, sort=difference.sort, script=f"[{lines}]", name=name, **cut), "utf-8"
    )
    return path


REFUSED_ALWAYS = {
    "patch_across": "a change of a record moves no child: that it is refused is what is tried",
    "draw_trial": "a programme here has fewer schools than are drawn into two ways",
    "post_draw_trial": "the same, by its page",
    "end_current_year": "one year is current until another is: that it is refused is what is tried",
}
"""Kinds of deeds that are never accepted, with the reason. Every other is, in a run that is long enough."""
ENOUGH_DEEDS = 12_000
"""In so many deeds each kind is accepted at least once: the rarest need what seldom stands there, and are tried until they are."""


JUDGING = re.compile(r"judge|_?why.*|_reached|leaders_only")


def reasons_known() -> frozenset[str]:
    """Every reason for which the model may say that a deed is refused, as its rules are written."""
    found: set[str] = set()
    for path in sorted(Path(__file__).parent.glob("[mr]o*/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and JUDGING.fullmatch(node.name):
                for each in ast.walk(node):
                    if isinstance(each, ast.Return):
                        found |= _texts(each.value)
    return frozenset(each.removesuffix("?") for each in found) - {""}


def _texts(value: ast.expr | None) -> set[str]:
    """The texts that an expression may be: itself, or one of two."""
    if isinstance(value, ast.IfExp):
        return _texts(value.body) | _texts(value.orelse)
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
    return {str(value.value)} if is_text and isinstance(value, ast.Constant) else set()


class Report:
    """Seeds, deeds, comparisons, faults and differences of all programmes of one call."""

    def __init__(self) -> None:
        self.seeds = 0
        self.deeds = 0
        self.busy_s = 0.0
        self.all_s = 0.0
        self.core_s: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.done_by_page: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.met: Counter[str] = Counter()
        self.differences: list[tuple[int, list[Step], Difference]] = []

    def add(self, player: Player, seconds: float) -> None:
        """Takes one programme in."""
        self.seeds += 1
        self.deeds += player.deeds
        self.busy_s += player.busy_s
        self.core_s += player.cost.seconds
        self.all_s += seconds
        self.counts += player.counts
        self.done += player.done
        self.done_by_page += player.done_by_page
        self.refused += player.refused
        self.met += player.met

    @property
    def not_accepted(self) -> list[str]:
        """The kinds that were never accepted, but for those that never are."""
        return [
            name
            for name, kind in sorted(KINDS.items())
            if kind.weight and not self.done[name] and name not in REFUSED_ALWAYS
        ]

    @property
    def not_by_page(self) -> list[str]:
        """The kinds that have a page beside the API and were accepted, but never by that page."""
        return [
            name
            for name, kind in sorted(KINDS.items())
            if kind.has_page and self.done[name] and not self.done_by_page[name]
        ]

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs, and in a run that is long enough every kind of deed was accepted."""
        return not self.differences and not (self.deeds >= ENOUGH_DEEDS and self.not_accepted)

    def found(self, seed: int, script: list[Step], difference: Difference) -> None:
        """Takes a difference in."""
        self.differences.append((seed, script, difference))

    def words(self, first: int, last: int) -> str:
        """For people, at the end."""
        faults = {name[7:]: count for name, count in self.counts.items() if name.startswith("fault: ")}
        never = [self.never(name) for name in self.not_accepted]
        each = {name: f"{seconds / max(self.deeds, 1) * 1000:.1f}" for name, seconds in self.core_s.items()}
        lines = [
            "",
            f"seeds            {self.seeds} ({first} to {last})",
            (
                f"deeds            {self.deeds}, {self.deeds / max(self.busy_s, 1e-9):.0f} a second while deeds are done, "
                f"{self.deeds / max(self.all_s, 1e-9):.0f} a second with starting, looking and killing"
            ),
            (
                f"writes           {self.counts['writes']} (each of a batch is one), "
                f"{self.counts['writes'] / max(self.busy_s, 1e-9):.0f} a second while deeds are done"
            ),
            f"of a core        {each} ms a deed while deeds are done",
            f"comparisons      {self.counts['comparisons']}; {self.counts['asked']} questions; names looked for in {self.counts['names looked for']} answers",
            f"by pages         {self.counts['by pages']}; answers lost {self.counts['answers lost']}; repeated {self.counts['repeated']}",
            f"faults           {faults}",
            f"never accepted   {', '.join(never) or 'none'}",
            f"never by a page  {', '.join(self.not_by_page) or 'none'}",
            f"refusals         {self._refusals()}",
            f"passed over      {self._passed_over() or 'nothing'}",
            f"differences      {len(self.differences)}",
        ]
        surprising = {
            f"{kind} {code}": count for (kind, code), count in self.refused.items() if code.endswith("!")
        }
        if surprising:
            lines.append(f"refused though allowed: {surprising}")
        lines += [
            f"  {name}: {count}"
            for name, count in sorted(self.counts.items())
            if name.startswith(("field ", "ignored"))
        ]
        return "\n".join(lines)

    def _refusals(self) -> str:
        known = reasons_known()
        missed = sorted(known - self.met.keys())
        return f"{len(known) - len(missed)} of {len(known)} reasons met; never {', '.join(missed) or 'none'}"

    def _passed_over(self) -> str:
        """Kinds of which there was nothing to do when their turn came, with how often."""
        told = {name.removeprefix("passed over: "): count for name, count in self.counts.items()}
        return ", ".join(
            f"{name} {told[name]}" for name in sorted(told) if f"passed over: {name}" in self.counts
        )

    def never(self, name: str) -> str:
        """A kind that was never accepted, with how often it was refused and why."""
        why = ", ".join(
            f"{code.removesuffix(' !')} {count}"
            for (kind, code), count in self.refused.items()
            if kind == name
        )
        return f"{name} ({why or 'never tried'})"

    def _outcomes(self, name: str, has_page: bool) -> str:
        """One line of the table: how often a kind was accepted, and what it was refused with."""
        why = ", ".join(
            f"{code} {count}" for (kind, code), count in sorted(self.refused.items()) if kind == name
        )
        by_page = self.done_by_page[name] if has_page else "–"
        return f"| {name} | {self.done[name]} | {by_page} | {why.replace('|', '/')} |"

    def markdown(self) -> str:
        """Every difference with its shortest sequence, and the table of deeds and outcomes."""
        parts: list[str] = []
        for seed, script, difference in self.differences:
            deeds = [each for step in script for each in step.deeds]
            told = [each for each in deeds if not KINDS[each.kind].is_setup]
            parts.append(f"### {difference.sort}\n")
            parts.append(
                f"Seed {seed}, on {difference.day}; {len(deeds)} deeds, of which {len(deeds) - len(told)} build the scene. {difference.where}\n"
            )
            parts.append(f"Expected `{str(difference.expected)[:500]}`\nGot `{str(difference.got)[:500]}`\n")
            parts += [f"    {each.words}" for each in deeds]
            parts.append("")
        parts += [
            "### Deeds and what became of them\n",
            "| deed | accepted | by its page | refused |",
            "|---|---|---|---|",
        ]
        parts += [self._outcomes(name, kind.has_page) for name, kind in sorted(KINDS.items())]
        parts.append("")
        return "\n".join(parts)
