"""The sorts of marks that nobody sees: every control and format character is of exactly one, and nothing else is of any."""

import sys
import unicodedata

from flatwater import unseen

SORTS = (unseen.STEERING, unseen.LINE_ENDS, unseen.TURNING, unseen.WIDTHLESS, unseen.JOINING)
OF_SCRIPTS = {
    mark
    for mark in range(sys.maxunicode + 1)
    if unicodedata.category(chr(mark)) == "Cf"
    and unicodedata.name(chr(mark), "").startswith(
        (
            "ARABIC",
            "SYRIAC",
            "KAITHI",
            "EGYPTIAN",
            "MUSICAL",
            "SHORTHAND",
            "TAG",
            "LANGUAGE TAG",
            "CANCEL TAG",
            "MONGOLIAN",
        )
    )
} - {0x061C}
"""Marks that belong to a script (or to flags of regions) and are written."""


def test_every_mark_is_of_one_sort() -> None:
    marks = [mark for sort in SORTS for each in sort for mark in each]
    assert len(marks) == len(set(marks))
    known = {
        mark
        for mark in range(sys.maxunicode + 1)
        if unicodedata.category(chr(mark)) in ("Cc", "Cf", "Zl", "Zp")
    }
    assert known - OF_SCRIPTS <= set(marks), [hex(each) for each in known - OF_SCRIPTS - set(marks)]
    unassigned = {mark for mark in marks if unicodedata.category(chr(mark)) == "Cn"}
    assert set(marks) - known == unassigned, "nothing that is seen"


def test_marks_are_found_and_dropped_by_their_sort() -> None:
    assert unseen.any_of(unseen.TURNING).search("abc\u202edef")
    assert not unseen.any_of(unseen.TURNING).search("\u1780\u200b\u1781")
    assert "A\u200b\u00ad1".translate(unseen.without(unseen.JOINING, unseen.WIDTHLESS)) == "A1"
