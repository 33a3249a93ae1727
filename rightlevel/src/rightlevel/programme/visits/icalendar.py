"""Planned visits as a calendar. *Source*: RFC 5545 (lines of at most 75 octets, folded; texts escaped) and RFC 7986 (names, refreshing)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from rightlevel.programme.visits.model import PlannedVisit

LINE_OCTETS: Final = 75
STATUS: Final = {"planned": "CONFIRMED", "done": "CONFIRMED", "cancelled": "CANCELLED"}


def calendar_of(visits: Sequence[PlannedVisit], *, title: str, subjects: dict[str, str]) -> bytes:
    """The calendar; `subjects` are the words for them. No child is in it."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//RightLevel//Visits//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"NAME:{escaped(title)}",
        f"X-WR-CALNAME:{escaped(title)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT6H",
        "X-PUBLISHED-TTL:PT6H",
    ]
    for visit in visits:
        lines += _event(visit, subjects)
    lines.append("END:VCALENDAR")
    return b"".join(folded(line) for line in lines)


def _event(visit: PlannedVisit, subjects: dict[str, str]) -> list[str]:
    summary = f"{visit.school_name} · {subjects.get(visit.subject, visit.subject)}"
    lines = [
        "BEGIN:VEVENT",
        f"UID:{visit.id}@rightlevel",
        f"DTSTAMP:{_moment(visit.changed_at)}",
        f"LAST-MODIFIED:{_moment(visit.changed_at)}",
        f"SEQUENCE:{visit.version - 1}",
        f"DTSTART;VALUE=DATE:{visit.planned_on:%Y%m%d}",
        f"DTEND;VALUE=DATE:{visit.planned_on + timedelta(days=1):%Y%m%d}",
        f"SUMMARY:{escaped(summary)}",
        f"LOCATION:{escaped(f'{visit.school_name}, {visit.place_name}')}",
        f"STATUS:{STATUS[visit.state]}",
        "TRANSP:TRANSPARENT",
    ]
    if visit.note:
        lines.append(f"DESCRIPTION:{escaped(visit.note)}")
    if visit.latitude is not None and visit.longitude is not None:
        lines.append(f"GEO:{visit.latitude:.6f};{visit.longitude:.6f}")
    return [*lines, "END:VEVENT"]


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def escaped(text: str) -> str:
    """A text as a value: what would end it or start a new line is written out, other control characters are left away."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    plain = plain.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")
    return "".join(each for each in plain if each >= " " and each != "\x7f")


def folded(line: str) -> bytes:
    """A line of at most 75 octets, folded between characters, with its end."""
    parts: list[bytes] = []
    part = b""
    for each in line:
        octets = each.encode()
        if len(part) + len(octets) > LINE_OCTETS - (1 if parts else 0):
            parts.append(part)
            part = b""
        part += octets
    parts.append(part)
    return b"\r\n ".join(parts) + b"\r\n"
