"""The form that visits begin with. *Source*: product.md section 6; its keys are kept for ever, since answers stand under them."""

from __future__ import annotations

from typing import Any, Final

from rightlevel.programme.forms import first_form_words as words
from rightlevel.programme.forms.definition import Expression, Field, FieldType, Form, Labels, Option, Section
from rightlevel.programme.forms.first_form_words import Words

RAN: Final = ["eq", "session_ran", True]
PLAN: Final = ["eq", "has_plan", True]
LANGUAGE: Final = ["eq", "subject", "language"]
MATH: Final = ["eq", "subject", "math"]
FIDELITY: Final = {
    "ran": "session_ran",
    "on_time": "started_on_time",
    "grouped": "grouped_by_level",
    "involved": "all_involved",
    "plan": "has_plan",
    "followed": "plan_followed",
    "suits_level": "plan_suits",
    "materials": "materials",
    "activities": "activities",
    "activity_clear": "clear",
    "activity_followed": "followed",
}


def first_visit_form() -> Form:
    """The first form, in English and Khmer. Subject, school, teacher and day are given by the visit itself."""
    sections = (_details(), _session(), _class(), _delivery(), _room(), _plan(), _activities(), _end())
    return Form("Mentoring visit", 1, ("en", "km"), sections, FIDELITY)


def _in(english: str, khmer: str) -> Labels:
    return {"en": english, "km": khmer}


def _ask(
    key: str, kind: FieldType, english: str, khmer: str, *, needed: Expression = True, **more: Any
) -> Field:
    return Field(key, kind, _in(english, khmer), required_when=needed, **more)


def _of(chosen: Words, when: Expression = None) -> tuple[Option, ...]:
    return tuple(Option(code, _in(english, khmer), when) for code, english, khmer in chosen)


def _details() -> Section:
    return Section(
        "details",
        _in("Visit", "ការចុះជួយ"),
        (
            _ask("visit_day", "date", "Day", "ថ្ងៃ", is_given=True),
            _ask("school", "school", "School", "សាលា", is_given=True),
            _ask("teacher", "person", "Teacher", "គ្រូ", is_given=True),
            _ask("subject", "choice", "Subject", "មុខវិជ្ជា", is_given=True, options=_of(words.SUBJECTS)),
        ),
    )


def _session() -> Section:
    return Section(
        "session",
        _in("Session", "វគ្គបង្រៀន"),
        (
            _ask("session_ran", "yes_no", "Was the class in session?", "តើថ្នាក់មានដំណើរការទេ?"),
            _ask(
                "not_ran_reason", "text", "Why not?", "ហេតុអ្វីមិនមាន?", shown_when=["eq", "session_ran", False]
            ),
        ),
    )


def _class() -> Section:
    levels = (
        _of(words.BEGINNER)
        + _of(words.LANGUAGE_LEVELS, ["not", MATH])
        + _of(words.MATH_LEVELS, ["not", LANGUAGE])
    )
    return Section(
        "class",
        _in("Class", "ថ្នាក់រៀន"),
        (
            _ask("full_session", "yes_no", "Did you see the whole session?", "តើបានសង្កេតវគ្គពេញលេញទេ?"),
            _ask("grades", "grades", "Which grades?", "ថ្នាក់ទីប៉ុន្មាន?", options=_of(words.GRADES)),
            _ask("levels", "levels", "Which levels did you see?", "តើបានសង្កេតកម្រិតណាខ្លះ?", options=levels),
            _ask("enrolled", "number", "Children on the class list", "ចំនួនសិស្សក្នុងបញ្ជី", min=0, max=200),
            _ask(
                "present", "number", "Children present", "ចំនួនសិស្សមានវត្តមាន", min=0, max=["answer", "enrolled"]
            ),
            _ask(
                "improved",
                "number",
                "Children who went up since last week",
                "ចំនួនសិស្សរីកចម្រើនពីសប្ដាហ៍មុន",
                needed=None,
                min=0,
                max=["answer", "present"],
            ),
            _ask(
                "classes_before",
                "number",
                "Classes held before this visit",
                "ចំនួនវគ្គដែលបានបង្រៀនមុនការចុះជួយនេះ",
                needed=None,
                min=0,
                max=400,
            ),
        ),
        RAN,
    )


def _delivery() -> Section:
    return Section(
        "delivery",
        _in("Start", "ការចាប់ផ្ដើម"),
        (
            _ask(
                "started_on_time",
                "yes_no_unknown",
                "Did it start within 5 minutes of its time?",
                "តើបានចាប់ផ្ដើមក្នុងរយៈពេល ៥ នាទីនៃម៉ោងកំណត់ទេ?",
            ),
            _ask(
                "late_reason",
                "text",
                "Why not?",
                "ហេតុអ្វីមិនទាន់ពេល?",
                shown_when=["eq", "started_on_time", False],
            ),
        ),
        RAN,
    )


