"""A calendar is what RFC 5545 says: folded, escaped, whole days, and no child in it."""

from __future__ import annotations

from datetime import UTC, date, datetime

from rightlevel.programme.visits.icalendar import calendar_of, escaped, folded
from rightlevel.programme.visits.model import PlannedVisit


def a_visit(**more: object) -> PlannedVisit:
    values: dict[str, object] = {
        "id": "0190a000-0000-7000-8000-000000000001",
        "school_id": 1,
        "school_name": "សាលាបឋមសិក្សា; A, B",
        "subject": "math",
        "mentor_id": 2,
        "mentor_name": "Mentor",
        "planned_on": date(2026, 11, 30),
        "note": "Bring\nthe \\ cards",
        "state": "planned",
        "visit_id": None,
        "version": 3,
        "place_name": "North District",
        "latitude": 11.5,
        "longitude": 104.9,
        "changed_at": datetime(2026, 11, 23, 8, tzinfo=UTC),
    }
    return PlannedVisit(**(values | more))  # type: ignore[arg-type]


def unfolded(content: bytes) -> list[str]:
    return content.replace(b"\r\n ", b"").decode().split("\r\n")


def test_an_event_is_a_whole_day_with_school_place_and_position() -> None:
    lines = unfolded(calendar_of([a_visit()], title="Visits", subjects={"math": "Mathematics"}))
    for line in (
        "DTSTART;VALUE=DATE:20261130",
        "DTEND;VALUE=DATE:20261201",
        "SEQUENCE:2",
        "STATUS:CONFIRMED",
        "GEO:11.500000;104.900000",
        "UID:0190a000-0000-7000-8000-000000000001@rightlevel",
        "DTSTAMP:20261123T080000Z",
        "SUMMARY:សាលាបឋមសិក្សា\\; A\\, B · Mathematics",
        "DESCRIPTION:Bring\\nthe \\\\ cards",
    ):
        assert line in lines
    assert (lines[0], lines[-2], lines[-1]) == ("BEGIN:VCALENDAR", "END:VCALENDAR", "")


def test_a_cancelled_visit_is_taken_out_of_calendars() -> None:
    assert b"STATUS:CANCELLED" in calendar_of([a_visit(state="cancelled")], title="V", subjects={})


def test_no_line_is_longer_than_75_octets_and_no_character_is_cut() -> None:
    for line in ("x" * 500, "ក" * 200, "a" * 74 + "ក", "😀" * 60, ""):
        content = folded(f"SUMMARY:{line}")
        assert all(len(part) <= 75 for part in content.removesuffix(b"\r\n").split(b"\r\n"))
        for part in content.split(b"\r\n"):
            part.decode()
        assert content.replace(b"\r\n ", b"").decode() == f"SUMMARY:{line}\r\n"


def test_nothing_that_was_typed_can_begin_a_line_of_its_own() -> None:
    assert escaped("a\r\nBEGIN:VALARM\rX\x00\x07") == "a\\nBEGIN:VALARM\\nX"
