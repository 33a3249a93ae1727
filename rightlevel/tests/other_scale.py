"""A scale of a country that was made up for the tests: six rungs, its test begins with words, and nothing of it is where the program's own has it."""

from __future__ import annotations

from rightlevel.programme.levels import Fork, Onward, Threshold
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
