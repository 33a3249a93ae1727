"""A scale of a country that was made up for the tests: six rungs, its test begins with words, and nothing of it is where the program's own has it."""

from __future__ import annotations

from rightlevel.programme.levels import Fork, Onward, Threshold
from rightlevel.programme.permissions import Subject
from rightlevel.programme.scales import Climb, Rung, ScaleText

NAMES = {
    "nothing": ("Nothing yet", "មិនទាន់"),
    "sounds": ("Sounds", "សំឡេង"),
    "short_words": ("Short words", "ពាក្យខ្លី"),
    "sentence": ("Sentence", "ប្រយោគ"),
    "story": ("Whole story", "រឿងទាំងមូល"),
    "thinks": ("Thinks about it", "គិត"),
}
COLOURS = ("#7b3294", "#c2a5cf", "#f7f7f7", "#a6dba0", "#3f9f5f", "#00441b")


SHORT = ("#b2182b", "#f7f7f7", "#2166ac")
LONG = ("#67001f", "#b2182b", "#d6604d", "#f4a582", "#f7f7f7", "#92c5de", "#4393c3", "#2166ac", "#053061")


def three_rungs() -> ScaleText:
    """Mathematics with two tasks; its lowest level has a code of the program's own and another name."""
    ways = {
        "numbers_1digit": ("task:subtractions", "level:beginner", "counts"),
        "subtractions": ("level:reckons", "level:counts", "reckons"),
    }
    return _ladder("math", ("beginner", "counts", "reckons"), SHORT, ways)


def nine_rungs() -> ScaleText:
    """Reading with as many levels as there may be, one more than its tasks can tell apart; it shares a code with the other and calls it otherwise."""
    ways = {
        "words": ("task:paragraph", "task:letters", "b4"),
        "letters": ("level:b2", "level:beginner", "b2"),
        "paragraph": ("task:story", "level:b4", "b5"),
        "story": ("task:fact_questions", "level:b5", "b6"),
        "fact_questions": ("task:inference_questions", "level:b6", "b7"),
        "inference_questions": ("level:b9", "level:b7", "b9"),
    }
    codes = ("beginner", *(f"b{rank}" for rank in range(2, 10)))
    return _ladder("language", codes, LONG, ways)


def _ladder(
    subject: Subject, codes: tuple[str, ...], colours: tuple[str, ...], ways: dict[str, tuple[str, str, str]]
) -> ScaleText:
    rungs = [
        Rung(code, colour, {"en": f"{subject} {rank}", "km": f"កម្រិតទី {rank} {subject}"})
        for rank, (code, colour) in enumerate(zip(codes, colours, strict=True), start=1)
    ]
    after = {task: Fork(_to(up), _to(down), about) for task, (up, down, about) in ways.items()}
    climb = Climb(next(iter(ways)), after, codes[-1], codes[-2], codes[0], bands=[[each] for each in codes])
    return ScaleText(subject, f"Ladder of {len(codes)}", rungs, climb)


def _to(text: str) -> Onward:
    kind, _, code = text.partition(":")
    return Onward(code, None) if kind == "task" else Onward(None, code)


def other_scale(name: str = "Riverland") -> ScaleText:
    """Reading there: words first; 3 of 5 pass, and a story may have five mistakes."""
    ways = {
        "words": ("task:paragraph", "task:letters", "short_words"),
        "letters": ("level:sounds", "level:nothing", "sounds"),
        "paragraph": ("task:story", "level:short_words", "sentence"),
        "story": ("task:inference_questions", "level:sentence", "story"),
        "inference_questions": ("level:thinks", "level:story", "thinks"),
    }
    rungs = [
        Rung(code, colour, {"en": en, "km": km})
        for (code, (en, km)), colour in zip(NAMES.items(), COLOURS, strict=True)
    ]
    climb = Climb(
        "words",
        {task: Fork(_to(up), _to(down), about) for task, (up, down, about) in ways.items()},
        goal="story",
        near="sentence",
        low="sounds",
        thresholds={
            "words": Threshold(5, 3),
            "letters": Threshold(5, 4),
            "paragraph": Threshold(most_mistakes=4),
            "story": Threshold(most_mistakes=5),
            "inference_questions": Threshold(2, 1),
        },
        bands=[["nothing", "sounds"], ["short_words"], ["sentence", "story", "thinks"]],
    )
    return ScaleText("language", name, rungs, climb)
