"""Scales as data: another country's rungs, labels, colours and guided test, in versions; which of them a round is measured by, the round says.

A draft is changed as often as wanted; published, a version never changes again, and a newer one follows it. Every process takes a change with its
next request, by the mark that languages have.

Public: `list_scales`, `read_scale`, `start_scale`, `change_scale`, `publish_scale`, `retire_scale`, `drop_draft`, `learn_scales`;
`KeptScales`, `ScaleRow`, `ScaleShown`, `ScaleText`, `Rung`, `Climb`, `scale_faults`, `entered_directly`, `colour_notes`.
"""

from rightlevel.programme.scales.actions import (
    change_scale,
    drop_draft,
    learn_scales,
    list_scales,
    needed_items,
    publish_scale,
    read_scale,
    require_chosen,
    retire_scale,
    start_scale,
)
from rightlevel.programme.scales.colours import colour_notes, contrast
from rightlevel.programme.scales.model import (
    MOST_RUNGS,
    ChosenScale,
    Climb,
    KeptScales,
    NewScale,
    Rung,
    ScaleChange,
    ScaleRow,
    ScaleSearch,
    ScaleShown,
    ScaleText,
    entered_directly,
    scale_faults,
    scale_of_text,
    text_of_scale,
)

__all__ = [
    "MOST_RUNGS",
    "ChosenScale",
    "Climb",
    "KeptScales",
    "NewScale",
    "Rung",
    "ScaleChange",
    "ScaleRow",
    "ScaleSearch",
    "ScaleShown",
    "ScaleText",
    "change_scale",
    "colour_notes",
    "entered_directly",
    "contrast",
    "drop_draft",
    "learn_scales",
    "list_scales",
    "needed_items",
    "publish_scale",
    "read_scale",
    "require_chosen",
    "retire_scale",
    "scale_faults",
    "scale_of_text",
    "start_scale",
    "text_of_scale",
]