def _room() -> Section:
    materials = (
        _of(words.LANGUAGE_MATERIALS, ["not", MATH])
        + _of(words.MATH_MATERIALS, ["not", LANGUAGE])
        + _of(words.NO_MATERIAL)
    )
    return Section(
        "classroom",
        _in("Classroom", "ក្នុងថ្នាក់"),
        (
            _ask(
                "materials", "choices", "Which materials were there?", "តើមានសម្ភារៈអ្វីខ្លះ?", options=materials
            ),
            _ask(
                "grouped_by_level",
                "yes_no",
                "Were the children grouped by level?",
                "តើសិស្សត្រូវបានចែកក្រុមតាមកម្រិតទេ?",
            ),
            _ask("all_involved", "yes_no", "Were all children involved?", "តើសិស្សទាំងអស់បានចូលរួមសកម្មទេ?"),
        ),
        RAN,
    )


def _plan() -> Section:
    return Section(
        "plan",
        _in("Session plan", "កិច្ចតែងការ"),
        (
            _ask("has_plan", "yes_no", "Does the teacher have a session plan?", "តើគ្រូមានកិច្ចតែងការទេ?"),
            _ask("no_plan_reason", "text", "Why not?", "ហេតុអ្វីមិនមាន?", shown_when=["eq", "has_plan", False]),
            _ask("plan_followed", "yes_no", "Was it followed?", "តើបានអនុវត្តតាមទេ?", shown_when=PLAN),
            _ask(
                "not_followed_reason",
                "text",
                "Why not?",
                "ហេតុអ្វីមិនបានអនុវត្តតាម?",
                shown_when=["eq", "plan_followed", False],
            ),
            _ask(
                "plan_suits",
                "yes_no",
                "Does it suit the children’s levels?",
                "តើសមស្របនឹងកម្រិតសិស្សទេ?",
                shown_when=PLAN,
            ),
            _ask(
                "plan_advice",
                "long_text",
                "Advice on the plan",
                "យោបល់លើកិច្ចតែងការ",
                needed=None,
                shown_when=PLAN,
            ),
        ),
        RAN,
    )


def _activities() -> Section:
    names = _of(words.LANGUAGE_ACTIVITIES, ["not", MATH]) + _of(words.MATH_ACTIVITIES, ["not", LANGUAGE])
    asked = (
        _ask("name", "choice", "Which activity?", "សកម្មភាពអ្វី?", options=names),
        _ask("minutes", "number", "Minutes", "រយៈពេល (នាទី)", min=1, max=240),
        _ask("clear", "yes_no", "Were the instructions clear?", "តើការណែនាំច្បាស់លាស់ទេ?"),
        _ask(
            "unclear_reason",
            "text",
            "Why not?",
            "ហេតុអ្វីមិនច្បាស់?",
            needed=None,
            shown_when=["eq", "clear", False],
        ),
        _ask("followed", "yes_no", "Was the process followed?", "តើបានអនុវត្តតាមដំណើរការទេ?"),
        _ask(
            "not_followed_why",
            "text",
            "Why not?",
            "ហេតុអ្វីមិនបានអនុវត្តតាម?",
            needed=None,
            shown_when=["eq", "followed", False],
        ),
        _ask("demonstrated", "yes_no", "Did the teacher demonstrate it?", "តើគ្រូបានធ្វើបង្ហាញទេ?"),
        _ask("practised", "choice", "Who practised it?", "តើសិស្សណាខ្លះបានអនុវត្ត?", options=_of(words.WHO)),
    )
    return Section(
        "teaching",
        _in("Activities", "សកម្មភាព"),
        (_ask("activities", "group", "Activity", "សកម្មភាព", fields=asked, repeat=5),),
        RAN,
    )


def _end() -> Section:
    return Section(
        "end",
        _in("Feedback", "មតិត្រឡប់"),
        (
            _ask("feedback", "long_text", "Feedback given to the teacher", "មតិត្រឡប់ដល់គ្រូ", needed=None),
            _ask("recommendations", "long_text", "Recommendations", "អនុសាសន៍", needed=None),
            _ask("place", "gps", "Place", "ទីតាំង", needed=None),
            _ask("mentor_signature", "signature", "Mentor’s signature", "ហត្ថលេខាអ្នកណែនាំ", needed=None),
            _ask("teacher_signature", "signature", "Teacher’s signature", "ហត្ថលេខាគ្រូ", needed=None),
        ),
        RAN,
    )
